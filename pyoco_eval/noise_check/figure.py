"""The record and the figures of a check: variances, correlation of frames, spectrum."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import MissingError
from pyoco_eval.noise_check.check import PriorCheck
from pyoco_eval.version import __version__

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_THEMES: Final = {
    "light": ("#ffffff", "#24292f", "#0072B2"),
    "dark": ("#0d1117", "#e6edf3", "#56B4E9"),
}
"""Paper, ink, data."""


def check_drawable() -> None:
    """Raises MissingError where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingError(
            f"--out: figures cannot be drawn ({error}): pip install 'pyoco-eval[plots]'"
        ) from error


def save_check(check: PriorCheck, out: Path) -> list[Path]:
    """Write `check.json`, `check-light.png` and `check-dark.png`; their paths."""
    out.mkdir(parents=True, exist_ok=True)
    record = out / "check.json"
    with atomic_path(record) as path:
        content = {"version": __version__, **check.to_dict()}
        path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return [record, *(_draw(check, theme, out) for theme in _THEMES)]


def _draw(check: PriorCheck, theme: str, out: Path) -> Path:
    from matplotlib.figure import Figure

    paper, ink, data = _THEMES[theme]
    figure = Figure(figsize=(9.6, 3.3), layout="constrained", facecolor=paper)
    left, middle, right = figure.subplots(1, 3)
    _variances(left, check, ink, data)
    found = check.measurement
    num_frames = len(found.variance)
    image = middle.imshow(
        found.correlation, vmin=0, vmax=1, cmap="viridis",
        extent=(0.5, num_frames + 0.5, num_frames + 0.5, 0.5),
    )  # fmt: skip
    bar = figure.colorbar(image, ax=middle, fraction=0.046)
    bar.ax.tick_params(colors=ink, labelsize=7)
    middle.set_title("correlation of frames", fontsize=9)
    right.plot(found.frequencies, found.spectrum, color=data, marker="o", markersize=3)
    right.axhline(1, color=ink, linewidth=0.8, linestyle="--")
    right.set_ylim(0, max(1.5, float(found.spectrum.max()) * 1.1))
    right.set_title("power by spatial frequency", fontsize=9)
    right.set_xlabel("cycles per pixel", fontsize=8)
    for axes in (left, middle, right):
        axes.set_facecolor(paper)
        axes.tick_params(colors=ink, labelsize=7)
        axes.spines[:].set_color(ink)
        axes.title.set_color(ink)
        axes.xaxis.label.set_color(ink)
    target = check.target if len(check.target) <= 60 else "…" + check.target[-59:]
    title = f"{target.replace('$', '')}: {check.diagnosis}"
    figure.suptitle(title, fontsize=10, color=ink)
    target_path = out / f"check-{theme}.png"
    with atomic_path(target_path) as path:
        figure.savefig(path, format="png", dpi=160)
    return target_path


def _variances(axes: "Axes", check: PriorCheck, ink: str, data: str) -> None:
    found = check.measurement
    frames, intervals = np.arange(1, len(found.variance) + 1), found.variance_interval()
    error = np.abs(intervals.T - found.variance)
    axes.errorbar(frames, found.variance, yerr=error, fmt="o", markersize=3, color=data)
    axes.axhline(1, color=ink, linewidth=0.8, linestyle="--")
    axes.set_ylim(0, max(1.3, float(intervals.max()) * 1.1))
    axes.set_title("variance, with 95 % intervals", fontsize=9)
    axes.set_xlabel("frame", fontsize=8)
