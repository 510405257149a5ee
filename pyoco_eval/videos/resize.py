"""How frames reach the input size of a network. The choice moves scores, so it has a name.

Axes: T frames, C channels (RGB), H, W.
"""

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.frame_size import Size, parse_size, sides, size_text
from pyoco_eval.videos.resize_pil import PIL_FILTERS, resize_in_float, resize_in_uint8

KERNELS = (
    "tf1-bilinear",
    "bilinear",
    "bilinear-antialias",
    "align-corners-bilinear",
    "pil-bicubic",
    "pil-bicubic-float",
    "pil-lanczos",
    "pil-bilinear",
)
IN_NETWORK = "in-network"
"""In place of a kernel: the network resizes inside, and gets frames of their own size."""

FITS = ("squash", "crop", "crop-ceil")
QUANTISE = ("none", "round", "truncate", "truncate-unit")

FRAMES_AT_ONCE = 4
"""Enough work for every thread, little enough to stay in the cache."""

Fit = Literal["squash", "crop", "crop-ceil"]
Quantise = Literal["none", "round", "truncate", "truncate-unit"]


@dataclass(frozen=True)
class ResizeRule:
    """A resize to a square or a rectangle, complete enough to reproduce it.

    Kernels:
        `tf1-bilinear`: `tf.compat.v1.image.resize_bilinear` with its defaults, source = i * in/out
            (no half-pixel centres, no antialias). TF-Hub FVD and the FID graph of 2015.
        `bilinear`, `bilinear-antialias`: `torch.nn.functional.interpolate`, half-pixel centres.
        `align-corners-bilinear`: corners map to corners (`chainer.functions.resize_images`).
        `pil-bicubic`, `pil-bilinear`, `pil-lanczos`: Pillow on uint8 RGB; values stay whole.
        `pil-bicubic-float`: Pillow per channel in mode F, then clamp (clean-fid's `clean`).

    Fits:
        `squash`: both sides to `size`; the aspect is lost.
        `crop`: shorter side to `size`, longer to int(size * long / short), then the centre, offset
            rounded half to even (torchvision `Resize` and `CenterCrop`). To a rectangle: the side
            that is shorter for it, so that the frame covers it.
        `crop-ceil`: longer side to ceil(long * (size / short)), offset rounded down (VideoGPT).

    `quantise` then brings float results to whole numbers in 0..255, or leaves them (`none`).
    `truncate-unit` resizes values divided by 255 and truncates their products with 255, as cd-fvd
    does: float32 then falls short of some whole numbers that `truncate` reaches.

    Raises:
        UsageError: an unknown name or a size below 1.
    """

    size: Size
    kernel: str
    fit: Fit = "squash"
    quantise: Quantise = "none"

    def __post_init__(self) -> None:
        if min(sides(self.size)) < 1:
            raise UsageError(f"resize: size {self.size} is not a positive number of pixels")
        _check_name("kernel", self.kernel, (*KERNELS, IN_NETWORK))
        _check_name("fit", self.fit, FITS)
        _check_name("quantise", self.quantise, QUANTISE)
        if self.quantise == "truncate-unit" and self.kernel not in _TORCH_KERNELS:
            raise UsageError(
                f"resize {self.spec()}: truncateunit is for kernels that work on floats in 0..1: "
                f"{', '.join(_TORCH_KERNELS)}"
            )

    def check_as_first(self, option: str) -> None:
        """Refuse what cannot be done to stored videos before any network sees them.

        Raises:
            UsageError: whole numbers are not stated to come out, or a network resizes.
        """
        if self.quantise == "none":
            raise UsageError(
                f"{option} {self.spec()} must end in -round or -truncate: "
                "stored videos are uint8, and how they were rounded is part of the recipe"
            )
        if self.kernel == IN_NETWORK:
            raise UsageError(f"{option} {self.spec()}: no network runs before it")

    def spec(self) -> str:
        """One token for signatures: `224-tf1bilinear-squash`, `32x48-bilinear-cropceil-round`."""
        parts = [size_text(self.size), _token(self.kernel), _token(self.fit)]
        if self.quantise != "none":
            parts.append(_token(self.quantise))
        return "-".join(parts)

    @classmethod
    def parse(cls, spec: str) -> "ResizeRule":
        """The rule that `spec()` wrote; `ResizeRule.parse(rule.spec()) == rule`.

        Raises:
            UsageError: not of the form SIZE-KERNEL-FIT[-QUANTISE], or an unknown name in it; the
                size is a side or HEIGHTxWIDTH.
        """
        text, *names = spec.split("-")
        form = "expected SIZE-KERNEL-FIT[-QUANTISE], for example 224-tf1bilinear-squash"
        if len(names) not in (2, 3):
            raise UsageError(f"resize {spec!r}: {form}")
        try:
            size = parse_size(text)
        except UsageError as error:
            raise UsageError(f"resize {spec!r}: {form}; {error}") from error
        return cls(
            size,
            _from_token("kernel", names[0], (*KERNELS, IN_NETWORK)),
            _from_token("fit", names[1], FITS),  # type: ignore[arg-type]
            _from_token("quantise", names[2], QUANTISE) if names[2:] else "none",  # type: ignore[arg-type]
        )


