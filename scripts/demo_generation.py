"""The generation half in minutes on two CPU cores: an image model, a video model from it, clips.

Trains on frames of moving shapes, inflates the network, finetunes it with the progressive noise
prior, makes captioned clips and scores them, offline. Every step is a command a user could type;
each is shown before it runs. `--short` trains for a minute and shows the way, not the quality.
"""

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUBSET = ("--only", "size=large", "--only", "texture=plain", "--only", "background=plain,gradient")
SHORT = {
    "image": ("steps=150", "log.samples_every=0"),
    "video": ("steps=30", "log.samples_every=0"),
}


def step(title: str, *arguments: str) -> float:
    """Run one command; returns its seconds."""
    print(f"\n== {title}\n$ pyoco-eval {shlex.join(arguments)}", flush=True)
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "pyoco_eval", *arguments], check=True)  # noqa: S603
    return time.perf_counter() - started


def settings(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--set", pair)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "demo" / "generation")
    parser.add_argument("--short", action="store_true", help="a minute and a half in all")
    given = parser.parse_args()
    image, video, real, samples = (
        str(given.out / name) for name in ("image", "video", "real", "samples")
    )
    num = "16" if given.short else "72"
    more = SHORT if given.short else {"image": (), "video": ()}
    seconds = {}
    seconds["image model"] = step(
        "An image model learns single frames and their captions",
        "train", "shapes-image.yaml", "--overwrite", *settings(f"out={image}", *more["image"]),
    )  # fmt: skip
    seconds["video model"] = step(
        "Inflated to a video model, it learns clips with the progressive noise prior",
        "train", "shapes-video.yaml", "--overwrite",
        *settings(f"out={video}", f"init={image}", *more["video"]),
    )  # fmt: skip
    seconds["real clips"] = step(
        "Clips and captions that neither model has seen",
        "shapes", "--split", "val", "--size", "32", *SUBSET, "--num", num, "--format", "npz",
        "--out", real, "--overwrite",
    )  # fmt: skip
    seconds["samples"] = step(
        "The video model makes clips for these captions",
        "sample", "--ckpt", video, "--prompts", f"{real}/manifest.jsonl", "--num", num,
        "--guidance-scale", "2", "--batch-size", "4", "--format", "npz",
        "--out", samples, "--overwrite",
    )  # fmt: skip
    seconds["scores"] = step(
        "How near are they to real ones? Frames, motion and captions, in one pass",
        "evaluate", "--profile", "embedded", "--samples", samples, "--reference", real,
        "--captions", f"{samples}/manifest.jsonl", "--metrics", "fvd,fid,clipsim", "--allow-small",
        "--out", f"{given.out}/scores.json",
    )  # fmt: skip
    for name, value in seconds.items():
        print(f"{name:<12} {value:6.0f} s")
    print(f"\nDone in {sum(seconds.values()):.0f} s. Look at:")
    print(f"  {samples}/samples.png      the clips, a row each, with their captions")
    print(f"  {video}/samples            the same while it learnt; loss.png beside it")
    print(f"  {image}/samples            frames by the image model")
    print(f"  {given.out}/scores.json    the scores with their recipes")


if __name__ == "__main__":
    main()
