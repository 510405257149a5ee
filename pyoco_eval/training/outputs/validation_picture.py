"""The validation loss against the step, in all and at each noise level."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pyoco_eval.atomic import atomic_path

MEAN: Final = "validation/mean"
LEVEL: Final = "validation/sigma="
"""Keys of the log: the mean over levels, and the beginning of a level's own."""


def draw_validation(entries: Sequence[Mapping[str, Any]], path: Path) -> None:
    """One line for each noise level and one for their mean, as PNG; nothing without any."""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    known = [entry for entry in entries if entry.get(MEAN) is not None]
    if not known:
        return
    levels = sorted(
        {key for entry in known for key in entry if key.startswith(LEVEL)},
        key=lambda key: float(key.removeprefix(LEVEL)),
    )
    figure = Figure(figsize=(7, 4), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for place, key in enumerate([*levels, MEAN]):
        found = [(entry["step"], entry[key]) for entry in known if entry.get(key) is not None]
        style: dict[str, Any] = {"color": colormaps["viridis"](0.9 * place / len(levels))}
        if key == MEAN:
            style = {"color": "black", "linewidth": 2.2}
        name = "mean" if key == MEAN else f"σ = {key.removeprefix(LEVEL)}"
        axes.plot(*zip(*found, strict=True), marker=".", label=name, **style)
    axes.set_xlabel("step")
    axes.set_ylabel("loss on held-out samples")
    if all(entry[key] > 0 for entry in known for key in levels if entry.get(key) is not None):
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3, which="both")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    with atomic_path(path) as part:
        figure.savefig(part, format="png")
