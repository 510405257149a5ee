"""The frames of an animation, from pictures that may each stand for several.

GIF is composed here (`gif_pictures`), WebP, AVIF and animated PNG by Pillow.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from pyoco_eval.videos.readers.base import UnreadableError
from pyoco_eval.videos.readers.budget import PixelBudget
from pyoco_eval.videos.readers.delays import repeats
from pyoco_eval.videos.readers.gif_pictures import (
    CutOffError,
    composed,
    over_white,
    screen_size,
    stored_pictures,
)

if TYPE_CHECKING:
    from PIL.Image import Image

Convert = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Timing:
    """When the pictures of an animation are shown.

    Attributes:
        counts: frames that each picture stands for.
        uneven: their delays are no multiples of one length, and each counts once.
        times: seconds at which each frame begins, in exact fractions.
        total: seconds in all; 0 if nothing states a delay.
    """

    counts: list[int]
    uneven: bool
    times: list[Fraction]
    total: Fraction

    @classmethod
    def of(cls, delays: list[int], *, hundredths: bool) -> "Timing":
        """Delays in hundredths of a second, or else in milliseconds."""
        found = repeats(delays, hundredths=hundredths)
        counts = found or [1] * len(delays)
        unit = Fraction(1, 100 if hundredths else 1000)
        times, now = [], Fraction(0)
        for delay, count in zip(delays, counts, strict=True):
            times += [now + unit * delay * number / count for number in range(count)]
            now += unit * delay
        return cls(counts, found is None, times, now)

    @property
    def frame_rate(self) -> Fraction | None:
        """Frames per second, on average."""
        num_frames = sum(self.counts)
        return num_frames / self.total if self.total and num_frames > 1 else None


def read_timing(file: BinaryIO, image: "Image", file_size: int) -> tuple[Timing, bool]:
    """Step through the animation once.

    Returns:
        The timing, and whether the file is whole: behind damage there is none.
    """
    delays: list[int] = []
    gif = image.format == "GIF"
    try:
        if gif:
            delays.extend(picture.delay for picture in stored_pictures(file))
        else:
            pictures = _pillow_pictures(image, PixelBudget(file_size))
            delays.extend(round(image.info.get("duration", 0) or 0) for _ in pictures)
    except (CutOffError, ValueError, UnreadableError):
        return Timing.of(delays, hundredths=gif), False
    return Timing.of(delays, hundredths=gif), True


def animation_frames(
    file: BinaryIO, image: "Image", to_rgb: Callable[["Image"], np.ndarray], file_size: int
) -> Iterator[Convert]:
    """Every frame in order, each picture as often as its delay says.

    Raises:
        UnreadableError: after the last whole picture.
    """
    budget = PixelBudget(file_size)
    timing, _ = read_timing(file, image, file_size)
    if image.format == "GIF":
        width, height = screen_size(file)
        pictures: Iterator[Convert] = _gif_pictures(file, budget, width * height)
    else:
        width, height = image.size
        pictures = (partial(to_rgb, image) for _ in _pillow_pictures(image, budget))
    counts = iter(timing.counts)
    for convert in pictures:
        yield convert
        for _ in range(next(counts, 1) - 1):
            budget.spend(width * height)
            yield convert


def check_first(file: BinaryIO, image: "Image", file_size: int) -> None:
    """Decode the first picture.

    Raises:
        UnreadableError: it is damaged.
    """
    budget = PixelBudget(file_size)
    if image.format == "GIF":
        next(_gif_pictures(file, budget, 0))
    else:
        next(_pillow_pictures(image, budget))


def _gif_pictures(file: BinaryIO, budget: PixelBudget, size: int) -> Iterator[Convert]:
    shown = 0
    try:
        for canvas in composed(file):
            budget.spend(size)
            yield partial(over_white, canvas)
            shown += 1
    except UnreadableError:
        raise
    except CutOffError as error:
        raise UnreadableError(f"is cut off after {_frames(shown)}" if shown else _NONE) from error
    except Exception as error:
        raise UnreadableError(_broken_after(shown)) from error
    if not shown:
        raise UnreadableError(_NONE)


def _pillow_pictures(image: "Image", budget: PixelBudget) -> Iterator[None]:
    """Step through an animation; the picture is in `image`, decoded and composed."""
    shown = 0
    # The first picture of an animated PNG may be one for programs that know no animation.
    first = int(bool(image.info.get("default_image")) and getattr(image, "n_frames", 1) > 1)
    while True:
        budget.spend(image.width * image.height)
        try:
            image.seek(first + shown)
            image.load()
        except EOFError:
            return
        except Exception as error:
            raise UnreadableError(_broken_after(shown)) from error
        shown += 1
        yield


_NONE = "no frame can be decoded: damaged or cut off"


def _broken_after(shown: int) -> str:
    return f"breaks after {_frames(shown)}: damaged or cut off" if shown else _NONE


def _frames(count: int) -> str:
    return f"{count} frame" + "s" * (count != 1)
