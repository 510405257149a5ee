"""The text tower of a CLIP: captions in the space of the image embeddings.

Axes: N captions, L tokens, D features.

Reference: Radford et al., Learning Transferable Visual Models From Natural Language Supervision,
2021; the same files as the image tower (`clip_checkpoint`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from pyoco_eval.features.base import LoadRequest
from pyoco_eval.features.clip.architectures import ARCHITECTURES, VIT_B_32, ClipArchitecture
from pyoco_eval.features.clip.checkpoint import TOWER, import_open_clip
from pyoco_eval.features.layers.exact_inference import exact_inference
from pyoco_eval.features.loading.state_dict import read_state_dict, require_tensors

CONTEXT_LENGTH: Final = 77
_BATCH: Final = 64
_SCALES: Final = ("logit_scale", "logit_bias")
_NOT_OF_TEXT: Final = (*_SCALES, "input_resolution", "context_length", "vocab_size")


class ClipTextEncoder:
    """Text embeddings, not normalised.

    Attributes:
        dim: D.
        truncated: captions so far that had more than 75 tokens and lost their end.
    """

    def __init__(self, network: nn.Module, tokenizer: Any, dim: int = VIT_B_32.dim) -> None:
        self.network = network
        self.dim = dim
        self.truncated = 0
        self._tokenizer = tokenizer

    def encode(self, captions: Sequence[str]) -> np.ndarray:
        """One row per caption.

        Returns:
            float32 (N, D).
        """
        if not captions:
            return np.empty((0, self.dim), np.float32)
        lengths = [len(self._tokenizer.encode(caption)) for caption in captions]
        self.truncated += sum(length > CONTEXT_LENGTH - 2 for length in lengths)
        tokens = self._tokenizer(list(captions), context_length=CONTEXT_LENGTH)
        with exact_inference():
            parts = [
                self.network.encode_text(part)  # type: ignore[operator]
                for part in tokens.split(_BATCH)
            ]
        return np.asarray(torch.cat(parts).float().numpy())


def load_clip_text(path: Path, architecture: ClipArchitecture = VIT_B_32) -> ClipTextEncoder:
    """The text tower on the CPU in evaluation mode, float32, without gradients.

    Raises:
        MissingError: no such file, or open_clip is not installed.
        WeightsError: the file holds something else; the message names the tensors that differ.
    """
    open_clip = import_open_clip()
    config = open_clip.get_model_config(architecture.open_clip)
    about = f"the text tower of {architecture.title}"
    network = load_text_tower(path, config, about, architecture.remedy)
    tokenizer = open_clip.tokenizer.SimpleTokenizer(context_length=CONTEXT_LENGTH)
    return ClipTextEncoder(network, tokenizer, architecture.dim)


def open_clip_text(request: LoadRequest) -> ClipTextEncoder:
    """`load_clip_text` for the catalogue of networks."""
    architecture = ARCHITECTURES[request.name]
    return load_clip_text(request.weight_file(architecture.name).path, architecture)


def load_text_tower(
    path: Path, config: Mapping[str, Any], about: str, remedy: str = VIT_B_32.remedy
) -> nn.Module:
    """The text tower that an open_clip configuration describes, as `load_clip_text` loads it.

    Args:
        path: weights; of these only what is not `visual.*` is used.
        config: keyword arguments of `open_clip.CLIP`.
        about: the network's name, for messages; so is `remedy`, which file to get.

    Raises:
        MissingError, WeightsError: see `load_clip_text`.
    """
    with torch.device("meta"):
        network: nn.Module = import_open_clip().CLIP(**config)
        del network.visual
    found = read_state_dict(path)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    tensors = require_tensors(
        {k: v for k, v in found.items() if not k.startswith(TOWER) and k not in _NOT_OF_TEXT},
        {name: shape for name, shape in shapes.items() if name not in _NOT_OF_TEXT},
        path=path,
        network=about,
        remedy=remedy,
    )
    scales = {name: torch.ones(shapes[name]) for name in _SCALES if name in shapes}
    network.load_state_dict(tensors | scales, assign=True)
    # Not part of any file: nothing attends to what comes later.
    length: int = network.context_length  # type: ignore[assignment]
    network.attn_mask = torch.full((length, length), float("-inf")).triu_(1)
    return network.eval().requires_grad_(False)
