"""Loads the image tower of CLIP ViT-B/32 from a file, never from the network.

Read are OpenAI's `ViT-B-32.pt` (a TorchScript archive in float16, not executed), a state dict with
OpenAI's or open_clip's names, and open_clip's safetensors. Of these only `visual.*` is used.

References:
    Radford et al., Learning Transferable Visual Models From Natural Language Supervision, 2021.
    https://openaipublic.azureedge.net/clip/models/40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt
"""

import importlib
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from pyoco_eval.errors import MissingError
from pyoco_eval.features.loading.state_dict import read_state_dict, require_tensors
from pyoco_eval.features.loading.torchvision_operators import import_torchvision

ARCHITECTURE: Final = "ViT-B-32-quickgelu"
TOWER: Final = "visual."
REMEDY: Final = (
    "Expected OpenAI's ViT-B-32.pt, or open_clip's ViT-B-32-quickgelu with OpenAI's weights "
    "(not the layout of transformers)."
)


def load_image_tower(path: Path) -> nn.Module:
    """CLIP's image tower in evaluation mode, float32, without gradients.

    Maps float32 (B, 3, 224, 224) to (B, 512), the projected class token, not normalised.

    Raises:
        MissingError: no such file, or open_clip is not installed.
        WeightsError: the file holds something else; the message names the tensors that differ.
    """
    with torch.device("meta"):
        tower = _build_image_tower(import_open_clip())
    found = read_state_dict(path)
    tensors = require_tensors(
        {k: v for k, v in found.items() if k.startswith(TOWER)} or found,
        {f"{TOWER}{name}": tensor.shape for name, tensor in tower.state_dict().items()},
        path=path,
        network="the image tower of CLIP ViT-B/32",
        remedy=REMEDY,
    )
    tower.load_state_dict({k.removeprefix(TOWER): v for k, v in tensors.items()}, assign=True)
    tower.requires_grad_(False)
    return tower.eval()


def _build_image_tower(open_clip: Any) -> nn.Module:
    tower: nn.Module = open_clip.CLIP(**open_clip.get_model_config(ARCHITECTURE)).visual
    return tower


def import_open_clip() -> Any:
    """The module `open_clip`.

    Raises:
        MissingError: it is not installed or does not import.
    """
    import_torchvision()
    try:
        return importlib.import_module("open_clip")
    except ImportError as error:
        raise MissingError(
            f"open_clip cannot be imported ({error}): pip install 'pyoco-eval[clip]'"
        ) from error
