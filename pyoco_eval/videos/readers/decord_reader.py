"""The decord backend: optional, for comparison with numbers that were made with it.

decord 0.6.0 (2021) is no longer maintained. Known wrong answers, kept as they are because they
are what published numbers contain: it ignores edit lists (87 frames where players show 82), counts
frames that cannot be decoded (AVI files whose header promises one more), and cannot open AV1.
Past the last frame of such files it can loop for ever inside C++ code, which Python cannot
interrupt: therefore PyAV counts first, and decord is never asked for a frame beyond that count.

References:
    https://github.com/dmlc/decord, issues 269, 363, 373 (hangs), 194, 310 (wrong frames).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from fractions import Fraction

import numpy as np

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.videos.readers.base import (
    EndOfFramesError,
    FrameReader,
    UnreadableError,
    VideoProperties,
    ready,
)
from pyoco_eval.videos.readers.pixels import PixelRule
from pyoco_eval.videos.readers.pyav_reader import PyavReader
from pyoco_eval.videos.readers.stored_file import StoredFile

_BLOCK = 32
"""Frames decoded at a time, which bounds the memory."""


class DecordReader(FrameReader):
    """Frames from decord, which converts as `peer` alone; facts and counts from PyAV."""

    backend = "decord"
    storage = "video"
    pixels = "peer"

    def __init__(self, file: StoredFile) -> None:
        require_decord()
        self._file = file
        self._pyav = PyavReader(file)

    def digest(self) -> str:
        return self._pyav.digest()

    def reading(self, pixels: PixelRule, *beside: PixelRule) -> FrameReader:
        for rule in (pixels, *beside):
            if rule != self.pixels:
                raise UsageError(f"--pixels {rule}: decord converts by its own rule, {self.pixels}")
        return self

    def properties(self) -> VideoProperties:
        return self._pyav.properties()

    def times(self) -> Sequence[Fraction] | None:
        return self._pyav.times()

    def walk(self) -> Iterator[Callable[[], np.ndarray]]:
        num_frames = sum(1 for _ in self._pyav.walk())
        for frame in self._decode(range(num_frames)):
            yield ready(frame)

    def frames(self, wanted: Sequence[int]) -> Iterator[np.ndarray]:
        num_frames = 0
        for _ in self._pyav.walk():
            num_frames += 1
            if wanted and num_frames > wanted[-1]:
                break
        beyond = [index for index in wanted if index >= num_frames]
        if beyond:
            raise EndOfFramesError(beyond[0], num_frames)
        yield from self._decode(wanted)

    def _decode(self, wanted: Sequence[int]) -> Iterator[np.ndarray]:
        import decord

        decord.logging.set_level(decord.logging.QUIET)
        path = self._file.path
        try:
            with nullcontext(str(path)) if path is not None else self._file.open() as opened:
                video = decord.VideoReader(opened, num_threads=1)
            for start in range(0, len(wanted), _BLOCK):
                block = [index for index in wanted[start : start + _BLOCK] if index < len(video)]
                if len(block) < len(wanted[start : start + _BLOCK]):
                    raise UnreadableError(f"decord finds only {len(video)} frames in it")
                yield from video.get_batch(block).asnumpy()
        except (decord.DECORDError, RuntimeError) as error:
            raise UnreadableError("decord cannot decode it; PyAV (the default) can") from error


def require_decord() -> None:
    """Raises MissingError, with the way to install it, if decord is absent."""
    try:
        import decord  # noqa: F401
    except (ImportError, OSError) as error:
        raise MissingError(
            "--decoder decord needs the package decord: pip install 'pyoco-eval[decord]' "
            "(Linux and Windows on x86-64 only)"
        ) from error
