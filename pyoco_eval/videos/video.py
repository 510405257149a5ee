"""One video of a source: facts, a true frame count, and frames by index."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

from pyoco_eval.errors import UsageError, VideoError
from pyoco_eval.videos.readers.base import (
    EndOfFramesError,
    FrameReader,
    UnreadableError,
    VideoProperties,
)
from pyoco_eval.videos.readers.pixels import PixelRule
from pyoco_eval.visible import as_text

__all__ = ["EndOfVideoError", "Video", "VideoProperties"]


class EndOfVideoError(VideoError):
    """An intact video ends before a frame that was asked for.

    Attributes:
        num_frames: how many frames it really has.
    """

    def __init__(self, video: str, reason: str, num_frames: int) -> None:
        self.num_frames = num_frames
        super().__init__(video, reason)


class Video:
    """A video that is opened only when asked, and never kept open.

    Attributes:
        id: unique in its source: POSIX path relative to the source's root, `clips.npz#7` for
            item 7 of an array file, `array#7` for one in memory. Always proper Unicode: bytes of
            a name that are not UTF-8 stand as `\\xff`.
        index: position in the source.
        path: the file or folder, None in memory.
        reader: how its frames are stored.
        caption: the text it should show, None where nothing states it.
        label: its class, likewise.
        group: what it belongs to, such as its source video, likewise.
    """

    def __init__(
        self,
        id: str,  # noqa: A002
        index: int,
        path: Path | None,
        reader: FrameReader,
        *,
        caption: str | None = None,
        label: str | None = None,
        group: str | None = None,
    ) -> None:
        self.id = as_text(id)
        self.index = index
        self.path = path
        self.reader = reader
        self.caption = caption
        self.label = label
        self.group = group
        self._num_frames: int | None = None

    def __repr__(self) -> str:
        return f"Video({self.id!r}, index={self.index})"

    def described(
        self, caption: str | None, label: str | None, group: str | None = None
    ) -> "Video":
        """The same video with another caption and label, and another group if one is given."""
        described = Video(self.id, self.index, self.path, self.reader)
        described.caption, described.label = caption, label
        described.group = group or self.group
        return described

    def reading(self, pixels: PixelRule, *beside: PixelRule) -> "Video":
        """The same video with its pixels read by this rule (see `readers.pixels`).

        Args:
            beside: further rules, not for pictures. Frames of compressed video then hold the RGB of
                every rule side by side; those of arrays stay as they are.
        """
        reader = self.reader.reading(pixels, *beside)
        if reader is self.reader:
            return self
        other = Video(
            self.id, self.index, self.path, reader, caption=self.caption, label=self.label
        )
        other._num_frames = self._num_frames
        return other

    def probe(self) -> VideoProperties:
        """Facts from the header and, for the size as shown, the first frame.

        Raises:
            VideoError: not even the first frame can be read.
        """
        with self._named():
            return self.reader.properties()

    def frame_times(self) -> Sequence[Fraction] | None:
        """Seconds after the first frame at which each frame is shown.

        Read from the whole file, without decoding more than its first frame where times are
        stored beside the pictures. None where they are not, or are not sound.

        Raises:
            VideoError: not even the first frame can be read.
        """
        with self._named():
            return self.reader.times()

    def count_frames(self) -> int:
        """Frames that really decode, counted by decoding; headers are not trusted.

        Raises:
            VideoError: anything is wrong anywhere in the file.
        """
        if self._num_frames is None:
            self._num_frames = sum(1 for _ in self.walk())
        return self._num_frames

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """Decode up to the last of `indices`, keeping only those.

        Args:
            indices: frame numbers from 0 in display order, any order, repeats allowed.

        Returns:
            (T, H, W, 3) uint8 RGB, upright, T = len(indices).

        Raises:
            EndOfVideoError: the video is shorter than that.
            VideoError: it breaks before the last of the frames. Damage behind it goes unseen.
        """
        if not indices:
            raise UsageError("at least one frame index is needed")
        slots: dict[int, list[int]] = {}
        for slot, index in enumerate(indices):
            slots.setdefault(int(index), []).append(slot)
        frames: np.ndarray | None = None
        wanted = sorted(slots)
        with self._named():
            for index, frame in zip(wanted, self.stream(wanted), strict=True):
                if frames is None:
                    frames = np.empty((len(indices), *frame.shape), dtype=np.uint8)
                frames[slots[index]] = frame
        assert frames is not None
        return frames

    def stream(self, wanted: Sequence[int]) -> Iterator[np.ndarray]:
        """Like `read`, one (H, W, 3) frame at a time.

        Args:
            wanted: ascending, without repeats.
        """
        if wanted and wanted[0] < 0:
            raise UsageError(f"frame indices start at 0, not {wanted[0]}")
        shape: tuple[int, ...] | None = None
        with self._named():
            for frame in self.reader.frames(wanted):
                if shape is not None and frame.shape != shape:
                    raise UnreadableError(size_change(shape, frame.shape))
                shape = frame.shape
                yield frame

    def walk(self) -> Iterator[Callable[[], np.ndarray]]:
        """Decode all frames; each item converts its frame to (H, W, 3) if it is called in time.

        Raises:
            VideoError: after the last good frame, if anything is wrong.
        """
        with self._named():
            yield from self.reader.walk()

    def digest(self) -> str:
        """sha256 of the stored content, 64 hexadecimal digits."""
        with self._named():
            return self.reader.digest()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except EndOfFramesError as error:
            raise EndOfVideoError(self.id, error.reason, error.num_frames) from error
        except UnreadableError as error:
            raise VideoError(self.id, error.reason) from error
        except OSError as error:
            raise VideoError(self.id, f"cannot be read: {error.strerror or error}") from error
        except MemoryError as error:
            raise VideoError(self.id, "its frames do not fit in memory") from error


def size_change(before: tuple[int, ...], after: tuple[int, ...]) -> str:
    """The reason for refusing frames of shapes (H, W, 3) that differ."""
    return (
        f"its frame size changes from {before[1]} x {before[0]} "
        f"to {after[1]} x {after[0]}; cut it into videos of one size"
    )
