"""Clips small enough to live inside a page: H.264 as a data URI, within a budget of bytes.

Axes: T frames, H, W; three channels RGB.
"""

import base64
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.video import Video
from pyoco_eval.videos.write import encode_h264, write_video

MAX_SIDE = 256
"""Longer sides are shrunk to this many pixels."""
MAX_FRAMES = 150
"""A longer clip is shown up to here."""
_QUALITIES = (20, 28, 36)
"""Constant rate factors, tried in this order until a clip fits its share."""


@dataclass(frozen=True)
class Media:
    """A clip ready to be embedded.

    Attributes:
        uri: `data:video/mp4;base64,…`, or `data:image/gif;base64,…`.
        width, height: in pixels, as encoded.
        fps: frames per second.
        num_frames: shown.
        num_bytes: of the uri.
        note: in what the clip differs from the video: size, length; empty if in nothing.
    """

    uri: str
    width: int
    height: int
    fps: float
    num_frames: int
    num_bytes: int
    note: str = ""

    @property
    def is_video(self) -> bool:
        """Whether it plays; else it is a picture."""
        return self.uri.startswith("data:video/")


def open_clip_file(path: Path) -> Video:
    """The video that a file or folder of frames holds.

    Raises:
        PyocoEvalError: it is missing, or holds several.
    """
    source = open_source(path)
    if len(source) != 1:
        raise PyocoEvalError(f"{path}: holds {len(source)} videos; a clip of a gallery is one")
    return source[0]


def embed(video: Video, limit: int, fps: float | None = None, *, enlarge: int = 1) -> Media | None:
    """Encode a video for a page; None if it does not fit `limit` bytes at any quality.

    Args:
        fps: of the page's clip; by default the video's own, 8 where it states none.
        enlarge: whole factor. H.264 keeps colours at half resolution, so that small clips need 2
            for each pixel to have its own.

    Raises:
        VideoError: it cannot be decoded.
    """
    rate = fps or video.probe().fps or 8.0
    frames, total = _read(video)
    height, width = frames.shape[1:3]
    shown = _fit(frames.repeat(enlarge, axis=1).repeat(enlarge, axis=2))
    notes = []
    if max(height, width) > MAX_SIDE:
        notes.append(f"shrunk from {width}×{height}")
    if total > len(frames):
        notes.append(f"first {len(frames)} frames")
    for content, kind in _encodings(shown, rate):
        uri = f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
        if len(uri) <= limit:
            return Media(
                uri, shown.shape[2], shown.shape[1], rate, len(shown), len(uri), ", ".join(notes)
            )
    return None


def _read(video: Video) -> tuple[np.ndarray, int]:
    """(T, H, W, 3) uint8 frames up to `MAX_FRAMES`, and one frame more where there are more."""
    frames: list[np.ndarray] = []
    for decode in video.walk():
        if len(frames) == MAX_FRAMES:
            return np.stack(frames), MAX_FRAMES + 1
        frames.append(decode())
    return np.stack(frames), len(frames)


def _fit(frames: np.ndarray) -> np.ndarray:
    """Shrunk to `MAX_SIDE` and to even sides, as 4:2:0 colour needs."""
    from PIL import Image

    height, width = frames.shape[1:3]
    scale = min(1.0, MAX_SIDE / max(height, width))
    target = tuple(max(2, 2 * round(side * scale / 2)) for side in (width, height))
    if target == (width, height):
        return frames
    resized = [
        np.asarray(Image.fromarray(frame).resize(target, Image.Resampling.LANCZOS))
        for frame in frames
    ]
    return np.stack(resized)


def _encodings(frames: np.ndarray, fps: float) -> Iterator[tuple[bytes, str]]:
    """From the best to the smallest; GIF alone where FFmpeg was built without an H.264 encoder."""
    import av

    if "libx264" not in av.codecs_available:
        yield _gif(frames, fps), "image/gif"
        return
    for quality in _QUALITIES:
        yield _h264(frames, fps, quality), "video/mp4"


def _h264(frames: np.ndarray, fps: float, quality: int) -> bytes:
    content = io.BytesIO()
    encode_h264(content, frames, fps, quality=quality, preset="slow")
    return content.getvalue()


def _gif(frames: np.ndarray, fps: float) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.gif"
        write_video(path, frames, fps)
        return path.read_bytes()
