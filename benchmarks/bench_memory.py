"""Peak memory of a score for few and for many clips, and the time `--help` takes.

python benchmarks/bench_memory.py --clips 100 2000
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.write import write_video

SCORE = """
import resource, sys, pyoco_eval
scores = pyoco_eval.evaluate(sys.argv[1], profile="embedded", metrics=("fvd", "fid"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def seconds(command: list[str], rounds: int = 5) -> float:
    """Best wall time of a command."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory in MiB; start-up in seconds.")
    parser.add_argument("--clips", type=int, nargs="+", default=[100, 2000])
    options = parser.parse_args()
    shapes = MovingShapes("val")
    with tempfile.TemporaryDirectory() as name:
        for index in range(max(options.clips)):
            write_video(Path(name) / f"{index:05d}.npz", shapes[index].frames)
        paths = sorted(Path(name).glob("*.npz"))
        for count in options.clips:
            folder = Path(name) / f"of-{count}"
            folder.mkdir()
            for path in paths[:count]:
                (folder / path.name).hardlink_to(path)
            output = subprocess.run(
                [sys.executable, "-c", SCORE, str(folder)],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            print(f"{count:6d} clips, FVD and FID: {int(output):6d} MiB at most")
    ours = seconds([sys.executable, "-m", "pyoco_eval", "--help"])
    torch = seconds([sys.executable, "-c", "import torch"], rounds=2)
    print(f"pyoco-eval --help {ours:.2f} s; import torch alone {torch:.2f} s")


if __name__ == "__main__":
    main()
