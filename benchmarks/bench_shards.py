"""Memory and speed of training data against the number of samples, beside webdataset.

One shard of small pictures is linked under as many names as asked for, and indexed. Each rival then
reads in a process of its own, which says its peak memory and the pictures it decodes in a second:
`shards` (indexed), `images` (every sample listed at the start, at a hundredth of the number), and
webdataset with a shuffle buffer of as many samples as our window, if it is installed.

    python benchmarks/bench_shards.py --shards 10000
"""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

PER_SHARD = 1000
WINDOW = 8


def write_shard(path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        for number in range(PER_SHARD):
            file = io.BytesIO()
            pixels = np.random.default_rng(number).integers(0, 255, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(file, "png")
            for suffix, content in (("png", file.getvalue()), ("txt", b"a caption")):
                info = tarfile.TarInfo(f"{number:06d}.{suffix}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def read(rival: str, place: str, count: int) -> None:
    """In a process of its own: prints seconds to the first sample, samples a second, peak MiB."""
    started = time.perf_counter()
    if rival == "webdataset":
        import webdataset

        data = webdataset.WebDataset(place, shardshuffle=100, seed=0)
        source = iter(data.shuffle(WINDOW * PER_SHARD).decode("rgb8").to_tuple("png", "txt"))

        def sample(_: int) -> object:
            return next(source)
    else:
        from pyoco_eval.training.config import DataConfig
        from pyoco_eval.training.data.examples import open_examples

        config = DataConfig(
            source=rival, path=place, size=32, num_frames=1, shuffle_shards=WINDOW,  # type: ignore[arg-type]
        )  # fmt: skip
        examples = open_examples(config)
        order = examples.order(0)

        def sample(number: int) -> object:
            return examples.read(order[number], np.random.default_rng(number))

    sample(0)
    first = time.perf_counter()
    for number in range(1, count):
        sample(number)
    speed = (count - 1) / (time.perf_counter() - first)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([first - started, speed, peak]))


def report(title: str, rival: str, place: str, count: int) -> None:
    run = subprocess.run(
        [sys.executable, __file__, "--read", rival, place, "--count", str(count)],
        capture_output=True, text=True,
    )  # fmt: skip
    if run.returncode:
        print(f"{title:44s} not measured: {run.stderr.strip().splitlines()[-1]}")
        return
    first, speed, peak = json.loads(run.stdout)
    print(f"{title:44s} {first:8.2f} s to the first {speed:8.0f} /s {peak:8.0f} MiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shards", type=int, default=10_000)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--read", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read(*options.read, options.count)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_shard(folder / "first.tar")
        for shards in (options.shards // 1000, options.shards // 10, options.shards):
            set_ = folder / str(shards)
            set_.mkdir()
            for number in range(shards):
                os.link(folder / "first.tar", set_ / f"{number:06d}.tar")
            size = (folder / "first.tar").stat().st_size
            rows = [
                {"name": f"{n:06d}.tar", "bytes": size, "samples": PER_SHARD} for n in range(shards)
            ]
            index = {"format": "pyoco-eval-shards-1", "labels": [], "shards": rows}
            (set_ / "shards.json").write_text(json.dumps(index))
            title = f"{shards * PER_SHARD:,} samples, "
            report(title + "shards", "shards", str(set_ / "shards.json"), options.count)
            if shards <= options.shards // 10:
                report(title + "images", "images", str(set_), options.count)
            pattern = f"{set_}/{{000000..{shards - 1:06d}}}.tar"
            report(title + "webdataset", "webdataset", pattern, options.count)
        indexed = folder / str(options.shards // 1000)
        (indexed / "shards.json").unlink()
        started = time.process_time()
        from pyoco_eval.progress import Silent
        from pyoco_eval.training.data.shard_index import build_index

        build_index(sorted(indexed.glob("*.tar")), indexed / "shards.json", Silent())
        spent = (time.process_time() - started) / (options.shards // 1000 * PER_SHARD)
        print(f"indexing: {1e6 * spent:.1f} microseconds of one core a sample")


if __name__ == "__main__":
    main()
