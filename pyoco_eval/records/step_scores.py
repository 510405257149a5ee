"""Scores against the step of training: as a table and as a figure."""

import csv
from collections.abc import Sequence
from pathlib import Path

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import MissingError
from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.catalogue import display_name

StepScores = Sequence[tuple[int, Sequence[Score]]]
"""Steps in order, each with its scores."""


def write_step_scores(found: StepScores, path: Path) -> None:
    """One row for each step and metric, with the interval where there is one, as CSV."""
    with atomic_path(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "metric", "value", "low", "high", "signature"])
        for step, scores in found:
            for score in scores:
                low, high = score.interval or ("", "")
                row = [step, score.metric, repr(score.value), low, high]
                writer.writerow([*row, str(score.signature)])


def draw_step_scores(found: StepScores, path: Path) -> None:
    """One panel for each metric, its score against the step; PNG, SVG or PDF by the suffix.

    Raises:
        MissingError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingError(
            f"matplotlib cannot be imported ({error}): pip install 'pyoco-eval[plots]'"
        ) from error
    metrics = list(dict.fromkeys(score.metric for _, scores in found for score in scores))
    figure = Figure(figsize=(4.8 * len(metrics), 3.6), layout="constrained")
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        rows = [(step, s) for step, scores in found for s in scores if s.metric == metric]
        steps, values = [step for step, _ in rows], [score.value for _, score in rows]
        axes.plot(steps, values, marker="o", markersize=4, color="#0072B2")
        ranged = [(step, *score.interval) for step, score in rows if score.interval]
        if ranged:
            where, low, high = zip(*ranged, strict=True)
            axes.fill_between(where, low, high, color="#0072B2", alpha=0.2, linewidth=0)
        axes.set_xlabel("training step")
        axes.set_ylabel(f"{display_name(metric)} ({rows[0][1].num_samples:,} samples)")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    with atomic_path(path) as part:
        figure.savefig(part, format=path.suffix.removeprefix("."), dpi=120)
