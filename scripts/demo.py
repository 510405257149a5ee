"""The main job on the embedded default: write clips, look at them, score them, report, offline.

Every step is a command a user could type; each is shown before it runs.
"""

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

OUT = Path(__file__).resolve().parents[1] / "demo"
NUM_CLIPS = 256


def step(title: str, *arguments: str) -> None:
    print(f"\n\033[1m{title}\033[0m" if sys.stdout.isatty() else f"\n== {title}")
    print(f"$ pyoco-eval {shlex.join(arguments)}", flush=True)
    command = [sys.executable, "-m", "pyoco_eval", *arguments]
    subprocess.run(command, check=True, cwd=OUT)  # noqa: S603


def values(name: str) -> dict[str, float]:
    """Metric -> value, from a record."""
    record = json.loads((OUT / f"{name}.json").read_text(encoding="utf-8"))
    return {score["metric"]: score["value"] for score in record["scores"]}


def main() -> None:
    started = time.perf_counter()
    OUT.mkdir(exist_ok=True)
    num = str(NUM_CLIPS)
    step("Clips of the embedded dataset, as a good model would make them",
         "shapes", "--split", "val", "--num", num, "--out", "good", "--overwrite")  # fmt: skip
    step("The same with noise and frozen motion, as a bad model would",
         "shapes", "--split", "val", "--num", num, "--corrupt", "noise:2", "--corrupt", "freeze:3",
         "--out", "bad", "--overwrite")  # fmt: skip
    step("What is in the folder?", "inspect", "bad")
    for name in ("good", "bad"):
        title = f"Four metrics from one decoding pass: {name}"
        record = f"{name}.json"
        step(title, "evaluate", "--profile", "embedded", "--samples", name, "--out", record)
    good, bad = values("good"), values("bad")
    print("\nEach metric tells the good clips from the bad ones:")
    for metric in good:
        print(f"  {metric:<9} good {good[metric]:9.3f}   bad {bad[metric]:9.3f}")
    step("The same two, side by side on one page",
         "report", "good.json", "bad.json", "--out", "comparison.html")  # fmt: skip
    print(f"\nDone in {time.perf_counter() - started:.0f} s. Look at:")
    print(f"  {OUT / 'good'} and {OUT / 'bad'}  the clips (mp4) and their captions")
    print(f"  {OUT / 'good.json'}  the record: scores, signatures, file hashes, versions")
    print(f"  {OUT / 'comparison.html'}  both on one page")
    print("  README.md  how to score your own videos with the published networks")


if __name__ == "__main__":
    main()
