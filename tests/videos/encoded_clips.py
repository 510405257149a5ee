"""Clips of known content: every frame carries its own number as bright and dark blocks."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 128, 64
QUIET = {"x264-params": "log-level=none", "x265-params": "log-level=none"}


def numbered_frame(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(H, W, 3) uint8 with eight blocks, one per bit; red at the lower left, blue at the right."""
    frame = np.full((height, width, 3), 90, np.uint8)
    for bit in range(8):
        frame[8:24, bit * 16 : (bit + 1) * 16] = 230 if number >> bit & 1 else 20
    frame[40:, : width // 2] = (200, 40, 40)
    frame[40:, width // 2 :] = (40, 40, 200)
    return frame


def number_of(frame: np.ndarray) -> int:
    """The number that `numbered_frame` wrote, after lossy coding too."""
    return sum(int(frame[16, bit * 16 + 8].mean() > 120) << bit for bit in range(8))


def encode(
    path: Path,
    codec: str = "libx264",
    *,
    num_frames: int = 20,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    pixel_format: str = "yuv420p",
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
    rate: int | Fraction = 25,
    display_matrix: Sequence[int] | None = None,
) -> Path:
    """Write a clip of numbered frames."""
    width, height = size
    with av.open(str(path), "w", options=dict(container_options or {})) as container:
        log = {k: v for k, v in QUIET.items() if k.startswith(codec.removeprefix("lib"))}
        stream = container.add_stream(codec, rate=rate, options=log | dict(options or {}))
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.gop_size = 8
        if display_matrix is not None:
            stream.set_display_matrix(display_matrix)
        for number in range(num_frames):
            pixels = numbered_frame(number, width, height)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path
