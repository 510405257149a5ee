"""The input doctor: what is in a set of videos, before any network runs.

Every frame of every video is decoded once; a few of each (0, 1, 2, 4, 8, …) are looked at.
"""

import hashlib
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from pyoco_eval.errors import VideoError
from pyoco_eval.videos.pacing import is_variable
from pyoco_eval.videos.readers.array_reader import ArrayReader
from pyoco_eval.videos.readers.base import UnreadableError, VideoProperties
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.videos.video import Video

BLACK = "black"
FLAT = "each frame is one flat colour"
FROZEN = "frozen: its frames are all alike"
UNEVEN = "its frames last unequally long"

_DARK = 20
"""A picture without any value above this is black to the eye (limited-range black is 16)."""

_ROUNDING = 2
"""Values within one colour that rounding in a codec can explain."""


@dataclass(frozen=True)
class InspectedVideo:
    """What was found out about one video.

    Attributes:
        path: its id in the source.
        num_frames: frames that really decode, up to the first damage.
        error: why it cannot be used, or not to its end; None if all is well.
        properties: header facts; None if it cannot be opened.
        digest: sha256 of the stored content, None if it cannot be read.
        pictures: hash of the sampled frames and their number, None without frames.
        dtype: of a stored array.
        extent: least and greatest stored value of an array.
        remarks: what is odd about it, in words.
    """

    path: str
    num_frames: int
    error: str | None
    properties: VideoProperties | None = None
    width: int | None = None
    height: int | None = None
    digest: str | None = None
    pictures: str | None = None
    dtype: str | None = None
    extent: tuple[float, float] | None = None
    remarks: tuple[str, ...] = ()

    @property
    def fps(self) -> float | None:
        """Frames per second as the file states it."""
        return None if self.properties is None else self.properties.fps

    def is_plain(self) -> bool:
        """Whether its pictures are black or one colour, and so tell nothing."""
        return BLACK in self.remarks or FLAT in self.remarks

    def details(self) -> dict[str, object]:
        """What the JSON output says beyond the basic facts, ready for `json`."""
        facts: dict[str, object] = {"sha256": self.digest, "remarks": list(self.remarks)}
        if self.properties is not None:
            aspect = self.properties.sample_aspect_ratio
            facts |= {
                "codec": self.properties.codec,
                "container": self.properties.container,
                "pixel_format": self.properties.pixel_format,
                "rotation": self.properties.rotation,
                "sample_aspect_ratio": None if aspect is None else str(aspect),
                "header_frames": self.properties.header_frames,
            }
        if self.dtype is not None:
            facts["dtype"] = self.dtype
        if self.extent is not None:
            facts["extent"] = [v if math.isfinite(v) else str(v) for v in self.extent]
        return facts


@dataclass(frozen=True)
class Inspection:
    """What was found out about a source.

    Attributes:
        ignored: files that are no videos.
        left: what these are: `2 .png (masks), 1 .wav (sound)`.
        notes: what was decided about pictures, in sentences.
        images: its videos are images, each by itself.
    """

    name: str
    videos: tuple[InspectedVideo, ...]
    ignored: int = 0
    left: str = ""
    notes: tuple[str, ...] = ()
    images: bool = False

    def usable(self) -> list[InspectedVideo]:
        """The videos without an error."""
        return [video for video in self.videos if video.error is None]


def inspect_source(
    source: VideoSource,
    *,
    workers: int | None = None,
    on_video: Callable[[], None] = lambda: None,
) -> Inspection:
    """Decode everything in a small thread pool; the result does not depend on its size.

    Args:
        on_video: called after each video, in order.
    """
    videos = []
    with ThreadPoolExecutor(workers or min(4, os.cpu_count() or 1)) as pool:
        try:
            for inspected in pool.map(inspect_video, source):
                videos.append(inspected)
                on_video()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    notes = (source.decision.note,) if source.decision.note else ()
    return Inspection(
        source.name,
        tuple(videos),
        source.ignored,
        source.left.kinds(),
        notes,
        images=source.images,
    )


