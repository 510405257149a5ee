"""Measure the embedded networks on held-out clips: accuracy, and the five corruption ladders.

    python scripts/measure_embedded.py

Writes docs/images/embedded_ladders.png and embedded_shapes.png, and prints the tables of
docs/embedded.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import torch
from matplotlib.figure import Figure

from pyoco_eval.features.base import FeatureExtractor
from pyoco_eval.features.tiny.extractor import TinyFrameExtractor, load_tiny
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.shapes.captions import BACKGROUND_COLOURS, BACKGROUNDS, COLOURS, SHAPES, TEXTURES
from pyoco_eval.shapes.corruptions import CORRUPTION_KINDS, LADDERS, Corruption, corrupt_clip
from pyoco_eval.shapes.dataset import CLASS_NAMES, MovingShapes
from pyoco_eval.statistics.moments import Moments

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
METRICS = {"FVD": "tiny3d", "FID": "tiny2d", "CLIP-FID": "tinyclip"}
COLOURS_OF = {"FVD": "#0072B2", "FID": "#D55E00", "CLIP-FID": "#009E73"}
MARKERS = {"FVD": "o", "FID": "s", "CLIP-FID": "^"}
UNITS = {
    "noise": "standard deviation, grey levels",
    "blur": "standard deviation, pixels",
    "freeze": "share of the clip at a standstill",
    "shuffle": "share of frames out of order",
    "drop": "share of classes missing",
}
BATCH = 32


def moments(
    extractors: Mapping[str, FeatureExtractor],
    shapes: MovingShapes,
    indices: range,
    corruption: Corruption,
) -> dict[str, Moments]:
    """Of the features of corrupted clips (N, D), or of all their frames (N*T, D), per metric."""
    rows: dict[str, list[np.ndarray]] = {metric: [] for metric in extractors}
    for start in range(0, len(indices), BATCH):
        batch = indices[start : start + BATCH]
        videos = np.stack([corrupt_clip(shapes, index, corruption).frames for index in batch])
        for metric, extractor in extractors.items():
            seen = videos if extractor.kind == "video" else videos.reshape(-1, *videos.shape[2:])
            rows[metric].append(extractor(seen))
    return {metric: Moments.of(np.concatenate(parts)) for metric, parts in rows.items()}


@dataclass(frozen=True)
class Ladder:
    """Distances at each level of one ladder.

    Attributes:
        same: corrupted clips from the same clips without corruption; the first is 0.
        other: corrupted clips from other clips; the first is what chance alone gives.
    """

    same: list[float]
    other: list[float]


def climb(num_clips: int) -> dict[tuple[str, str], Ladder]:
    """The ladder of each metric and kind of corruption, on test clips."""
    extractors = {metric: load_tiny(name) for metric, name in METRICS.items()}
    shapes = MovingShapes("test")
    none = Corruption("noise", 0)
    clips, others = range(num_clips), range(num_clips, 2 * num_clips)
    clean = moments(extractors, shapes, clips, none)
    clean_others = moments(extractors, shapes, others, none)
    ladders: dict[tuple[str, str], Ladder] = {}
    for kind in CORRUPTION_KINDS:
        rungs = [clean]
        for level in range(1, len(LADDERS[kind])):
            click.echo(f"{kind}:{level}", err=True)
            rungs.append(moments(extractors, shapes, clips, Corruption(kind, level)))
        for metric in METRICS:
            same, other = (
                [frechet_distance(side[metric], rung[metric]).distance for rung in rungs]
                for side in (clean, clean_others)
            )
            ladders[metric, kind] = Ladder(same, other)
    return ladders


def accuracy(num_clips: int) -> Iterator[tuple[str, str, float, float]]:
    """Network, question, share of right answers, and share by chance; on test clips."""
    shapes = MovingShapes("test")
    clips = [shapes[index] for index in range(num_clips)]
    frames = np.stack([clip.frames for clip in clips])
    labels = np.array([clip.label for clip in clips])
    video = load_tiny("tiny3d", layer="logits")
    told = np.concatenate([video(frames[s : s + BATCH]) for s in range(0, num_clips, BATCH)])
    best = told.argmax(1)
    yield "tiny3d", "class (shape and motion)", float((best == labels).mean()), 1 / len(CLASS_NAMES)
    yield "tiny3d", "motion", float((best % 8 == labels % 8).mean()), 1 / 8
    yield "tiny3d", "shape", float((best // 8 == labels // 8).mean()), 1 / 6

    middle = frames[:, frames.shape[1] // 2]
    image = TinyFrameExtractor()
    answers = image.network.answers(image.prepare(middle))
    choices = {
        "shape": SHAPES,
        "colour": COLOURS,
        "texture": TEXTURES,
        "background": BACKGROUNDS,
        "background_colour": BACKGROUND_COLOURS,
    }
    for head, names in choices.items():
        truth = [names.index(getattr(clip.attributes, head)) for clip in clips]
        right = float((answers[head].argmax(1).numpy() == truth).mean())
        yield "tiny2d", head.replace("_", " "), right, 1 / len(names)

    pair = load_tiny("tinyclip")
    images, texts = pair(middle), pair.encode_text([clip.caption for clip in clips])
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    groups = num_clips // 32
    cosines = np.einsum(
        "gid,gjd->gij",
        images[: groups * 32].reshape(groups, 32, -1),
        texts[: groups * 32].reshape(groups, 32, -1),
    )
    right = float((cosines.argmax(2) == np.arange(32)).mean())
    yield "tinyclip", "caption of a frame, out of 32", right, 1 / 32


def plot_ladders(ladders: dict[tuple[str, str], Ladder], num_clips: int) -> None:
    figure = Figure(figsize=(13, 6.8), layout="constrained")
    panels = figure.subplots(3, 5, sharey="row")
    for row, metric in zip(panels, METRICS, strict=True):
        colour, marker = COLOURS_OF[metric], MARKERS[metric]
        for panel, kind in zip(row, CORRUPTION_KINDS, strict=True):
            ladder = ladders[metric, kind]
            levels = range(len(ladder.same))
            panel.plot(levels[1:], ladder.same[1:], color=colour, marker=marker, linewidth=1.8)
            panel.plot(levels, ladder.other, color="0.45", linestyle="--", linewidth=1.2)
            panel.set_yscale("log")
            panel.set_xlim(-0.3, 4.3)
            panel.set_xticks(levels, [f"{strength:g}" for strength in LADDERS[kind]])
            panel.grid(axis="y", color="0.92")
            panel.spines[["top", "right"]].set_visible(False)
        row[0].set_ylabel(f"{metric} (embedded)", color=colour, fontweight="bold")
    for panel, kind in zip(panels[0], CORRUPTION_KINDS, strict=True):
        panel.set_title(kind, fontweight="bold")
    for panel, kind in zip(panels[-1], CORRUPTION_KINDS, strict=True):
        panel.set_xlabel(UNITS[kind], fontsize=9)
    figure.suptitle(
        f"{num_clips:,} corrupted clips from the same clips without corruption (solid) "
        f"and from {num_clips:,} other clips (dashed)",
        fontsize=11,
    )
    figure.savefig(IMAGES / "embedded_ladders.png", dpi=130)


def plot_shapes() -> None:
    """One clip of each motion, every second frame, under its caption."""
    shapes = MovingShapes("test", size=96)
    rows: dict[str, int] = {}
    for index in range(200):
        motion = CLASS_NAMES[shapes.label(index)].split("-")[1]
        rows.setdefault(motion, index)
    figure = Figure(figsize=(8.6, 10.4), layout="constrained")
    panels = figure.subplots(len(rows), 1)
    for panel, index in zip(panels, rows.values(), strict=True):
        clip = shapes[index]
        gap = np.full((96, 4, 3), 255, np.uint8)
        strip = [part for frame in clip.frames[::2] for part in (frame, gap)]
        panel.imshow(np.concatenate(strip[:-1], axis=1), interpolation="none")
        panel.set_title(clip.caption, fontsize=10, loc="left", pad=3)
        panel.set_axis_off()
    figure.savefig(IMAGES / "embedded_shapes.png", dpi=110)


def table(ladders: dict[tuple[str, str], Ladder]) -> Iterator[str]:
    yield "| metric | ladder | against | 0 | 1 | 2 | 3 | 4 |"
    yield "|---|---|---|--:|--:|--:|--:|--:|"
    for (metric, kind), ladder in ladders.items():
        for against, rungs in (("same clips", ladder.same), ("other clips", ladder.other)):
            numbers = " | ".join("0" if rung < 1e-9 else f"{rung:.3g}" for rung in rungs)
            yield f"| {metric} | {kind} | {against} | {numbers} |"


@click.command(help=__doc__)
@click.option("--num-clips", default=1024, show_default=True, help="Clips on each side.")
@click.option("--threads", default=2, show_default=True)
def main(num_clips: int, threads: int) -> None:
    torch.set_num_threads(threads)
    IMAGES.mkdir(parents=True, exist_ok=True)
    plot_shapes()
    click.echo("| network | question | right | by chance |\n|---|---|--:|--:|")
    for network, question, right, chance in accuracy(num_clips):
        click.echo(f"| {network} | {question} | {right:.1%} | {chance:.1%} |")
    ladders = climb(num_clips)
    plot_ladders(ladders, num_clips)
    click.echo("\n" + "\n".join(table(ladders)))
    for name in ("same", "other"):
        falls = [
            f"{metric} {kind}"
            for (metric, kind), ladder in ladders.items()
            if any(after <= before for before, after in pairwise(getattr(ladder, name)))
        ]
        click.echo(
            f"\nnot rising at every level against {name} clips: {', '.join(falls) or 'none'}"
        )


if __name__ == "__main__":
    main()
