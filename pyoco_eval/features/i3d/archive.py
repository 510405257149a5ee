"""StyleGAN-V's I3D in plain PyTorch, from the tensors of its TorchScript archive.

The archive's network descends from hassony2's port of I3D, whose names its tensors carry. That port
pads as TensorFlow does wherever every strided layer meets an even length: 224 pixels do, and so do
clips of a multiple of four frames. For these it is `I3DNetwork`, which runs here. For others its
paddings are not known, and nothing is assumed.

What is no tensor is read from the text of the program, which is not run: eps, and how it resizes.

References: hassony2/kinetics_i3d_pytorch (names, paddings, eps); universome/stylegan-v.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch

from pyoco_eval.errors import MissingError
from pyoco_eval.features.i3d.checkpoint import folded_network
from pyoco_eval.features.i3d.network import I3DNetwork
from pyoco_eval.features.i3d.published_tensors import published_shapes
from pyoco_eval.features.loading.state_dict import WeightsError, require_tensors
from pyoco_eval.features.loading.torchscript_archive import (
    TorchScriptArchiveError,
    is_torchscript_archive,
    read_torchscript_tensors,
)
from pyoco_eval.features.loading.torchscript_text import (
    batch_norm_constants,
    mentions,
    read_program_text,
    resizes,
)

FRAME_STEP: Final = 4
MIN_FRAMES: Final = 12
RESIZES: Final = frozenset({"bilinear", "trilinear"})
"""Kernels that are the same map where the number of frames stays."""

_UNITS: Final = {
    "branch_0": "b0",
    "branch_1.0": "b1a",
    "branch_1.1": "b1b",
    "branch_2.0": "b2a",
    "branch_2.1": "b2b",
    "branch_3.1": "b3b",
}
_MIXED: Final = re.compile(r"mixed_(\d[a-f])\.(branch_\d(?:\.\d)?)\.(.+)")


def load_archived_i3d(path: Path, *, inside: bool, remedy: str) -> I3DNetwork:
    """The network in evaluation mode, float32, without gradients, batch normalisation folded.

    Args:
        path: `i3d_torchscript.pt`.
        inside: the program's own resize and scaling are stood in for, so its text must state them.
        remedy: ends every message: what to do about an archive that this is no port of.

    Raises:
        MissingError: the file cannot be read.
        WeightsError: no TorchScript archive, damage, other tensors, or a program whose text does
            not say what is done here.
    """
    try:
        if not is_torchscript_archive(path):
            raise WeightsError(f"{path}: not a TorchScript archive. {remedy}")
        found = read_torchscript_tensors(path)
        text = read_program_text(path)
    except TorchScriptArchiveError as error:
        raise WeightsError(f"{path}: not a TorchScript archive, or damaged ({error})") from error
    except OSError as error:
        raise MissingError(f"{path}: cannot be read: {error.strerror}") from error
    tensors = require_tensors(
        _as_ports_name_them(found),
        published_shapes(),
        path=path,
        network="StyleGAN-V's I3D with 400 classes",
        remedy=remedy,
    )
    constants = batch_norm_constants(text)
    if len(constants) != 1 or not min(constants) > 0:
        told = ", ".join(f"{value:g}" for value in sorted(constants)) or "none"
        raise WeightsError(
            f"{path}: its program should state one eps of batch normalisation, found {told}. "
            f"{remedy}"
        )
    if inside:
        _require_known_input(text, path, remedy)
    return folded_network(tensors, constants.pop(), path, remedy)


def _require_known_input(text: Mapping[str, str], path: Path, remedy: str) -> None:
    kernels = resizes(text)
    if not kernels or not kernels <= RESIZES:
        told = "; ".join(sorted(kernels)) or "none"
        raise WeightsError(
            f"{path}: its program should resize with half-pixel bilinear or trilinear kernels, "
            f"found {told}. {remedy}"
        )
    if not mentions(text, 255):
        raise WeightsError(f"{path}: its program should scale 0..255 by x/255*2-1. {remedy}")


def _as_ports_name_them(found: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        _port_name(name): tensor
        for name, tensor in found.items()
        if not name.endswith("num_batches_tracked")
    }


def _port_name(name: str) -> str:
    """`mixed_3b.branch_1.0.batch3d.bias` -> `Mixed_3b.b1a.bn.bias`; other names as they are."""
    name = name.replace(".batch3d.", ".bn.")
    if name.startswith("conv3d_0c_1x1."):
        return "logits." + name.removeprefix("conv3d_0c_1x1.")
    if name.startswith("conv3d_"):
        return "C" + name[1:]
    matched = _MIXED.fullmatch(name)
    if matched is None or matched[2] not in _UNITS:
        return name
    return f"Mixed_{matched[1]}.{_UNITS[matched[2]]}.{matched[3]}"
