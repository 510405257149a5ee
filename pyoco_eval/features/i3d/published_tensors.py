"""The table of the published I3D: where each tensor lies, its checksum, and its other name.

DeepMind's TensorFlow checkpoint and the PyTorch ports hold the same numbers under different names
and axis orders. This table joins the two, so that numbers can be recognised in any container.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final

import crc32c
import torch

CHECKPOINT_BYTES: Final = 50_818_176
SCOPE: Final = "RGB/inception_i3d/"

_PARTS: Final = {
    "conv_3d/w": "conv3d.weight",
    "conv_3d/b": "conv3d.bias",
    "batch_norm/beta": "bn.bias",
    "batch_norm/moving_mean": "bn.running_mean",
    "batch_norm/moving_variance": "bn.running_var",
}
_BRANCHES: Final = {
    ("Branch_0", "1x1"): "b0",
    ("Branch_1", "1x1"): "b1a",
    ("Branch_1", "3x3"): "b1b",
    ("Branch_2", "1x1"): "b2a",
    ("Branch_2", "3x3"): "b2b",
    ("Branch_3", "1x1"): "b3b",
}


@dataclass(frozen=True)
class PublishedTensor:
    """One tensor of the checkpoint.

    Attributes:
        name: in TensorFlow.
        port_name: in the PyTorch ports.
        shape: in the checkpoint; kernels are (T, H, W, in, out).
        offset: of its first byte in the data file; little-endian float32.
        checksum: masked crc32c of its bytes.
    """

    name: str
    port_name: str
    shape: tuple[int, ...]
    offset: int
    checksum: int

    @property
    def port_shape(self) -> tuple[int, ...]:
        """Shape in the PyTorch ports; kernels are (out, in, T, H, W)."""
        return self.shape[:2:-1] + self.shape[:3] if len(self.shape) == 5 else self.shape

    @property
    def num_bytes(self) -> int:
        """Of its float32 values."""
        return 4 * math.prod(self.shape)

    def matches(self, tensors: Mapping[str, torch.Tensor]) -> bool:
        """Whether the tensor of this name in `tensors` holds the published bytes.

        Args:
            tensors: float32, under the names and in the shapes of the PyTorch ports.
        """
        tensor = to_tensorflow_layout(tensors[self.port_name])
        content = tensor.contiguous().numpy().astype("<f4", copy=False)
        return masked_crc32c(content.data) == self.checksum


@functools.cache
def published_tensors() -> tuple[PublishedTensor, ...]:
    """The 230 tensors, in the order of the data file."""
    table = resources.files("pyoco_eval.features.i3d").joinpath("published_tensors.tsv")
    lines = [line for line in table.read_text("ascii").splitlines() if not line.startswith("#")]
    return tuple(_parse_row(line) for line in lines[1:])


def published_shapes() -> Mapping[str, tuple[int, ...]]:
    """Shape of every tensor of the PyTorch ports, by name.

    The ports add the scale of batch normalisation, which TensorFlow's network does not have.
    """
    shapes = {tensor.port_name: tensor.port_shape for tensor in published_tensors()}
    scales = {
        name.removesuffix("bias") + "weight": shape
        for name, shape in shapes.items()
        if name.endswith("bn.bias")
    }
    return shapes | scales


def port_name(name: str) -> str | None:
    """The PyTorch name of a TensorFlow variable, None if the network has no such variable.

    The 3x3 convolution of Branch_2 is called `Conv3d_0a_3x3` in Mixed_5b and `Conv3d_0b_3x3`
    everywhere else; the kernel size tells the two convolutions of a branch apart.
    """
    match name.removeprefix(SCOPE).split("/"):
        case ["Logits", "Conv3d_0c_1x1", kind, part]:
            unit: str | None = "logits"
        case [layer, kind, part]:
            unit = layer
        case [layer, branch, convolution, kind, part]:
            place = _BRANCHES.get((branch, convolution.rpartition("_")[2]))
            unit = place and f"{layer}.{place}"
        case _:
            return None
    suffix = _PARTS.get(f"{kind}/{part}")
    return f"{unit}.{suffix}" if unit and suffix else None


def to_port_layout(tensor: torch.Tensor) -> torch.Tensor:
    """From TensorFlow's axes: kernels to (out, in, T, H, W), 1x1x1x1xC vectors to C."""
    if tensor.ndim != 5:
        return tensor
    if tensor.shape[:4] == (1, 1, 1, 1):
        return tensor.reshape(-1)
    return tensor.permute(4, 3, 0, 1, 2)


def to_tensorflow_layout(tensor: torch.Tensor) -> torch.Tensor:
    """Kernels from (out, in, T, H, W) to (T, H, W, in, out)."""
    return tensor.permute(2, 3, 4, 1, 0) if tensor.ndim == 5 else tensor


def masked_crc32c(data: memoryview | bytes) -> int:
    """CRC-32C as TensorFlow writes it into checkpoints, rotated and shifted by a constant."""
    crc: int = crc32c.crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _parse_row(line: str) -> PublishedTensor:
    name, shape, offset, num_bytes, checksum = line.split("\t")
    other_name = port_name(name)
    assert other_name is not None
    dims = tuple(int(length) for length in shape.split("x"))
    tensor = PublishedTensor(name, other_name, dims, int(offset), int(checksum, 16))
    assert tensor.num_bytes == int(num_bytes)
    return tensor
