"""The probe in half a minute: how correlated is the noise behind moving shapes?

Given an image model trained on moving shapes, writes a few clips it has not seen, inverts their
frames, and leaves table, prior and figures in the folder. Every step is a command a user could
type; each is shown before it runs.
"""

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

NUM_CLIPS, NUM_FRAMES = "10", "5"


def step(title: str, *arguments: str) -> None:
    print(f"\n== {title}\n$ pyoco-eval {shlex.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "pyoco_eval", *arguments], check=True)  # noqa: S603


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="image model folder or training run")
    parser.add_argument("--size", default="32", help="pixels a side it was trained on")
    parser.add_argument("--out", type=Path, default=Path("demo/probe"))
    given = parser.parse_args()
    started = time.perf_counter()
    clips, out = str(given.out / "clips"), str(given.out)
    step("Clips that the model has not seen",
         "shapes", "--split", "test", "--num", NUM_CLIPS, "--size", given.size,
         "--num-frames", NUM_FRAMES, "--format", "npz", "--out", clips, "--overwrite")  # fmt: skip
    step("The noise behind their frames: alike within a clip, unlike between clips",
         "invert-noise", "--model", given.model, "--videos", clips, "--out", out,
         "--num-frames", NUM_FRAMES, "--num-steps", "16", "--check-videos", "1")  # fmt: skip
    print(f"\nDone in {time.perf_counter() - started:.0f} s. Look at:")
    print(f"  {given.out / 'figures' / 'tsne-videos.png'}  noise maps of one clip lie together")
    print(f"  {given.out / 'figures' / 'by-distance.png'}  how alike, against the distance")
    print("  The measured correlation is a prior to train with:")
    print(f"  pyoco-eval train CONFIG --set prior=empirical:{given.out / 'noise-prior.npz'}")


if __name__ == "__main__":
    main()
