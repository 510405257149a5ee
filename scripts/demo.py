"""What pyoco-eval does, in about three minutes of two CPU cores, offline.

A shipped model makes clips twice: from the correlated noise it was trained with, and from
independent noise, which is the mistake that public code makes most often. Both sets are scored with
intervals and compared on one page; the probe measures how correlated the noise behind real clips
is. Every step is a command a user could type; each is shown before it runs.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parents[1] / "demo"
SUBSET = ("--only", "size=large", "--only", "texture=plain", "--only", "background=plain,gradient")
PRIORS = {"trained": (), "independent": ("--prior", "independent")}
NUM = 72


def step(title: str, *arguments: str, shared: bool = False) -> None:
    """Run one command in the folder of the demonstration, on two processes if `shared`."""
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    shown = "torchrun --nproc-per-node 2 -m pyoco_eval" if shared else "pyoco-eval"
    print(f"\n{bold}{title}{plain}\n$ {shown} {shlex.join(arguments)}", flush=True)
    command = [sys.executable, *(launcher if shared else []), "-m", "pyoco_eval", *arguments]
    told = os.environ | {"OMP_NUM_THREADS": "1"} if shared else None
    subprocess.run(command, check=True, cwd=OUT, env=told)  # noqa: S603


def read(name: str) -> Any:
    return json.loads((OUT / name).read_text(encoding="utf-8"))


def main() -> None:
    started = time.perf_counter()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    step("Real clips, with captions", "shapes", "--split", "val", "--size", "32", *SUBSET,
         "--num", "400", "--out", "real")  # fmt: skip
    common = ("--prompts", "real/manifest.jsonl", "--num-videos", str(NUM), "--guidance-scale", "2",
              "--sampler", "deis:order=2,num_steps=12")  # fmt: skip
    for name, prior in PRIORS.items():
        step(f"A model that comes with the package draws them: {name} noise",
             "sample", "--ckpt", "embedded:shapes-video", *common, *prior, "--out", name,
             shared=True)  # fmt: skip
        step("Four metrics from one decoding pass, with intervals",
             "evaluate", name, "real", "--profile", "embedded",
             "--captions", f"{name}/manifest.jsonl", "--metrics", "fvd,fid,kvd,clipsim",
             "--interval", "50", "--out", f"{name}.json")  # fmt: skip
    step("Both on one page", "report", *(f"{name}.json" for name in PRIORS),
         *(word for name in PRIORS for word in ("--samples", name)),
         "--out", "index.html")  # fmt: skip
    step("How correlated is the noise behind real clips?",
         "invert-noise", "--model", "embedded:shapes-image", "--videos", "real",
         "--max-videos", "8", "--num-frames", "8", "--num-steps", "16", "--check-videos", "1",
         "--resamples", "200", "--out", "probe")  # fmt: skip
    summary(time.perf_counter() - started)


def summary(seconds: float) -> None:
    """One table, one page, and where to go on."""
    rows = {
        name: {s["metric"]: s["value"] for s in read(f"{name}.json")["scores"]} for name in PRIORS
    }
    print(f"\nDone in {seconds:.0f} s. The same model, the same seeds, two kinds of noise:\n")
    print(f"  {'':<18}" + "".join(f"{metric.upper():>10}" for metric in rows["trained"]))
    for name, values in rows.items():
        print(f"  {name:<18}" + "".join(f"{value:10.4g}" for value in values.values()))
    print(f"\nLook at:   {OUT / 'index.html'}")
    print("Go on:     README.md, First score")


if __name__ == "__main__":
    main()
