"""Loads the image tower of a CLIP from a file, never from the network.

Read are OpenAI's archives such as `ViT-B-32.pt` (TorchScript in float16, not executed), a state
dict with OpenAI's or open_clip's names, and open_clip's safetensors. Of these only `visual.*` is
used.

References:
    Radford et al., Learning Transferable Visual Models From Natural Language Supervision, 2021.
    Addresses of the files: `weights/manifest.py`.
"""

import importlib
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from pyoco_eval.errors import MissingError
from pyoco_eval.features.clip.architectures import VIT_B_32, ClipArchitecture
from pyoco_eval.features.loading.state_dict import read_state_dict, require_tensors
from pyoco_eval.features.loading.torchvision_operators import import_torchvision

TOWER: Final = "visual."


def load_image_tower(path: Path, architecture: ClipArchitecture = VIT_B_32) -> nn.Module:
    """A CLIP's image tower in evaluation mode, float32, without gradients.

    Maps float32 (B, 3, 224, 224) to (B, D), the projected class token, not normalised.

    Raises:
        MissingError: no such file, or open_clip is not installed.
        WeightsError: the file holds something else; the message names the tensors that differ.
    """
    with torch.device("meta"):
        tower = _build_image_tower(import_open_clip(), architecture.open_clip)
    found = read_state_dict(path)
    tensors = require_tensors(
        {k: v for k, v in found.items() if k.startswith(TOWER)} or found,
        {f"{TOWER}{name}": tensor.shape for name, tensor in tower.state_dict().items()},
        path=path,
        network=f"the image tower of {architecture.title}",
        remedy=architecture.remedy,
    )
    tower.load_state_dict({k.removeprefix(TOWER): v for k, v in tensors.items()}, assign=True)
    tower.requires_grad_(False)
    return tower.eval()


def _build_image_tower(open_clip: Any, name: str) -> nn.Module:
    tower: nn.Module = open_clip.CLIP(**open_clip.get_model_config(name)).visual
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
