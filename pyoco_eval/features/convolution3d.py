"""One 3-D convolution for every batch size.

`torch.nn.functional.conv3d` sends small inputs on the CPU to a kernel several times slower than
oneDNN's, so that one clip costs more than a quarter of four. Asking for oneDNN keeps the speed, and
makes a clip's features independent of how many threads and clips there are to choose by.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F


def conv3d(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Sequence[int] = (1, 1, 1),
    padding: Sequence[int] = (0, 0, 0),
) -> torch.Tensor:
    """`torch.nn.functional.conv3d`, by oneDNN where the tensors are on the CPU.

    Args:
        x: (B, C, T, H, W).
        weight: (out channels, C, kt, kh, kw).
        bias: (out channels,), or None for zero.
        stride, padding: per axis T, H, W.

    Returns:
        (B, out channels, T', H', W').
    """
    if x.device.type == "cpu" and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return torch.mkldnn_convolution(x, weight, bias, padding, stride, (1, 1, 1), 1)
    return F.conv3d(x, weight, bias, tuple(stride), tuple(padding))
