"""Reads TGANv2's C3D weights and mean cube, NumPy archives written by Chainer.

Nothing is unpickled: an archive that holds Python objects is refused.

Axes: C channels, T frames, H, W; kernels (out, in, T, H, W).

References: https://github.com/rezoo/tgan2/releases/tag/v1.0
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

import numpy as np
import torch

from pyoco_eval.errors import MissingError
from pyoco_eval.features.c3d.network import CONVOLUTIONS, INPUT_SIZE, NUM_FRAMES, C3DNetwork
from pyoco_eval.features.loading.state_dict import WeightsError, require_tensors
from pyoco_eval.parsing import DAMAGED_ARRAYS

WEIGHTS_REMEDY: Final = "Expected conv3d_deepnetA_ucf.npz of the release v1.0 of rezoo/tgan2."
MEAN_REMEDY: Final = "Expected mean2.npz of the release v1.0 of rezoo/tgan2."
MEAN_SHAPE: Final = (3, NUM_FRAMES, 128, 171)
MEAN_CROP: Final = slice(8, 8 + INPUT_SIZE)


def load_c3d_network(path: Path) -> C3DNetwork:
    """The network in evaluation mode, float32, without gradients, for RGB input.

    The published network reads BGR; the kernels of its first layer are turned round once.

    Raises:
        MissingError: the file cannot be read.
        WeightsError: the file is damaged, of another format, or holds another network.
    """
    with torch.device("meta"):
        network = C3DNetwork()
    published = {_published_name(name): name for name in network.state_dict()}
    arrays = _read_npz(path, WEIGHTS_REMEDY)
    tensors = require_tensors(
        {name: torch.from_numpy(array) for name, array in arrays.items()},
        {name: network.state_dict()[own].shape for name, own in published.items()},
        path=path,
        network="C3D with 101 classes",
        remedy=WEIGHTS_REMEDY,
    )
    tensors["conv1a/W"] = tensors["conv1a/W"].flip(1)
    for name in CONVOLUTIONS:
        kernel = tensors[f"{name}/W"]
        tensors[f"{name}/W"] = kernel.contiguous(memory_format=torch.channels_last_3d)
    network.load_state_dict({own: tensors[name] for name, own in published.items()}, assign=True)
    return network.requires_grad_(False).eval()


def load_mean(path: Path) -> torch.Tensor:
    """The part of the mean cube that TGANv2 subtracts.

    The cube is 128 x 171; rows and columns 8..119 are taken, which is not the centre of the
    columns, and is what the published scores were made with.

    Returns:
        float32 (T, C, H, W) = (16, 3, 112, 112), RGB, in 0..255.

    Raises:
        MissingError: the file cannot be read.
        WeightsError: the file has no `mean` of that shape.
    """
    arrays = _read_npz(path, MEAN_REMEDY)
    if "mean" not in arrays:
        raise WeightsError(f"{path}: has no array `mean`, only {_names(arrays)}. {MEAN_REMEDY}")
    mean = arrays["mean"]
    cube = mean.squeeze()
    if cube.shape != MEAN_SHAPE or not np.issubdtype(cube.dtype, np.floating):
        raise WeightsError(
            f"{path}: `mean` is {mean.dtype} {mean.shape}, expected floating-point {MEAN_SHAPE} "
            f"(channels BGR, frames, rows, columns). {MEAN_REMEDY}"
        )
    if not np.isfinite(cube).all() or cube.min() < 0 or cube.max() > 255:
        raise WeightsError(f"{path}: `mean` has values outside 0..255. {MEAN_REMEDY}")
    crop = cube[::-1, :, MEAN_CROP, MEAN_CROP].transpose(1, 0, 2, 3)
    return torch.from_numpy(np.array(crop, dtype=np.float32, order="C"))


def _read_npz(path: Path, remedy: str) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if start != b"PK\x03\x04":
                raise WeightsError(f"{path}: not a NumPy archive: starts with {start!r}. {remedy}")
            file.seek(0)
            return _read_arrays(file, path, remedy)
    except OSError as error:
        raise MissingError(f"{path}: cannot be read: {error.strerror}") from error
    except DAMAGED_ARRAYS as error:
        raise WeightsError(f"{path}: damaged, or not plain arrays: {error}. {remedy}") from error


def _read_arrays(file: IO[bytes], path: Path, remedy: str) -> dict[str, np.ndarray]:
    members = zipfile.ZipFile(file).namelist()
    if not all(name.endswith(".npy") for name in members):
        raise WeightsError(f"{path}: a zip, but not a NumPy archive. {remedy}")
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _published_name(name: str) -> str:
    """`convolutions.conv1a.weight` -> `conv1a/W`."""
    layer, _, part = name.removeprefix("convolutions.").partition(".")
    return f"{layer}/{'W' if part == 'weight' else 'b'}"


def _names(arrays: Mapping[str, np.ndarray]) -> str:
    return ", ".join(list(arrays)[:5]) or "nothing"
