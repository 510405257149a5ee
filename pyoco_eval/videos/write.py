"""Write frames as a video file.

The suffix chooses the format: `.mp4` (H.264 at a high bit rate; colour at half resolution, 4:2:0,
as every player expects), `.gif` (256 colours per frame), `.npz` (exact, with `frames` and `fps`),
and none at all for a folder of PNG files (exact). A file appears under its name only when it is
whole.

Axes: T frames, H, W; three channels RGB.
"""

import io
import shutil
import struct
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import IO

import numpy as np

from pyoco_eval.atomic import flush
from pyoco_eval.errors import UsageError

_REPEATABLE = {"threads": "1", "x264-params": "cpu-independent=1"}
"""The same frames give the same file: by default x264 decides by what happens to lie in memory
behind a small picture, and by the processor."""


def write_video(path: Path, frames: np.ndarray, fps: float = 8) -> None:
    """Write one video; a file or folder of that name is replaced.

    Args:
        path: ends in `.mp4`, `.gif`, `.npz`, or has no suffix: a folder of `000000.png`, ….
        frames: uint8 (T, H, W, 3) RGB, T at least 1; for `.mp4`, H and W even.
        fps: frames per second; folders do not keep it, and GIF only to hundredths of a second.

    Raises:
        UsageError: another suffix, shape, dtype or rate.
    """
    if path.suffix not in _WRITERS:
        raise UsageError(f"{path}: cannot write {path.suffix!r}; use .mp4, .gif, .npz or no suffix")
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        raise UsageError(
            f"{path}: expected uint8 frames (T, H, W, 3), found {frames.dtype} {frames.shape}"
        )
    if not fps > 0:
        raise UsageError(f"{path}: fps must be positive, not {fps}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=path.parent) as folder:
        part = Path(folder) / path.name
        _WRITERS[path.suffix](part, np.ascontiguousarray(frames), fps)
        for written in (*part.iterdir(), part) if part.is_dir() else (part,):
            flush(written)
        if path.is_dir():
            shutil.rmtree(path)
        part.replace(path)


def encode_h264(
    target: str | IO[bytes], frames: np.ndarray, fps: float, *, quality: int, preset: str
) -> None:
    """Write an mp4 file with colour at half resolution; the same frames give the same bytes.

    Args:
        target: a path, or a file to write to.
        frames: uint8 (T, H, W, 3) RGB, H and W even.
        quality: x264's constant rate factor, 0 (without loss) to 51.
        preset: x264's name for how long it may search.
    """
    import av
    from av.video.reformatter import VideoReformatter

    from pyoco_eval.videos.readers.video_pixels import EXACT_CONVERSION

    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", Fraction(fps).limit_denominator(1001))
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.options = {"crf": str(quality), "preset": preset, **_REPEATABLE}
        reformatter = VideoReformatter()
        for frame in frames:
            picture = reformatter.reformat(
                av.VideoFrame.from_ndarray(frame, "rgb24"),
                format="yuv420p",
                interpolation=EXACT_CONVERSION,
                threads=1,
            )
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def _write_mp4(path: Path, frames: np.ndarray, fps: float) -> None:
    _, height, width, _ = frames.shape
    if height % 2 or width % 2:
        raise UsageError(f"{path.name}: mp4 needs even sides, not {width} x {height}")
    encode_h264(str(path), frames, fps, quality=8, preset="medium")


def _write_gif(path: Path, frames: np.ndarray, fps: float) -> None:
    from PIL import GifImagePlugin, Image

    # Put together block by block: Image.save would merge frames that look alike into one.
    _, height, width, _ = frames.shape
    content = io.BytesIO()
    content.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0))
    content.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")  # repeat for ever
    ticks = [round(100 * number / fps) for number in range(len(frames) + 1)]
    for frame, start, end in zip(frames, ticks[:-1], ticks[1:], strict=True):
        image = Image.fromarray(frame).quantize(dither=Image.Dither.NONE)
        milliseconds = 10 * max(1, end - start)
        blocks = GifImagePlugin.getdata(image, duration=milliseconds, include_color_table=True)
        content.writelines(blocks)
    content.write(b";")
    path.write_bytes(content.getvalue())


def _write_npz(path: Path, frames: np.ndarray, fps: float) -> None:
    np.savez_compressed(path, frames=frames, fps=np.float64(fps))


def _write_png_folder(path: Path, frames: np.ndarray, fps: float) -> None:
    from PIL import Image

    del fps
    path.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(path / f"{number:06d}.png")


_WRITERS: dict[str, Callable[[Path, np.ndarray, float], None]] = {
    ".mp4": _write_mp4,
    ".gif": _write_gif,
    ".npz": _write_npz,
    "": _write_png_folder,
}
