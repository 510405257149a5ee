"""The score against the number of samples: as a table and as a figure."""

import csv
from pathlib import Path
from typing import Any

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.catalogue import LIMIT, display_name

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
_BLUE, _ORANGE = "#0072B2", "#D55E00"
"""Told apart by colour-blind readers too (Okabe and Ito, 2008)."""


def curve_rows(limit: Score) -> list[tuple[int, float, float]]:
    """(rows, mean, std over repeats) of every subset size of an extrapolated score.

    Raises:
        UsageError: the score holds no curve.
    """
    columns: list[Any] = [limit.extras.get(name) for name in ("sizes", "mean", "std")]
    if not all(isinstance(column, list) for column in columns):
        raise UsageError(f"the score {limit.metric} holds no curve; score with --extrapolate")
    sizes, means, deviations = columns
    return [
        (int(size), float(mean), float(std))
        for size, mean, std in zip(sizes, means, deviations, strict=True)
    ]


def write_curve(limit: Score, path: Path) -> None:
    """Write rows, score and spread as CSV, the limit last with rows `inf`."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["rows", "score", "std"])
        writer.writerows(curve_rows(limit))
        writer.writerow(["inf", limit.value, limit.extras["standard_error"]])


def draw_curve(limit: Score, path: Path) -> None:
    """Draw score against 1/N with its line and limit; PNG, SVG or PDF by the suffix.

    Raises:
        UsageError: another suffix, or a score without a curve.
        MissingError: matplotlib is not installed.
    """
    if path.suffix.lower() not in FIGURE_SUFFIXES:
        raise UsageError(f"--plot {path}: use one of {', '.join(FIGURE_SUFFIXES)}")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingError(
            f"matplotlib cannot be imported ({error}): pip install 'pyoco-eval[plots]'"
        ) from error
    rows = curve_rows(limit)
    name = display_name(limit.metric.removesuffix(LIMIT))
    inverse = [1 / size for size, _, _ in rows]
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    axes.errorbar(
        inverse,
        [mean for _, mean, _ in rows],
        yerr=[std for _, _, std in rows],
        fmt="o",
        markersize=4,
        capsize=2,
        color=_BLUE,
        label="random subsets, mean ± std",
    )
    slope = limit.extras["slope"]
    assert isinstance(slope, float)
    ends = [0.0, max(inverse)]
    axes.plot(
        ends, [limit.value + slope * x for x in ends], color=_BLUE, linewidth=1, label="line in 1/N"
    )
    spread = limit.extras["standard_error"]
    axes.errorbar(
        [0], [limit.value], yerr=[spread], fmt="D", capsize=3, color=_ORANGE,
        label=f"{display_name(limit.metric)} {limit.value:.5g} ± {spread:.2g}",
    )  # fmt: skip
    ticks = [0.0, *(1 / size for size in _round_sizes([size for size, _, _ in rows]))]
    axes.set_xticks(ticks, ["∞", *(f"{round(1 / tick):,}" for tick in ticks[1:])])
    axes.set_xlim(-0.03 * max(inverse), 1.05 * max(inverse))
    axes.set_xlabel("feature rows N, on a scale of 1/N")
    axes.set_ylabel(name)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=160)


def _round_sizes(sizes: list[int]) -> list[int]:
    """A few of the sizes, evenly spread in 1/N, the largest and smallest among them."""
    wanted = [1 / max(sizes) + k / 4 * (1 / min(sizes) - 1 / max(sizes)) for k in range(5)]
    return sorted({min(sizes, key=lambda size: abs(1 / size - w)) for w in wanted}, reverse=True)
