"""The same mp4 files through this package and through the tools its conventions are named after.

    python benchmarks/peers_end_to_end.py FOLDER --clips 66 --out docs/peers.json
    python benchmarks/peers_end_to_end.py FOLDER --clips 66 --out docs/peers.json --tools clean

Cuts real clips of FOLDER into mp4 files of 16 frames, every third one for the reference. Every tool
gets what its users give it: frames decoded by decord, as arrays (cd-fvd, torchmetrics, TGANv2) or
as PNG (pytorch-fid, clean-fid, torch-fidelity). This package gets the mp4 files. All share random
weights in the published formats. cd-fvd's own reader needs torchvision's video reader, which is
gone.

Every tool's row is written to the file of `--out` as soon as it is known, and rows that stand there
are not made again. `scripts/conventions_page.py` prints them.
"""

import argparse
import hashlib
import json
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import decord
import numpy as np
import peer_tools as tools
import torch
from bench_i3d import random_state
from bench_inception import random_weights
from PIL import Image

import pyoco_eval
from pyoco_eval.errors import VideoError
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.write import write_video

NUM_FRAMES = 16
SIZE = 128
TOLERANCE = 1e-5
"""Of the relative difference. Above it the tool's formula is computed in exact arithmetic too."""
LIBRARIES = ("av", "decord", "numpy", "pillow", "scipy", "torch")
PACKAGES = {
    "cd-fvd": "cd-fvd",
    "tgan2": "",
    "pytorch-fid": "pytorch-fid",
    "clean": "clean-fid",
    "legacy-tf": "torch-fidelity",
    "torchmetrics": "torchmetrics",
}
"""Convention -> package of its tool; none where the tool stands here again."""
METRICS = {"cd-fvd": "fvd", "tgan2": "is"}
"""Of conventions that are not of FID."""
Sides = tuple[Path, Path]