def resize_frames(frames: np.ndarray, rule: ResizeRule) -> torch.Tensor:
    """Bring frames to the size of the rule.

    Args:
        frames: (T, H, W, 3) RGB in 0..255, uint8, or float32 except for the kernels of Pillow that
            work on whole numbers.
        rule: what to do.

    Returns:
        float32 (T, 3, size, size), or (T, 3, height, width), in 0..255, contiguous.

    Raises:
        UsageError: another shape or dtype.
    """
    if rule.kernel == IN_NETWORK:
        raise UsageError(f"resize {rule.spec()}: only a network that resizes inside can do that")
    _check_frames(frames, rule)
    height, width = scaled_size(frames.shape[1], frames.shape[2], rule)
    own_height, own_width = sides(rule.size)
    rows, columns = crop_window(height, width, rule)
    resized = torch.empty(len(frames), 3, own_height, own_width)
    for start in range(0, len(frames), FRAMES_AT_ONCE):
        part = slice(start, start + FRAMES_AT_ONCE)
        unit = rule.quantise == "truncate-unit"
        scaled = _apply_kernel(frames[part], height, width, rule.kernel, unit=unit)
        resized[part] = scaled[:, :, rows, columns]
    return quantised(resized, rule)


def quantised(resized: torch.Tensor, rule: ResizeRule) -> torch.Tensor:
    """Resized values after the last step of the rule, in place."""
    if rule.quantise == "round":
        return resized.round_().clamp_(0, 255)
    if rule.quantise != "none":
        return resized.trunc_().clamp_(0, 255)
    return resized


