"""Histograms of the scores with the thresholds marked, as PNG.

Colours: Okabe and Ito, Color Universal Design (2008). What is dropped is hatched besides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import MissingError

_KEPT, _DROPPED, _LINE = "#0072B2", "#E69F00", "#222222"
_MOST_BINS = 60


@dataclass(frozen=True)
class Scale:
    """One score of all videos.

    Attributes:
        label: of its axis.
        scores: of the videos that have one.
        least: the threshold.
    """

    label: str
    scores: Sequence[float]
    least: float


def check_drawable() -> None:
    """Find out before the work whether the figure can be drawn.

    Raises:
        MissingError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingError(
            f"the histograms cannot be drawn ({error}): pip install 'pyoco-eval[plots]', or pass "
            "--no-figure"
        ) from error


def draw_histograms(scales: Mapping[str, Scale], title: str, path: Path) -> None:
    """One panel for each score; what lies below its threshold is another colour.

    Args:
        scales: by name, at least one, each with a score or more.
        title: above the panels.
        path: PNG to write.
    """
    check_drawable()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(scales), 3.4), layout="constrained", facecolor="white")
    figure.suptitle(title, fontsize=10)
    for axes, scale in zip(np.atleast_1d(figure.subplots(1, len(scales))), scales.values(),
                           strict=True):  # fmt: skip
        values = np.asarray(scale.scores, np.float64)
        below = values[values < scale.least]
        edges = _edges(values, scale.least)
        axes.hist(values[values >= scale.least], edges, color=_KEPT, edgecolor="white",
                  linewidth=0.4, label=f"{len(values) - len(below):,} at or above")  # fmt: skip
        axes.hist(below, edges, color=_DROPPED, edgecolor="white", linewidth=0.4, hatch="////",
                  label=f"{len(below):,} below")  # fmt: skip
        axes.axvline(scale.least, color=_LINE, linewidth=1.2, linestyle="--",
                     label=f"threshold {scale.least:g}")  # fmt: skip
        axes.set_xlabel(scale.label)
        axes.set_ylabel("videos")
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False,
                    fontsize=7, handlelength=1.4, columnspacing=1.0)  # fmt: skip
    with atomic_path(path) as partial:
        figure.savefig(partial, format="png", dpi=150, metadata={"Software": None})


def _edges(values: np.ndarray, least: float) -> np.ndarray:
    """Edges of bins, one of which is the threshold, so that no bin is of both kinds."""
    low, high = min(float(values.min()), least), max(float(values.max()), least)
    bins = int(np.clip(2 * np.sqrt(len(values)), 10, _MOST_BINS))
    width = max(high - low, 1e-6) / bins
    # One bin more at each end: rounding must not push the lowest or highest score out.
    down, up = (int(np.floor(reach / width)) + 1 for reach in (least - low, high - least))
    return least + width * np.arange(-down, up + 1)
