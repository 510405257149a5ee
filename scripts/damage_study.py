"""How much damage in video files is noticed: seeded damage, codec by codec.

Clips of moving texture are encoded, damaged behind their first quarter, and decoded. A file is
`caught` if reading it to its end is an error, `harmless` if all its frames are as before, and
`missed` if frames differ or lack and nothing was said. Beside it stands a plain decoding loop
over FFmpeg as most tools write it. The same seed gives the same files.

    python scripts/damage_study.py --files 50 > study.md
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from pyoco_eval.errors import VideoError
from pyoco_eval.videos.readers.pyav_reader import PyavReader
from pyoco_eval.videos.readers.stored_file import LocalFile
from pyoco_eval.videos.video import Video

Damage = Callable[[np.ndarray, np.random.Generator], np.ndarray]
NUM_FRAMES, WIDTH, HEIGHT = 30, 160, 120


@dataclass(frozen=True)
class Kind:
    """One encoder in one container."""

    name: str
    encoder: str
    suffix: str
    options: dict[str, str]


KINDS = (
    Kind("H.264, mp4", "libx264", ".mp4", {"x264-params": "log-level=none"}),
    Kind("H.264, mkv", "libx264", ".mkv", {"x264-params": "log-level=none"}),
    Kind("H.264, ts", "libx264", ".ts", {"x264-params": "log-level=none"}),
    Kind("HEVC, mp4", "libx265", ".mp4", {"x265-params": "log-level=none"}),
    Kind("MPEG-4, avi", "mpeg4", ".avi", {"bf": "2"}),
    Kind("MPEG-2, mpg", "mpeg2video", ".mpg", {"bf": "2"}),
    Kind("MJPEG, avi", "mjpeg", ".avi", {}),
    Kind("VP8, webm", "libvpx", ".webm", {}),
    Kind("VP9, webm", "libvpx-vp9", ".webm", {}),
    Kind("AV1, mp4", "libsvtav1", ".mp4", {}),
)


def one_bit(content: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _flip(content, rng, 1)


def ten_bits(content: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _flip(content, rng, 10)


def forty_bytes(content: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """40 bytes within an eighth of the file."""
    size = len(content)
    start = rng.integers(size // 4, size - size // 8 - _TAIL)
    content[start + rng.integers(size // 8, size=40)] ^= rng.integers(1, 256, 40).astype(np.uint8)
    return content


def hole(content: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """512 bytes of zeros, as a bad sector leaves them."""
    start = rng.integers(len(content) // 4, len(content) - 512 - _TAIL)
    content[start : start + 512] = 0
    return content


def lost(content: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """188 bytes gone."""
    start = rng.integers(len(content) // 4, len(content) - 188 - _TAIL)
    return np.delete(content, slice(start, start + 188))


def cut(content: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return content[: -rng.integers(1, len(content) // 2)]


_TAIL = 2000
"""Bytes at the end that only `cut` touches: indexes that no frame needs."""

DAMAGES: tuple[Damage, ...] = (one_bit, ten_bits, forty_bytes, hole, lost, cut)


def _flip(content: np.ndarray, rng: np.random.Generator, bits: int) -> np.ndarray:
    places = rng.integers(len(content) // 4, len(content) - _TAIL, bits)
    for place in places:
        content[place] ^= 1 << rng.integers(8)
    return content


def write_clip(path: Path, kind: Kind, seed: int) -> None:
    """Texture that moves, over a gradient, so that every packet carries something."""
    rng = np.random.default_rng(seed)
    texture = rng.integers(0, 255, (HEIGHT // 4, WIDTH // 4, 3), dtype=np.uint8)
    texture = texture.repeat(4, axis=0).repeat(4, axis=1)
    slope = np.linspace(0, 120, WIDTH).astype(np.uint8)[None, :, None]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(kind.encoder, rate=25, options=kind.options)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuvj420p" if kind.encoder == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = 10
        for number in range(NUM_FRAMES):
            pixels = np.roll(texture, (number, 3 * number), (0, 1)) // 2 + slope
            frame = av.VideoFrame.from_ndarray(pixels.astype(np.uint8), format="rgb24")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def ours(path: Path) -> np.ndarray | None:
    """All frames, or None after an error."""
    try:
        video = Video(path.name, 0, path, PyavReader(LocalFile(path)))
        return np.stack([convert() for convert in video.walk()])
    except VideoError:
        return None


def plain(path: Path) -> np.ndarray | None:
    """The loop of most tools: FFmpeg's default, an error only where it raises one."""
    try:
        with av.open(str(path)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        return np.stack(frames)
    except (av.FFmpegError, ValueError, IndexError, AttributeError):
        return None


def outcome(frames: np.ndarray | None, truth: np.ndarray) -> str:
    if frames is None:
        return "caught"
    return "harmless" if np.array_equal(frames, truth) else "missed"


def share(found: Counter[str]) -> str:
    """Of the files whose frames suffer, how many are noticed."""
    suffering = found["caught"] + found["missed"]
    return f"{found['caught']}/{suffering}" if suffering else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=20, help="damaged files of each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    av.logging.set_level(None)
    print(
        "| codec | "
        + " | ".join(d.__name__.replace("_", " ") for d in DAMAGES)
        + " | a plain loop |"
    )
    print("|---|" + "---|" * (len(DAMAGES) + 1))
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            whole = Path(folder) / f"whole{kind.suffix}"
            part = Path(folder) / f"part{kind.suffix}"
            write_clip(whole, kind, options.seed)
            truths = {read: read(whole) for read in (ours, plain)}
            content = np.frombuffer(whole.read_bytes(), np.uint8)
            cells: list[str] = []
            others: Counter[str] = Counter()
            for number, damage in enumerate(DAMAGES):
                found: Counter[str] = Counter()
                for index in range(options.files):
                    rng = np.random.default_rng((options.seed, number, index))
                    part.write_bytes(damage(content.copy(), rng).tobytes())
                    found[outcome(ours(part), truths[ours])] += 1
                    others[outcome(plain(part), truths[plain])] += 1
                cells.append(share(found))
            print(f"| {kind.name} | " + " | ".join([*cells, share(others)]) + " |", flush=True)


if __name__ == "__main__":
    main()
