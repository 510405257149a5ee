"""Picture files that are no ordinary frames: images by themselves, and folders with a fault."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from pyoco_eval.videos.readers.base import UnreadableError, VideoProperties
from pyoco_eval.videos.readers.pillow_reader import FrameFolder
from pyoco_eval.videos.readers.stored_file import StoredFile


class StillPicture(FrameFolder):
    """One image, which stands for itself: a video of a single frame."""

    is_still = True

    def __init__(self, picture: StoredFile) -> None:
        super().__init__([picture])

    def digest(self) -> str:
        return self.pictures[0].digest()


class BrokenFrames(FrameFolder):
    """A folder whose pictures cannot be the frames of one video."""

    def __init__(self, pictures: Sequence[StoredFile], reason: str) -> None:
        super().__init__(pictures)
        self.reason = reason

    def properties(self) -> VideoProperties:
        raise UnreadableError(self.reason)

    def walk(self) -> Iterator[Callable[[], np.ndarray]]:
        raise UnreadableError(self.reason)

    def frames(self, wanted: Sequence[int]) -> Iterator[np.ndarray]:  # noqa: ARG002
        raise UnreadableError(self.reason)
