"""TensorFlow's SAME padding for 3-D convolutions and pools.

Axes: B batch, C channels, T frames, H, W.

Per axis of length n, the padding depends on n % stride and its odd element goes to the end, so a
fixed symmetric padding computes another network. What SAME puts on both sides the operator pads by
itself, which computes no product with these zeros; only the odd element is a copy.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from pyoco_eval.features.layers.convolution3d import conv3d


def same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Elements to add before and after an axis, so that ceil(length / stride) outputs remain."""
    remainder = length % stride
    total = max(kernel - (remainder or stride), 0)
    return total // 2, total - total // 2


def same_conv3d(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, stride: Sequence[int]
) -> torch.Tensor:
    """Convolution with SAME zero padding.

    Args:
        x: (B, C, T, H, W).
        weight: (out channels, C, kt, kh, kw).
        bias: (out channels,).
        stride: per axis T, H, W.

    Returns:
        (B, out channels, ceil(T / st), ceil(H / sh), ceil(W / sw)).
    """
    pads = _pads(x, weight.shape[2:], stride)
    if any(before != after for before, after in pads):
        x = F.pad(x, [odd for before, after in reversed(pads) for odd in (0, after - before)])
    return conv3d(x, weight, bias, stride, [before for before, _ in pads])


def same_max_pool3d(x: torch.Tensor, kernel: Sequence[int], stride: Sequence[int]) -> torch.Tensor:
    """Max pool with SAME padding, whose elements never win.

    Args:
        x: (B, C, T, H, W).
        kernel, stride: per axis T, H, W; a kernel is 1 or 3, or 2 with stride 2. Then SAME pads an
            axis evenly or only at the end, which `ceil_mode` does without a copy.

    Returns:
        (B, C, ceil(T / st), ceil(H / sh), ceil(W / sw)).
    """
    assert all(k in (1, 3) or k == s == 2 for k, s in zip(kernel, stride, strict=True))
    if x.device.type == "cpu" and tuple(kernel) == (3, 3, 3) and tuple(stride) == (1, 1, 1):
        for axis in (2, 3, 4):
            x = _max_of_neighbours(x, axis)
        return x
    padding = [before for before, _ in _pads(x, kernel, stride)]
    return F.max_pool3d(x, tuple(kernel), tuple(stride), padding, ceil_mode=True)


def _max_of_neighbours(x: torch.Tensor, axis: int) -> torch.Tensor:
    """Maximum of each element and those beside it: 2 operations an axis, where 3x3x3 takes 26."""
    y = x.clone()
    others = x.shape[axis] - 1
    for target, neighbour in ((0, 1), (1, 0)):
        part = y.narrow(axis, target, others)
        torch.maximum(part, x.narrow(axis, neighbour, others), out=part)
    return y


def _pads(x: torch.Tensor, kernel: Sequence[int], stride: Sequence[int]) -> list[tuple[int, int]]:
    return [same_padding(n, k, s) for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
