"""The resizes of `resize.py` on any device, from uint8 frames that are there already.

Pillow's kernels and TF1's bilinear give the digits of the CPU: they are sums of products, one
elementwise operation each, in the same order and precision (whole numbers in Pillow's fixed point,
float64 for its float images), and such operations are correctly rounded on every device. Those of
`torch.nn.functional.interpolate` contract products and sums as the processor allows, so that their
last digits are no property of the rule; here they are within `TOLERANCE`, and of scores that is
less than 1e-6.

Axes: N frames, C channels (RGB), H, W.
"""

from functools import lru_cache
from typing import Final

import numpy as np
import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.frame_size import sides
from pyoco_eval.videos.resize import (
    IN_NETWORK,
    ResizeRule,
    crop_window,
    quantised,
    scaled_size,
    tf1_bilinear,
)
from pyoco_eval.videos.resize_pil import PIL_FILTERS, resize_in_float, resize_in_uint8
from pyoco_eval.videos.resize_taps import FIXED_POINT_BITS, taps_of

TOLERANCE: Final = 5e-4
"""In 0..255, of the kernels of `interpolate`; 5e-5 was found for frames of up to 1280 x 720."""

_PART_ELEMENTS: Final = 1 << 25
"""Of the largest intermediate, about: big frames are resized a few at a time."""

_NOISE_PIXELS: Final = 1 << 14
"""Enough for the orders of passes to differ in some digit."""

_LAST_PLACE: Final = 2e-5
"""Of float32 at 255, by which Pillow's float kernel may differ where it was built with fused
multiply-add."""


def same_on_device(rule: ResizeRule, height: int, width: int) -> bool:
    """Whether a device may resize frames of this size in place of the CPU.

    Not where a kernel that is only close is followed by a rounding to whole numbers, which turns
    a difference in the last digit into one of a level; nor inside a network; nor where this
    Pillow's digits were not found again.
    """
    if rule.kernel in PIL_FILTERS:
        return _passes(rule.kernel, (height, width), scaled_size(height, width, rule)) is not None
    if rule.kernel == "tf1-bilinear":
        return rule.quantise != "truncate-unit"
    return rule.kernel != IN_NETWORK and rule.quantise == "none"


def resize_on_device(frames: torch.Tensor, rule: ResizeRule) -> torch.Tensor:
    """What `resize_frames` does, where `frames` are.

    Args:
        frames: uint8 (N, H, W, 3) RGB.

    Returns:
        float32 (N, 3, size, size), or (N, 3, height, width), in 0..255.

    Raises:
        UsageError: a rule that is not `same_on_device`, or another shape or dtype.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != torch.uint8:
        raise UsageError(
            f"frames: expected uint8 (N, H, W, 3), found {frames.dtype} {tuple(frames.shape)}"
        )
    if not same_on_device(rule, *frames.shape[1:3]):
        raise UsageError(f"resize {rule.spec()}: on a device its digits would be others")
    height, width = scaled_size(frames.shape[1], frames.shape[2], rule)
    window = crop_window(height, width, rule)
    step = _frames_at_once(frames, height, width)
    own_height, own_width = sides(rule.size)
    resized = torch.empty(len(frames), 3, own_height, own_width, device=frames.device)
    for start in range(0, len(frames), step):
        part = slice(start, start + step)
        planes = frames[part].permute(0, 3, 1, 2).contiguous()
        scaled = _apply(planes, height, width, rule.kernel)
        resized[part] = scaled[:, :, window[0], window[1]]
    return quantised(resized, rule)


def _frames_at_once(frames: torch.Tensor, height: int, width: int) -> int:
    largest = 3 * max(frames.shape[1], height) * max(frames.shape[2], width)
    return max(1, _PART_ELEMENTS // largest)


def _apply(planes: torch.Tensor, height: int, width: int, kernel: str) -> torch.Tensor:
    """uint8 (N, C, H, W) to float32 (N, C, height, width)."""
    if kernel == "tf1-bilinear":
        return tf1_bilinear(planes.float(), height, width)
    if kernel not in PIL_FILTERS:
        return _one_side(_one_side(planes, 3, width, kernel), 2, height, kernel)
    source = (planes.shape[2], planes.shape[3])
    passes = _passes(kernel, source, (height, width))
    assert passes is not None
    return _as_pillow(planes, passes, (height, width), kernel)


def _as_pillow(
    planes: torch.Tensor, passes: tuple[int, ...], target: tuple[int, int], kernel: str
) -> torch.Tensor:
    for axis in passes:
        planes = _one_side(planes, axis, target[axis - 2], kernel)
    return planes.clamp(0, 255).float() if kernel == "pil-bicubic-float" else planes.float()


@lru_cache(maxsize=4096)
def _passes(
    kernel: str, source: tuple[int, int], target: tuple[int, int]
) -> tuple[int, ...] | None:
    """The axes in the order in which this Pillow resizes them; None if no order gives its digits.

    It leaves out a side that keeps its size. Until version 12 columns came first, since then rows
    do where they shrink much more. So Pillow is asked, by pictures of noise.
    """
    count = max(1, _NOISE_PIXELS // (source[0] * source[1]))
    noise = np.random.default_rng(0).integers(0, 256, (count, *source, 1), dtype=np.uint8)
    expected = _noise_by_pillow(noise, target, kernel)
    planes = torch.from_numpy(noise).permute(0, 3, 1, 2)
    columns_first = tuple(axis for axis in (3, 2) if source[axis - 2] != target[axis - 2])
    off = {
        passes: (_as_pillow(planes, passes, target, kernel) - expected).abs()
        for passes in (columns_first, columns_first[::-1])
    }
    nearest = min(off, key=lambda passes: float(off[passes].sum(dtype=torch.float64)))
    tolerance = _LAST_PLACE if kernel == "pil-bicubic-float" else 0.0
    return nearest if float(off[nearest].max()) <= tolerance else None


def _noise_by_pillow(noise: np.ndarray, target: tuple[int, int], kernel: str) -> torch.Tensor:
    """uint8 (N, H, W, 1) to float32 (N, 1, height, width)."""
    resize = resize_in_float if kernel == "pil-bicubic-float" else resize_in_uint8
    coloured = resize(noise.repeat(3, axis=3), *target, PIL_FILTERS[kernel])
    return torch.from_numpy(coloured[:, None, :, :, 0].astype(np.float32))


def _one_side(planes: torch.Tensor, axis: int, target: int, kernel: str) -> torch.Tensor:
    """One pass: uint8 stays uint8 under Pillow's whole-number kernels, else becomes float32."""
    index, weight = _tables(kernel, planes.shape[axis], target, planes.device)
    shape = (-1, 1) if axis == 2 else (-1,)
    total: torch.Tensor | None = None
    for place, factor in zip(index, weight, strict=True):
        product = planes.index_select(axis, place) * factor.view(shape)
        total = product if total is None else total.add_(product)
    assert total is not None
    if total.dtype == torch.int32:
        half = 1 << (FIXED_POINT_BITS - 1)
        return (total.add_(half) >> FIXED_POINT_BITS).clamp_(0, 255).to(torch.uint8)
    return total.float()


@lru_cache(maxsize=64)
def _tables(
    kernel: str, source: int, target: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    taps = taps_of(kernel, source, target)
    return torch.from_numpy(taps.index).to(device), torch.from_numpy(taps.weight).to(device)
