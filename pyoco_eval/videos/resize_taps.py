"""Every resize kernel as taps: which source pixels an output pixel sums, and their weights.

Axes: K taps, `source` and `target` pixels along one side.

References: Pillow's `Resample.c` (support, bounds and fixed point of its filters); ATen's
`UpSample.h` (positions of `torch.nn.functional.interpolate`).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

FIXED_POINT_BITS: Final = 22
"""Of Pillow's weights for uint8: 32 bits less 8 of the pixel and 2 of head room."""


@dataclass(frozen=True, eq=False)
class Taps:
    """One side of a resize.

    Attributes:
        index: int64 (K, target), the source pixel of each tap, in range also where unused.
        weight: (K, target), zero where a tap is unused: float64, float32 for `interpolate`'s
            kernels, int32 in fixed point for Pillow's on uint8.
    """

    index: np.ndarray
    weight: np.ndarray


def taps_of(kernel: str, source: int, target: int) -> Taps:
    """The taps of a kernel of `ResizeRule` other than `tf1-bilinear`."""
    if kernel in ("bilinear", "align-corners-bilinear"):
        return _two_taps(source, target, corners=kernel != "bilinear")
    shape, reach = _FILTERS[kernel]
    if kernel == "bilinear-antialias":
        return _filter_taps(shape, np.float32(reach), source, target)
    taps = _filter_taps(shape, np.float64(reach), source, target)
    if kernel == "pil-bicubic-float":
        return taps
    fixed = taps.weight * (1 << FIXED_POINT_BITS)
    return Taps(taps.index, np.trunc(fixed + np.copysign(0.5, fixed)).astype(np.int32))


def _two_taps(source: int, target: int, *, corners: bool) -> Taps:
    """Positions rounded once to float32, as a fused multiply-add rounds them."""
    place = np.arange(target, dtype=np.float64)
    if corners:
        step = np.float32(source - 1) / np.float32(max(target - 1, 1)) if target > 1 else 0.0
        position = (np.float64(step) * place).astype(np.float32)
    else:
        step = np.float32(source) / np.float32(target)
        position = (np.float64(step) * (place + 0.5) - 0.5).astype(np.float32)
        position = np.maximum(position, np.float32(0))
    lower = np.minimum(position.astype(np.int64), source - 1)
    upper = np.minimum(lower + 1, source - 1)
    weight = np.clip(position - lower.astype(np.float32), 0, 1).astype(np.float32)
    return Taps(np.stack([lower, upper]), np.stack([np.float32(1) - weight, weight]))


def _filter_taps(
    shape: Callable[[np.ndarray], np.ndarray],
    reach: np.floating,
    source: int,
    target: int,
) -> Taps:
    """A filter that is widened where pixels become fewer, and normalised at the borders.

    Args:
        reach: of the filter, in the precision that weights are computed with.
    """
    real = type(reach)
    scale = real(source) / real(target)
    widened = max(scale, real(1))
    support = reach * widened
    centre = (np.arange(target) + 0.5) * np.float64(scale)
    centre = centre.astype(real)
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    end = np.minimum((centre + support + 0.5).astype(np.int64), source)
    index = first + np.arange(math.ceil(support) * 2 + 1)[:, None]
    weight = shape((index.astype(real) - centre + real(0.5)) * (real(1) / widened))
    weight = np.where(index < end, weight, real(0))
    total = np.zeros(target, real)
    for row in weight:  # one after another, for NumPy's own sum would round in another order
        total += row
    used = int((end - first).max())
    return Taps(np.minimum(index, source - 1)[:used], (weight / total)[:used])


def _triangle(x: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.maximum(1.0 - np.abs(x), 0.0)
    return found


def _cubic(x: np.ndarray) -> np.ndarray:
    a = -0.5
    x = np.abs(x)
    inner = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    outer = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, inner, np.where(x < 2, outer, 0.0))


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where((x >= -3) & (x < 3), _sinc(x) * _sinc(x / 3), 0.0)


def _sinc(x: np.ndarray) -> np.ndarray:
    angle: np.ndarray = np.where(x == 0, 1.0, x) * math.pi
    found: np.ndarray = np.where(x == 0, 1.0, np.sin(angle) / angle)
    return found


_FILTERS: Final[Mapping[str, tuple[Callable[[np.ndarray], np.ndarray], float]]] = {
    "bilinear-antialias": (_triangle, 1.0),
    "pil-bilinear": (_triangle, 1.0),
    "pil-bicubic": (_cubic, 2.0),
    "pil-bicubic-float": (_cubic, 2.0),
    "pil-lanczos": (_lanczos, 3.0),
}
