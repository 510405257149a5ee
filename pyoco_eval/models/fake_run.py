"""Networks run without numbers: for shapes, operations and memory.

Parameters are fake tensors and what a network is told is empty, so that operators run for shapes
and dtypes alone.
"""

import weakref
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pyoco_eval.diffusion.denoiser import TextEmbedding
from pyoco_eval.models.motion_unet import PROMPT, MotionUNet
from pyoco_eval.models.network import VideoNetwork

TOKENS: Final = {"t5": 128, "clip": 77, "shapes": 16}
"""Tokens of a text, by encoder."""


def empty_texts(network: VideoNetwork, rows: int) -> dict[str, TextEmbedding]:
    """Texts as the network takes them, of `rows` samples, all tokens counting."""
    lengths = TOKENS
    if isinstance(network, MotionUNet):
        lengths = {PROMPT: network.config.text_tokens}
    return {
        source.name: TextEmbedding(
            torch.empty(rows, lengths[source.name], source.width),
            torch.ones(rows, lengths[source.name], dtype=torch.bool),
        )
        for source in network.config.text
    }


def as_fake(network: nn.Module) -> None:
    """Parameters and buffers on the meta device become fake ones of the CPU, as `empty` makes."""
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            fake = nn.Parameter(_empty_like(parameter), parameter.requires_grad)
            setattr(module, name, fake)
        for name, tensor in list(module.named_buffers(recurse=False)):
            setattr(module, name, _empty_like(tensor))


def _empty_like(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of storages that operators make, until nobody holds them.

    Attributes:
        most: at once, so far.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        held = (*network.parameters(), *network.buffers())
        self._known = {tensor.untyped_storage()._cdata for tensor in held}
        self._now = 0
        self.most: int = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if not isinstance(tensor, torch.Tensor):
                continue
            storage = tensor.untyped_storage()
            if storage._cdata not in self._known:
                self._known.add(storage._cdata)
                weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())
                self._now += storage.nbytes()
                self.most = max(self.most, self._now)
        return made

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._now -= size
