"""Stage 2: frames reach the networks as their reference tools resize them."""

import hashlib
from collections.abc import Iterator
from typing import Final

from pyoco_eval.selftest.check import Measurement
from pyoco_eval.selftest.integers import pattern, sketch
from pyoco_eval.videos.resize import ResizeRule, resize_frames
from pyoco_eval.videos.resize_pil import PIL_FILTERS

TOLERANCE: Final = 1e-6
"""Float kernels were seen within 7e-8 of each other between instruction sets; bilinear with and
without half-pixel centres differs by more than 1e-2."""

_ON_THE_CPU: Final = (
    "tf1-bilinear",
    "bilinear",
    "bilinear-antialias",
    "align-corners-bilinear",
    "pil-bicubic",
    "pil-bicubic-float",
    "pil-lanczos",
    "pil-bilinear",
)
"""Kernels that are not part of a network."""

_SIZES: Final = (40, 112)
"""Below and above the sides of the pattern, 72 x 96."""


def measure_resizing() -> Iterator[Measurement]:
    """Every kernel, smaller and larger, and every fit.

    Kernels of whole numbers must agree exactly.
    """
    frames = pattern(2, 72, 96)
    rules = [ResizeRule(size, kernel) for kernel in _ON_THE_CPU for size in _SIZES]
    rules += [ResizeRule(40, "bilinear", "crop"), ResizeRule(40, "bilinear", "crop-ceil")]
    for rule in rules:
        resized = resize_frames(frames, rule).numpy()
        if rule.kernel in PIL_FILTERS and not rule.kernel.endswith("float"):
            digest = hashlib.sha256(resized.tobytes()).hexdigest()
            yield Measurement("resizing", rule.spec(), digest)
        else:
            yield Measurement("resizing", rule.spec(), sketch(resized), TOLERANCE)
