"""Animations, and folders of PNG or JPEG frames, through Pillow.

An animation's frames are its pictures, each as often as its delay is longer than the shortest one:
16 pictures of equal delay are 16 frames however long each is shown. How a picture becomes RGB is
told in `picture_pixels`; a GIF is shown over white, as in a browser and by FFmpeg.

Pillow's format modules raise exceptions of any kind on damaged data: all of them are caught.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from pyoco_eval.videos.readers.animation import animation_frames, check_first, read_timing
from pyoco_eval.videos.readers.base import (
    EndOfFramesError,
    FrameReader,
    UnreadableError,
    VideoProperties,
    check_size,
    ready,
)
from pyoco_eval.videos.readers.open_picture import open_picture
from pyoco_eval.videos.readers.picture_pixels import to_rgb
from pyoco_eval.videos.readers.stored_file import StoredFile

if TYPE_CHECKING:
    from PIL.Image import Image


class AnimationReader(FrameReader):
    """One GIF, WebP, AVIF or animated PNG file; a still picture is a video of one frame."""

    backend = "pillow"
    storage = "pictures"

    def __init__(self, file: StoredFile) -> None:
        self.file = file

    def digest(self) -> str:
        return self.file.digest()

    def properties(self) -> VideoProperties:
        with _opened(self.file) as (file, image):
            codec = (image.format or "").lower()
            mode = image.mode
            width, height = image.size
            check_first(file, image, self.file.size())
            timing, _ = read_timing(file, image, self.file.size())
        return VideoProperties(
            width=width,
            height=height,
            frame_rate=timing.frame_rate,
            codec=codec,
            container=codec,
            pixel_format=mode,
            header_frames=sum(timing.counts),
            variable_delays=timing.uneven,
        )

    def times(self) -> Sequence[Fraction] | None:
        with _opened(self.file) as (file, image):
            timing, whole = read_timing(file, image, self.file.size())
        return timing.times if whole and timing.total else None

    def walk(self) -> Iterator[Callable[[], np.ndarray]]:
        with _opened(self.file) as (file, image):
            yield from animation_frames(file, image, self._to_rgb, self.file.size())

    def _to_rgb(self, image: "Image") -> np.ndarray:
        return to_rgb(image, self.pixels)


class FrameFolder(FrameReader):
    """A folder that holds the frames of one video as PNG or JPEG files, in the order given."""

    backend = "pillow"
    storage = "pictures"

    def __init__(self, pictures: Sequence[StoredFile]) -> None:
        self.pictures = tuple(pictures)

    def digest(self) -> str:
        whole = hashlib.sha256()
        for picture in self.pictures:
            line = f"{picture.digest()} {picture.name}\n"
            whole.update(line.encode(errors="surrogateescape"))
        return whole.hexdigest()

    def properties(self) -> VideoProperties:
        height, width, _ = self._load(0).shape
        with _opened(self.pictures[0]) as (_, image):
            codec, mode = (image.format or "").lower(), image.mode
        return VideoProperties(
            width=width,
            height=height,
            codec=codec,
            container="folder",
            pixel_format=mode,
            header_frames=len(self.pictures),
        )

    def walk(self) -> Iterator[Callable[[], np.ndarray]]:
        first: tuple[int, ...] | None = None
        for index in range(len(self.pictures)):
            frame = self._load(index)
            if first is None:
                first = frame.shape
            if frame.shape != first:
                raise UnreadableError(
                    f"{self.pictures[index].name} is {frame.shape[1]} x {frame.shape[0]} pixels, "
                    f"the frames before it {first[1]} x {first[0]}"
                )
            yield ready(frame)

    def frames(self, wanted: Sequence[int]) -> Iterator[np.ndarray]:
        for index in wanted:
            if index >= len(self.pictures):
                raise EndOfFramesError(index, len(self.pictures))
            yield self._load(index)

    def _load(self, index: int) -> np.ndarray:
        picture = self.pictures[index]
        try:
            with _opened(picture) as (_, image):
                image.load()
                return to_rgb(image, self.pixels)
        except UnreadableError as error:
            raise UnreadableError(f"{picture.name} {error.reason}") from error
        except FileNotFoundError as error:
            raise UnreadableError(f"{picture.name} does not exist any more") from error
        except Exception as error:
            raise UnreadableError(f"{picture.name} is damaged or cut off") from error


@contextmanager
def _opened(stored: StoredFile) -> "Iterator[tuple[BinaryIO, Image]]":
    from PIL import Image

    if not stored.size():
        raise UnreadableError("is empty (0 bytes)")
    with stored.open() as file:
        try:
            image = open_picture(file)
        except Image.DecompressionBombError as error:
            raise UnreadableError("claims to be too large a picture to be real") from error
        except Exception as error:
            raise UnreadableError(
                "cannot be opened: not a picture, or damaged at its start"
            ) from error
        with image:
            check_size(*image.size)
            yield file, image
