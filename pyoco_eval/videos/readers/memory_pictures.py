"""PIL pictures in memory, as the frames of a video or as images by themselves."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pyoco_eval.videos.readers.base import (
    EndOfFramesError,
    FrameReader,
    UnreadableError,
    VideoProperties,
    check_size,
    ready,
)
from pyoco_eval.videos.readers.picture_pixels import to_rgb

if TYPE_CHECKING:
    from PIL.Image import Image


class MemoryPictures(FrameReader):
    """Pictures as PIL holds them. They become RGB as those of files do."""

    backend = "pillow"
    storage = "pictures"
    is_whole = True

    def __init__(self, pictures: "Sequence[Image]") -> None:
        self.pictures = tuple(pictures)

    def stills(self) -> "list[MemoryPictures]":
        return [MemoryPictures([picture]) for picture in self.pictures]

    def properties(self) -> VideoProperties:
        first = self.pictures[0]
        return VideoProperties(
            width=first.width,
            height=first.height,
            codec="raw",
            container="memory",
            pixel_format=first.mode,
            header_frames=len(self.pictures),
        )

    def walk(self) -> Iterator[Callable[[], np.ndarray]]:
        for frame in self.frames(range(len(self.pictures))):
            yield ready(frame)

    def frames(self, wanted: Sequence[int]) -> Iterator[np.ndarray]:
        for index in wanted:
            if index >= len(self.pictures):
                raise EndOfFramesError(index, len(self.pictures))
            yield self._load(index)

    def digest(self) -> str:
        whole = hashlib.sha256()
        for index in range(len(self.pictures)):
            frame = self._load(index)
            whole.update(f"{frame.shape}".encode() + frame.tobytes())
        return whole.hexdigest()

    def _load(self, index: int) -> np.ndarray:
        picture = self.pictures[index]
        check_size(*picture.size)
        try:
            return to_rgb(picture, self.pixels)
        except UnreadableError as error:
            raise UnreadableError(f"picture {index} {error.reason}") from error
        except Exception as error:  # Pillow raises anything when it loads damaged data
            raise UnreadableError(f"picture {index} cannot be loaded") from error
