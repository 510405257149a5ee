"""Stage 1: files become the frames they should.

The clips in this folder hold moving shapes in four video codecs and GIF. Decoders of these codecs
are specified to the last bit, and colour is converted exactly, so every frame has one right digest.

The other conversion, `peer`, follows the processor: its digest is that of x86-64 (with SSSE3, which
every such processor since 2008 has) or it is told what it is instead.
"""

import hashlib
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from pyoco_eval.errors import VideoError
from pyoco_eval.selftest.check import FOLDER, Measurement, Skipped, stored, stored_value
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.readers.pixels import PixelRule
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.write import write_video

NUM_FRAMES: Final = 8
NUM_DRAWN: Final = 48
"""Clips that are drawn again: each class once, so every shape and motion."""
CLIPS: Final = {
    "clip.mp4": "h264",
    "clip-hevc.mp4": "hevc",
    "clip-vp9.webm": "vp9",
    "clip-av1.mkv": "av1",
    "clip.gif": "gif",
}
PEER_CONVERSION: Final = "clip.mp4, peer conversion"
_X86: Final = ("x86_64", "amd64")
_OTHER: Final = (
    ", up to 3 levels from x86-64: video files score a little differently there under --pixels "
    "peer, here and in other tools alike; --pixels exact is the same everywhere"
)
WRITTEN: Final = {"clip.mp4": "av", "clip.gif": "pillow"}
"""Shipped clips of this package's own writer, and the library that encodes them."""


def measure_decoding() -> Iterator[Measurement | Skipped]:
    """Shipped clips, and files written here."""
    drawn = hashlib.sha256()
    for index in range(NUM_DRAWN):
        drawn.update(MovingShapes("val", size=32, num_frames=4)[index].frames.tobytes())
    yield Measurement("decoding", "moving shapes", drawn.hexdigest())
    for name, codec in CLIPS.items():
        if not _can_read(codec):
            reason = f"this build of FFmpeg cannot read {codec}"
            yield Skipped("decoding", name, reason)
            continue
        yield Measurement("decoding", name, decoded_digests(FOLDER / name))
    yield measure_peer_conversion()
    with TemporaryDirectory() as folder:
        yield from _written_here(Path(folder))


def measure_peer_conversion() -> Measurement | Skipped:
    """One line on how this processor converts under `pixels: peer`."""
    name = PEER_CONVERSION
    digests = decoded_digests(FOLDER / "clip.mp4", "peer")
    if digests == stored_value("decoding", name):
        return Measurement("decoding", name, digests, note="as every x86-64 with SSSE3")
    if digests == stored_value("decoding", f"{name}, portable"):
        return Skipped("decoding", name, "as plain C code" + _OTHER)
    if platform.machine().lower() not in _X86:
        return Skipped("decoding", name, f"as this {platform.machine()} does" + _OTHER)
    return Measurement("decoding", name, digests)


def source_frames(size: int = 32) -> np.ndarray:
    """uint8 (8, size, size, 3): what the shipped clips show."""
    return MovingShapes("val", size=size, num_frames=NUM_FRAMES)[3].frames


def decoded_digests(path: Path, pixels: PixelRule = "exact") -> tuple[str, ...]:
    """sha256 of every frame of a video file, or why there are none."""
    (video,) = open_source(path).reading(pixels)
    try:
        return tuple(hashlib.sha256(frame().tobytes()).hexdigest() for frame in video.walk())
    except VideoError as error:
        return (f"error: {error.reason}",)


def _written_here(folder: Path) -> Iterator[Measurement | Skipped]:
    """The same bytes from the writer, and the same frames through formats that lose nothing."""
    frames = source_frames()
    for name, library in WRITTEN.items():
        made_with = stored()["made_with"][library]
        if version(library) != made_with:
            reason = f"{library} {version(library)} encodes as it likes; made with {made_with}"
            yield Skipped("decoding", f"writing {name}", reason)
            continue
        write_video(folder / name, frames)
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        shipped = hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()
        yield Measurement("decoding", f"writing {name}", digest, expected=shipped)
    truth = tuple(hashlib.sha256(frame.tobytes()).hexdigest() for frame in frames)
    for name in ("clip.npz", "png"):
        write_video(folder / name, frames)
        yield Measurement("decoding", name, decoded_digests(folder / name), expected=truth)


def _can_read(codec: str) -> bool:
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    try:
        Codec(codec, "r")
    except UnknownCodecError:
        return False
    return True
