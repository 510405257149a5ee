"""What the two conversions of video to RGB do on real clips, and what the processor changes.

    python scripts/measure_conversion.py FOLDER [--frames 8]

For every video file: how many values of `peer` differ from `exact`, and how many of each change
when FFmpeg is told that the processor can do less (`scripts/cpu_flags.py`).
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np
from cpu_flags import LEVELS, forced_cpu_flags

from pyoco_eval.videos.readers.pixels import PIXEL_RULES
from pyoco_eval.videos.readers.video_pixels import RGBConverter


def frames_of(path: Path, count: int) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(islice(container.decode(video=0), count))


def converted(frames: list[av.VideoFrame], rule: str, flags: int | None = None) -> np.ndarray:
    if flags is not None:
        with forced_cpu_flags(flags):
            return converted(frames, rule)
    to_rgb = RGBConverter(rule)
    return np.stack([to_rgb(frame) for frame in frames])


def difference(a: np.ndarray, b: np.ndarray) -> str:
    apart = a.astype(int) - b
    return f"{(apart != 0).mean():6.1%} {apart.mean():+6.2f} {np.abs(apart).max():4d}"


def rows(path: Path, count: int) -> Iterator[str]:
    frames = frames_of(path, count)
    native = {rule: converted(frames, rule) for rule in PIXEL_RULES}
    yield f"peer against exact        {difference(native['peer'], native['exact'])}"
    for rule, here in native.items():
        for level, flags in LEVELS.items():
            apart = difference(converted(frames, rule, flags), here)
            yield f"{rule:5} {level:9} against here {apart}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Values that differ: share, mean, most (levels).")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=8, help="of each clip, from its start")
    options = parser.parse_args()
    for path in sorted(options.folder.iterdir()):
        try:
            found = list(rows(path, options.frames))
        except (av.FFmpegError, IndexError, ValueError) as error:
            print(f"{path.name}: left out, {error}")
            continue
        print(path.name, *found, sep="\n  ")


if __name__ == "__main__":
    main()
