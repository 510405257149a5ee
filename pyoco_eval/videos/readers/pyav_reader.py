"""Video files through PyAV (FFmpeg): frames in the order the decoder emits them.

Timestamps are never used to order or drop frames: in XviD files they are not monotonic although
the emission order is the display order. One decoding thread per video keeps the number and order
of frames independent of the machine; videos are decoded side by side instead.
Colour is converted in `video_pixels`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from pyoco_eval.videos.readers.base import (
    MAX_PIXELS,
    FrameReader,
    NoVideoError,
    UnreadableError,
    VideoProperties,
    check_size,
)
from pyoco_eval.videos.readers.frame_times import packet_times
from pyoco_eval.videos.readers.integrity import STRICT, CheckedDecoding
from pyoco_eval.videos.readers.orientation import Orientation
from pyoco_eval.videos.readers.pyav_versions import tolerant_of_metadata
from pyoco_eval.videos.readers.stored_file import StoredFile
from pyoco_eval.videos.readers.truncation import find_cut
from pyoco_eval.videos.readers.video_pixels import RGBConverter

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.sidedata.sidedata import SideData
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,flv,ogg,mpeg,mpegts,mpegvideo,"
    "h261,h263,h264,hevc,vvc,av1,obu,ivf,m4v,dv,nut,mxf,yuv4mpegpipe"
)
"""Containers of video. Playlists and text are left out: they would open other files."""

_NO_PROTOCOL = "none"
"""Of bytes that Python hands over: FFmpeg may open nothing beside them."""

_PICTURES = {b"GIF8": "GIF", b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG"}


class PyavReader(FrameReader):
    """A file in any container and codec that this build of FFmpeg decodes."""

    backend = "pyav"
    storage = "video"

    def __init__(self, file: StoredFile) -> None:
        self.file = file

    def digest(self) -> str:
        return self.file.digest()

    def properties(self) -> VideoProperties:
        with self._open() as (container, stream):
            header = (stream.codec_context.width, stream.codec_context.height)
            frame = next(CheckedDecoding(self.file, container, stream, header).frames())
            orientation = _orientation(frame)
            rate = stream.average_rate
            width, height = orientation.shown_size(frame.width, frame.height)
            return VideoProperties(
                width=width,
                height=height,
                frame_rate=rate if rate is not None and rate > 0 else None,
                codec=stream.codec_context.codec.canonical_name,
                container=container.format.name.partition(",")[0],
                pixel_format=frame.format.name,
                rotation=orientation.rotation,
                sample_aspect_ratio=stream.sample_aspect_ratio,
                header_frames=stream.frames or None,
            )

    def times(self) -> list[Fraction] | None:
        with self._open() as (container, stream):
            first = next(CheckedDecoding(self.file, container, stream).frames())
        with self._open() as (container, stream):
            return packet_times(container, stream, first)

    def walk(self) -> Iterator[Callable[[], np.ndarray]]:
        to_rgb = RGBConverter(self.pixels, *self.beside)
        first: tuple[int, int] | None = None
        orientation, rotation = Orientation(), None
        with self._open() as (container, stream):
            for index, frame in enumerate(CheckedDecoding(self.file, container, stream).frames()):
                if frame.rotation != rotation:
                    orientation, rotation = _orientation(frame), frame.rotation
                size = orientation.shown_size(frame.width, frame.height)
                if first is None:
                    first = size
                if size != first:
                    raise UnreadableError(
                        f"its frame size changes from {first[0]} x {first[1]} to "
                        f"{size[0]} x {size[1]} at frame {index}; cut it into videos of one size",
                        size=first,
                    )

                def convert(
                    frame: "VideoFrame" = frame, orientation: Orientation = orientation
                ) -> np.ndarray:
                    return orientation.apply(to_rgb(frame))

                yield convert

    @contextmanager
    def _open(self) -> "Iterator[tuple[InputContainer, VideoStream]]":
        import av

        if not self.file.size():
            raise UnreadableError("is empty (0 bytes)")
        path = self.file.path
        with self.file.open() as file:
            try:
                container = av.open(
                    file if path is None else str(path.absolute()),
                    "r",
                    options={
                        "format_whitelist": _DEMUXERS,
                        "protocol_whitelist": _NO_PROTOCOL if path is None else "file",
                    },
                    **tolerant_of_metadata(av.__version__),
                )
            except (av.FFmpegError, OverflowError, ValueError) as error:
                raise UnreadableError(_why_not_open(file, error)) from error
            with container:
                try:
                    stream = _best_stream(container)
                except UnreadableError as error:
                    with self.file.open() as again:
                        if find_cut(again) is not None:
                            raise UnreadableError(
                                "cannot be opened: the file is cut off"
                            ) from error
                    raise
                check_size(stream.codec_context.width, stream.codec_context.height)
                stream.codec_context.thread_count = 1
                stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)} | STRICT
                yield container, stream


def _best_stream(container: "InputContainer") -> "VideoStream":
    """The video stream FFmpeg ranks best; cover pictures of audio files are not videos."""
    from av.stream import Disposition

    moving = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not moving:
        raise NoVideoError("has no video stream (only sound, cover pictures or data)")
    best = container.streams.best("video")
    chosen = next((s for s in moving if best is not None and s.index == best.index), moving[0])
    if getattr(chosen, "codec_context", None) is None:
        raise UnreadableError("no decoder for its video codec is available")
    return chosen


def _orientation(frame: "VideoFrame") -> Orientation:
    """How `frame` is to be turned. Asking ties it into a reference cycle: not for every frame."""
    matrix = cast("SideData | None", frame.side_data.get("DISPLAYMATRIX"))
    if matrix is None:
        return Orientation()
    orientation = Orientation.from_display_matrix(bytes(matrix))
    if orientation is None:
        raise UnreadableError(
            "is to be shown at an angle that is no quarter turn; re-encode it upright"
        )
    return orientation


def _why_not_open(file: BinaryIO, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist any more"
    if isinstance(error, PermissionError):
        return "may not be read: permission denied"
    file.seek(0)
    start = file.read(12)
    for magic, kind in _PICTURES.items():
        if start.startswith(magic):
            return f"is a {kind} picture in spite of its name; rename it"
    if find_cut(file) is not None:
        return "cannot be opened: the file is cut off"
    return "cannot be opened: not a video, or damaged at its start"