def inspect_video(video: Video) -> InspectedVideo:
    """Decode one video to its end, or to its first damage."""
    looked = _Looked()
    error: str | None = None
    properties: VideoProperties | None = None
    size: tuple[int, int] | None = None
    try:
        properties = video.probe()
        size = (properties.width, properties.height)
        for convert in video.walk():
            looked.take(convert)
    except VideoError as failure:
        error = failure.reason
        cause = failure.__cause__
        size = size or (cause.size if isinstance(cause, UnreadableError) else None)
    dtype, extent = _stored_values(video)
    return InspectedVideo(
        path=video.id,
        num_frames=looked.num_frames,
        error=error,
        properties=properties,
        width=size[0] if size else None,
        height=size[1] if size else None,
        digest=_digest(video),
        pictures=looked.pictures(),
        dtype=dtype,
        extent=extent,
        remarks=(
            *_header_remarks(properties, looked.num_frames, error),
            *_time_remarks(video, properties, error),
            *looked.remarks(),
            *_value_remarks(video, dtype, extent),
        ),
    )


@dataclass
class _Looked:
    """What the sampled frames of one video look like."""

    num_frames: int = 0
    hashes: list[str] = field(default_factory=list)
    least: int = 255
    most: int = 0
    flat: bool = True

    def take(self, convert: Callable[[], np.ndarray]) -> None:
        index = self.num_frames
        if index & (index - 1) == 0:
            frame = convert()
            self.hashes.append(hashlib.sha256(frame.tobytes()).hexdigest())
            darkest, brightest = frame.min(axis=(0, 1)), frame.max(axis=(0, 1))
            self.least = min(self.least, int(darkest.min()))
            self.most = max(self.most, int(brightest.max()))
            self.flat = self.flat and int((brightest - darkest).max()) <= _ROUNDING
        self.num_frames += 1

    def pictures(self) -> str | None:
        if not self.num_frames:
            return None
        return hashlib.sha256(f"{self.num_frames}{self.hashes}".encode()).hexdigest()

    def remarks(self) -> list[str]:
        if not self.num_frames:
            return []
        if self.most <= _DARK:
            return [BLACK]
        if self.flat:
            return [FLAT]
        if self.num_frames > 1 and len(set(self.hashes)) == 1:
            return [FROZEN]
        return []


def _header_remarks(
    properties: VideoProperties | None, num_frames: int, error: str | None
) -> Sequence[str]:
    remarks: list[str] = []
    if properties is None:
        return remarks
    stated = properties.header_frames
    if stated is not None and stated != num_frames and error is None:
        remarks.append(f"header states {stated} frames")
    if properties.sample_aspect_ratio not in (None, 0, 1):
        remarks.append(f"pixels are not square ({properties.sample_aspect_ratio})")
    if properties.rotation:
        remarks.append(f"turned by {properties.rotation} degrees for display")
    return remarks


def _time_remarks(
    video: Video, properties: VideoProperties | None, error: str | None
) -> Sequence[str]:
    if properties is None or error is not None:
        return []
    varies = is_variable(video.frame_times(), properties.frame_rate)
    return [UNEVEN] if varies or properties.variable_delays else []


def _stored_values(video: Video) -> tuple[str | None, tuple[float, float] | None]:
    if not isinstance(video.reader, ArrayReader):
        return None, None
    try:
        return str(video.reader.dtype), video.reader.extent()
    except UnreadableError:
        return str(video.reader.dtype), None


def _value_remarks(
    video: Video, dtype: str | None, extent: tuple[float, float] | None
) -> Sequence[str]:
    if extent is None or not isinstance(video.reader, ArrayReader):
        return []
    least, most = extent
    remarks = [] if dtype == "uint8" else [f"stored values from {least:.4g} to {most:.4g}"]
    stated = video.reader.levels.value_range
    if dtype == "uint8" and 0 < most <= 1:
        remarks.append("no value above 1: were floats in 0..1 cast to uint8?")
    elif dtype != "uint8" and stated == "0..255" and most <= 1:
        remarks.append("no value above 1, although --value-range 0..255 is stated")
    elif dtype != "uint8" and stated == "-1..1" and least >= 0:
        remarks.append("no value below 0, although --value-range -1..1 is stated")
    return remarks


def _digest(video: Video) -> str | None:
    try:
        return video.digest()
    except VideoError:
        return None