def tf1_bilinear(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """TensorFlow 1's `resize_bilinear` with its defaults, in its order of operations.

    Args:
        images: float32 (N, C, H, W).

    Returns:
        float32 (N, C, height, width).
    """
    device = images.device
    top, bottom, row_weight = _tf1_grid(images.shape[2], height, device)
    if images.shape[2] > 2 * height:  # rows no output pixel reads need no horizontal pass
        images = images.index_select(2, torch.cat([top, bottom]))
        top = torch.arange(height, device=device)
        bottom = top + height
    left, right, weight = _tf1_grid(images.shape[3], width, device)
    index_shape = (*images.shape[:3], width)
    start = images.gather(3, left.expand(index_shape))
    rows = images.gather(3, right.expand(index_shape)).sub_(start).mul_(weight).add_(start)
    start = rows.index_select(2, top)
    return rows.index_select(2, bottom).sub_(start).mul_(row_weight[:, None]).add_(start)


@lru_cache(maxsize=64)
def _tf1_grid(
    source: int, target: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Lower index, upper index and weight of the upper, per target position; computed on the CPU,
    as other devices divide and multiply scalars by their own rules.
    """
    scale = torch.tensor(source, dtype=torch.float32) / target
    position = torch.arange(target, dtype=torch.float32) * scale
    lower = position.floor()
    index = lower.long()
    grid = index, (index + 1).clamp(max=source - 1), position - lower
    return grid[0].to(device), grid[1].to(device), grid[2].to(device)


def _bilinear(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    return F.interpolate(images, size=(height, width), mode="bilinear", align_corners=False)


def _bilinear_antialias(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    return F.interpolate(
        images, size=(height, width), mode="bilinear", align_corners=False, antialias=True
    )


def _align_corners_bilinear(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    return F.interpolate(images, size=(height, width), mode="bilinear", align_corners=True)


_TORCH_KERNELS: dict[str, Callable[[torch.Tensor, int, int], torch.Tensor]] = {
    "tf1-bilinear": tf1_bilinear,
    "bilinear": _bilinear,
    "bilinear-antialias": _bilinear_antialias,
    "align-corners-bilinear": _align_corners_bilinear,
}


def _apply_kernel(
    frames: np.ndarray, height: int, width: int, kernel: str, *, unit: bool = False
) -> torch.Tensor:
    if kernel in _TORCH_KERNELS:
        planes = torch.from_numpy(
            np.array(frames.transpose(0, 3, 1, 2), dtype=np.float32, order="C")
        )
        if unit:
            return _TORCH_KERNELS[kernel](planes / 255, height, width) * 255
        return _TORCH_KERNELS[kernel](planes, height, width)
    resize = resize_in_float if kernel == "pil-bicubic-float" else resize_in_uint8
    resized = torch.from_numpy(resize(frames, height, width, PIL_FILTERS[kernel]))
    return resized.permute(0, 3, 1, 2)


def scaled_size(height: int, width: int, rule: ResizeRule) -> tuple[int, int]:
    """Size before the crop."""
    rows, columns = sides(rule.size)
    if rule.fit == "squash":
        return rows, columns
    if rows * width >= columns * height:  # exact height, surplus width
        return rows, _longer(rows, width, height, rule)
    return _longer(columns, height, width, rule), columns


def crop_window(height: int, width: int, rule: ResizeRule) -> tuple[slice, slice]:
    """Rows and columns that the rule keeps of a frame of its `scaled_size`."""
    own_height, own_width = sides(rule.size)
    top, left = _crop_offset(height - own_height, rule), _crop_offset(width - own_width, rule)
    return slice(top, top + own_height), slice(left, left + own_width)


def _longer(target: int, long: int, short: int, rule: ResizeRule) -> int:
    """What the long side becomes where the short one becomes `target`."""
    if rule.fit == "crop":
        return int(target * long / short)
    return math.ceil(long * (target / short))


def _crop_offset(surplus: int, rule: ResizeRule) -> int:
    return round(surplus / 2) if rule.fit == "crop" else surplus // 2


def _check_frames(frames: np.ndarray, rule: ResizeRule) -> None:
    if frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        raise UsageError(f"frames: expected the shape (T, H, W, 3), found {frames.shape}")
    whole = rule.kernel in PIL_FILTERS and rule.kernel != "pil-bicubic-float"
    accepted = ("uint8",) if whole else ("uint8", "float32")
    if frames.dtype.name not in accepted:
        raise UsageError(
            f"frames: resize kernel {rule.kernel!r} takes {' or '.join(accepted)}, "
            f"found {frames.dtype}"
        )


def _token(name: str) -> str:
    return name.replace("-", "")


def _from_token(field: str, token: str, choices: Sequence[str]) -> str:
    names = {_token(name): name for name in choices}
    _check_name(field, token, tuple(names))
    return names[token]


def _check_name(field: str, name: str, choices: Sequence[str]) -> None:
    if name in choices:
        return
    nearest = difflib.get_close_matches(name, choices, n=1, cutoff=0)[0]
    raise UsageError(
        f"resize {field} {name!r} is not one of {', '.join(choices)}; did you mean {nearest!r}?"
    )
