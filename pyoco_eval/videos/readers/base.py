"""What every way of storing a video offers: facts, and its frames in display order.

Axes: T frames, H height, W width; frames are (H, W, 3) uint8 RGB, upright.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Protocol

import numpy as np

from pyoco_eval.videos.readers.pixels import PixelRule, Storage

MAX_PIXELS = 1 << 26
"""Largest frame accepted (8192 x 8192): beyond it a damaged header is likelier than a video."""


@dataclass(frozen=True)
class VideoProperties:
    """What a file says of itself. Only the size is checked against the first frame.

    Attributes:
        width: in pixels, as shown: after rotation, before any stretch to square pixels.
        height: likewise.
        frame_rate: frames per second, exactly; None if nothing states it.
        codec: `h264`, `gif`, `png`, `raw`, …
        container: `mov`, `matroska`, `gif`, `folder`, `npz`, `memory`, …
        pixel_format: as the decoder names it (`yuv420p`, `P`, `float32`).
        rotation: degrees clockwise that were applied to show the frames upright.
        sample_aspect_ratio: width over height of one stored pixel; None if not stated.
            Reported only: frames keep their stored number of pixels.
        header_frames: the frame count in the header, which is often wrong; None if absent.
        variable_delays: the file itself states unequal frame durations.
    """

    width: int
    height: int
    frame_rate: Fraction | None = None
    codec: str = ""
    container: str = ""
    pixel_format: str = ""
    rotation: int = 0
    sample_aspect_ratio: Fraction | None = None
    header_frames: int | None = None
    variable_delays: bool = False

    @property
    def fps(self) -> float | None:
        """`frame_rate` as a float."""
        return None if self.frame_rate is None else float(self.frame_rate)


class UnreadableError(Exception):
    """A reader cannot go on. `Video` turns it into a `VideoError` that names the video."""

    def __init__(self, reason: str, *, size: tuple[int, int] | None = None) -> None:
        self.reason = reason
        self.size = size
        super().__init__(reason)


class NoVideoError(UnreadableError):
    """An intact file of sound, cover pictures or data: there is nothing in it to see."""


class EndOfFramesError(UnreadableError):
    """A frame was asked for that an intact video does not have."""

    def __init__(self, index: int, num_frames: int) -> None:
        self.num_frames = num_frames
        held = f"{num_frames} frame" + "s" * (num_frames != 1)
        super().__init__(f"frame {index} was asked for, but it has {held}")


class FrameReader(ABC):
    """One stored video. Opens nothing until asked, keeps nothing open in between.

    Every method may be called from several threads at once and raises `UnreadableError`.

    Attributes:
        backend: library that decodes it.
        storage: what its frames are made of.
        pixels: how they become RGB, where that is not decided by `storage`.
        beside: further rules, of compressed video alone: a frame is (H, W, 3R), the RGB of
            `pixels` and of each of them in turn.
        is_whole: what is stored does not say whether it is a video or a batch of images.
        is_still: what is stored is one image.
    """

    backend: ClassVar[str]
    storage: ClassVar[Storage]
    pixels: PixelRule = "exact"
    beside: tuple[PixelRule, ...] = ()
    is_whole: bool = False
    is_still: bool = False

    def stills(self) -> "Sequence[FrameReader]":
        """Each frame as an image by itself, where that is what they are."""
        return [self]

    def reading(self, pixels: PixelRule, *beside: PixelRule) -> "FrameReader":
        """The same video with its pixels read by this rule, or by several side by side."""
        if (pixels, *beside) == (self.pixels, *self.beside):
            return self
        assert not beside or self.storage != "pictures", "their sizes may differ from rule to rule"
        other = copy(self)
        other.pixels, other.beside = pixels, beside
        return other

    @abstractmethod
    def properties(self) -> VideoProperties:
        """Header facts."""

    @abstractmethod
    def walk(self) -> Iterator[Callable[[], np.ndarray]]:
        """Decode all frames in order; each item converts its frame to (H, W, 3) uint8 RGB.

        An item must be called, if at all, before the next one is fetched. Damage raises after
        the last good frame.
        """

    def times(self) -> Sequence[Fraction] | None:
        """Seconds after the first frame at which each is shown; None if not soundly stored."""
        return None

    @abstractmethod
    def digest(self) -> str:
        """sha256 of the stored content, 64 hexadecimal digits."""

    def frames(self, wanted: Sequence[int]) -> Iterator[np.ndarray]:
        """The frames at `wanted`, which is ascending without repeats; stops after the last."""
        remaining = iter(wanted)
        target = next(remaining, None)
        if target is None:
            return
        num_frames = 0
        for index, convert in enumerate(self.walk()):
            num_frames = index + 1
            if index == target:
                yield convert()
                target = next(remaining, None)
                if target is None:
                    return
        raise EndOfFramesError(target, num_frames)


class Digested(Protocol):
    """Content that can be told from other content: a `StoredFile`."""

    def digest(self) -> str:
        """sha256 of the content, 64 hexadecimal digits."""
        ...


class BrokenReader(FrameReader):
    """A file that was found unusable before any frame of it was looked at."""

    backend = "array"
    storage = "stored"

    def __init__(self, file: Digested, reason: str) -> None:
        self.file = file
        self.reason = reason

    def properties(self) -> VideoProperties:
        raise UnreadableError(self.reason)

    def walk(self) -> Iterator[Callable[[], np.ndarray]]:
        raise UnreadableError(self.reason)

    def digest(self) -> str:
        return self.file.digest()


def check_size(width: int, height: int) -> None:
    """Refuse a frame size before anything of that size is allocated.

    Raises:
        UnreadableError: it has more than `MAX_PIXELS`.
    """
    if width * height > MAX_PIXELS:
        raise UnreadableError(
            f"claims frames of {width} x {height} pixels, more than the {MAX_PIXELS >> 20} "
            "megapixels accepted: its header is probably damaged",
            size=(width, height),
        )


def ready(frame: np.ndarray) -> Callable[[], np.ndarray]:
    """An item of `FrameReader.walk` for a frame that is converted already."""
    return lambda: frame