def cut_clips(videos: Path, folder: Path, count: int) -> Sides:
    """`count` mp4 files in all, every third one in `reference`."""
    sides = folder / "samples", folder / "reference"
    for side in sides:
        side.mkdir()
    made = 0
    while made < count:
        before = made
        for video in open_source(videos):
            start = NUM_FRAMES * (made // 20)
            try:
                frames = [f() for f in islice(video.walk(), start, start + NUM_FRAMES)]
            except VideoError:
                continue
            if len(frames) < NUM_FRAMES or min(frames[0].shape[:2]) < SIZE or made == count:
                continue
            write_video(sides[made % 3 == 2] / f"{made:04d}.mp4", np.stack([*map(square, frames)]))
            made += 1
        if made == before:
            raise SystemExit(f"{videos}: long enough for {made} clips only")
    return sides


def square(frame: np.ndarray) -> np.ndarray:
    """The middle square, (SIZE, SIZE, 3)."""
    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = Image.fromarray(frame[top : top + side, left : left + side])
    return np.asarray(middle.resize((SIZE, SIZE), Image.Resampling.LANCZOS))


def decoded(folder: Path) -> np.ndarray:
    """(N, 16, SIZE, SIZE, 3) uint8, by decord."""
    clips = []
    for path in sorted(folder.iterdir()):
        reader = decord.VideoReader(str(path), num_threads=1)
        clips.append(reader.get_batch(range(NUM_FRAMES)).asnumpy())
    return np.stack(clips)


def write_pictures(clips: np.ndarray, folder: Path, every: int) -> Path:
    folder.mkdir()
    for number, clip in enumerate(clips):
        for index in range(0, NUM_FRAMES, every):
            Image.fromarray(clip[index]).save(folder / f"{number:04d}-{index:02d}.png")
    return folder


def write_c3d(folder: Path) -> tuple[Path, Path, np.ndarray]:
    """The network of `by_tgan2` in Chainer's format, and a mean cube."""
    network = tools.c3d_network()
    arrays = {}
    for name, unit in network.convolutions.items():
        arrays |= {f"{name}/W": unit.weight.contiguous().numpy(), f"{name}/b": unit.bias.numpy()}
    for name in ("fc6", "fc7", "fc8"):
        layer = getattr(network, name)
        arrays |= {f"{name}/W": layer.weight.numpy(), f"{name}/b": layer.bias.numpy()}
    mean = np.random.default_rng(0).uniform(80, 120, (3, 16, 128, 171)).astype(np.float32)
    np.savez(folder / "c3d.npz", **arrays)
    np.savez(folder / "mean.npz", mean=mean)
    return folder / "c3d.npz", folder / "mean.npz", mean


@dataclass
class Inputs:
    """What ours and the tools are given: mp4 files, their frames, pictures, weights.

    Attributes:
        sides: folders of mp4 files, samples and reference.
        arrays: (N, 16, SIZE, SIZE, 3) uint8 of both, by decord.
        every: image tools see each n-th frame.
    """

    sides: Sides
    arrays: list[np.ndarray]
    pictures: list[str]
    weights: dict[str, Path]
    mean: np.ndarray
    every: int

    @classmethod
    def make(cls, videos: Path, folder: Path, count: int, every: int) -> "Inputs":
        sides = cut_clips(videos, folder, count)
        inception = folder / "inception.pth"
        torch.save(random_state(), folder / "i3d.pt")
        random_weights(inception)
        c3d, c3d_mean, mean = write_c3d(folder)
        arrays = [decoded(side) for side in sides]
        pictures = [
            str(write_pictures(clips, folder / f"png-{side.name}", every))
            for clips, side in zip(arrays, sides, strict=True)
        ]
        weights = {
            "i3d": folder / "i3d.pt", "inception": inception, "c3d": c3d, "c3d-mean": c3d_mean,
        }  # fmt: skip
        return cls(sides, arrays, pictures, weights, mean, every)

    def facts(self) -> dict[str, Any]:
        """What all rows of one file have in common."""
        frames = hashlib.sha256()
        for clips in self.arrays:
            frames.update(clips.tobytes())
        return {
            "clips": [len(clips) for clips in self.arrays],
            "images": [len(clips) * NUM_FRAMES // self.every for clips in self.arrays],
            "frames_sha256": frames.hexdigest(),
            "versions": {name: version(name) for name in LIBRARIES},
        }


def theirs(convention: str, inputs: Inputs) -> tools.Told:
    """The tool's number."""
    state = {
        name: torch.load(inputs.weights[name], weights_only=True) for name in ("i3d", "inception")
    }
    inception = str(inputs.weights["inception"])
    some = [clips[:, :: inputs.every] for clips in inputs.arrays]
    runs: dict[str, Callable[[], tools.Told]] = {
        "cd-fvd": lambda: tools.by_cd_fvd(inputs.arrays, state["i3d"]),
        "tgan2": lambda: tools.by_tgan2(inputs.arrays[0], inputs.mean),
        "pytorch-fid": lambda: tools.by_pytorch_fid(inputs.pictures, state["inception"]),
        "clean": lambda: tools.by_clean_fid(inputs.pictures, state["inception"]),
        "legacy-tf": lambda: tools.by_torch_fidelity(inputs.pictures, inception),
        "torchmetrics": lambda: tools.by_torchmetrics(some, inception),
    }
    with warnings.catch_warnings(action="ignore"):  # scipy's, of the tools' square root
        return runs[convention]()


def ours(convention: str, inputs: Inputs) -> float:
    """The same convention from the mp4 files."""
    metric = METRICS.get(convention, "fid")
    clip: dict[str, Any] = {} if metric != "fid" else {
        "num_frames": NUM_FRAMES // inputs.every, "stride": inputs.every,
    }  # fmt: skip
    (score,) = pyoco_eval.evaluate(
        *inputs.sides, metrics=[metric], conventions={metric: convention}, device="cpu",
        weights=inputs.weights, allow_small=True, **clip,
    ).scores  # fmt: skip
    assert score.signature.get("conv") == convention
    assert score.signature.get("rgb") == "peer-video"
    return float(score.value)


def compare(convention: str, inputs: Inputs) -> dict[str, Any]:
    """One row: both numbers and their relative difference; errors where it is above TOLERANCE."""
    told, found = theirs(convention, inputs), ours(convention, inputs)
    package = PACKAGES[convention]
    difference = abs(found - told.value) / abs(told.value)
    exact = told.exact() if difference > TOLERANCE else None
    return {
        "convention": convention,
        "tool": f"{package} {version(package)}" if package else "Chainer's C3D, in PyTorch",
        "theirs": told.value,
        "ours": found,
        "difference": difference,
        "tool_error": None if exact is None else abs(told.value - exact) / exact,
        "our_error": None if exact is None else abs(found - exact) / exact,
    }


def resumed(out: Path | None, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows that the file has already."""
    if out is None or not out.exists():
        return []
    stored = json.loads(out.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = stored.pop("rows")
    if stored != facts:
        raise SystemExit(f"{out} holds rows of other clips or versions; remove it or give another")
    return rows


def choose(text: str) -> Sequence[str]:
    chosen = [name.strip() for name in text.split(",")]
    if unknown := [name for name in chosen if name not in PACKAGES]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not among {', '.join(PACKAGES)}")
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description="Scores of the tools and ours, of the same mp4.")
    parser.add_argument("folder", type=Path, help="of real videos")
    parser.add_argument("--clips", type=int, default=66, help="a third of them the reference")
    parser.add_argument("--every", type=int, default=16, help="image tools see each n-th frame")
    parser.add_argument(
        "--tools", type=choose, default=[*PACKAGES], metavar="NAME,NAME",
        help=f"by convention (default: {','.join(PACKAGES)})",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="JSON file; rows it has are not made again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        inputs = Inputs.make(options.folder, Path(folder), options.clips, options.every)
        facts = inputs.facts()
        rows = resumed(options.out, facts)
        known = {row["convention"] for row in rows}
        for convention in options.tools:
            if convention in known:
                continue
            row = compare(convention, inputs)
            rows.append(row)
            print(
                f"{convention:14} {row['theirs']:14.7f} {row['ours']:14.7f}  relative difference "
                f"{row['difference']:.1e}",
                flush=True,
            )
            if options.out is not None:
                rows.sort(key=lambda row: [*PACKAGES].index(row["convention"]))
                text = json.dumps(facts | {"rows": rows}, indent=1)
                options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
