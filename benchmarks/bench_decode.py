"""Decoding mp4 files to RGB: this package against decord, one after another and in threads.

Every rival decodes every frame of the same H.264 files. decord runs one thread per file: its
default of several gains nothing on clips this short. Both read pixels by the rule `peer`, so the
frames are the same, which is checked first.

    python benchmarks/bench_decode.py --clips 48 --workers 2
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import decord
import numpy as np
from interleaved import median_seconds

from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.write import write_video

Decode = Callable[[Path], np.ndarray]


def with_pyav(path: Path) -> np.ndarray:
    (video,) = open_source(path)
    peer = video.reading("peer")
    return np.stack([convert() for convert in peer.walk()])


def with_decord(path: Path) -> np.ndarray:
    reader = decord.VideoReader(str(path), num_threads=1)
    return np.asarray(reader.get_batch(range(len(reader))).asnumpy())


def in_turn(decode: Decode, paths: list[Path]) -> int:
    return sum(len(decode(path)) for path in paths)


def in_threads(decode: Decode, paths: list[Path], workers: int) -> int:
    with ThreadPoolExecutor(workers) as pool:
        return sum(pool.map(lambda path: len(decode(path)), paths))


def main() -> None:
    parser = argparse.ArgumentParser(description="mp4 files to RGB frames, frames per second.")
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--frames", type=int, default=48, help="per clip")
    parser.add_argument("--size", type=int, default=256, help="pixels of the square videos")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()

    shapes = MovingShapes("test", options.size, num_frames=options.frames)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{index:04d}.mp4" for index in range(options.clips)]
        for path, shape in zip(paths, shapes, strict=False):
            write_video(path, shape.frames)
        if not np.array_equal(with_pyav(paths[0]), with_decord(paths[0])):
            raise SystemExit("the two decoders give different frames; their times do not compare")

        pool = f"{options.workers} threads"
        rivals = {
            "pyoco-eval, in turn": lambda: in_turn(with_pyav, paths),
            "decord, in turn": lambda: in_turn(with_decord, paths),
            f"pyoco-eval, {pool}": lambda: in_threads(with_pyav, paths, options.workers),
            f"decord, {pool}": lambda: in_threads(with_decord, paths, options.workers),
        }
        seconds = median_seconds(rivals, repetitions=options.repetitions)
    total = options.clips * options.frames
    for name, value in seconds.items():
        same_way = seconds["pyoco-eval" + name[name.index(",") :]]
        print(f"{name:28s} {total / value:8.0f} frames/s   x{value / same_way:.2f}")


if __name__ == "__main__":
    main()
