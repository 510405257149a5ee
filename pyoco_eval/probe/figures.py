"""The figures of a probe as PNG, SVG and PDF, in colours that colour-blind readers tell apart.

Colours: Okabe and Ito, Color Universal Design (2008). Groups also differ in the shape of points.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import MissingError
from pyoco_eval.probe.correlation import Similarity
from pyoco_eval.probe.embedding import Embedding
from pyoco_eval.probe.fit import Fit, correlation_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")

_GREY, _BLUE, _ORANGE, _GREEN, _SKY, _PINK = (
    "#B8B8B8", "#0072B2", "#D55E00", "#009E73", "#56B4E9", "#CC79A7",
)  # fmt: skip
_SAME = ((_BLUE, "o"), (_SKY, "D"), (_PINK, "P"), (_GREEN, "X"))
_STYLES = {"reference": (_GREY, "o"), "different": (_ORANGE, "^"), "independent": (_ORANGE, "s")}


def check_drawable() -> None:
    """Find out before the work whether figures can be drawn.

    Raises:
        MissingError: matplotlib or scikit-learn is not installed.
    """
    try:
        import matplotlib  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingError(
            f"figures cannot be drawn ({error}): pip install 'pyoco-eval[probe]', or pass "
            "--no-figures"
        ) from error


def draw_embedding(embedding: Embedding, path: Path, title: str) -> list[Path]:
    """The points of a t-SNE (Figure 2 of the paper); `path` without its suffix."""
    figure = _figure(4.2, 4.4)
    axes = figure.add_subplot()
    fresh = iter(_SAME)
    for number, (name, kind) in enumerate(zip(embedding.names, embedding.kinds, strict=True)):
        chosen = embedding.positions[embedding.groups == number]
        colour, marker = _STYLES[kind] if kind in _STYLES else next(fresh)
        background = kind == "reference"
        axes.scatter(
            chosen[:, 0],
            chosen[:, 1],
            s=10 if background else 24,
            c=colour,
            marker=marker,
            linewidths=0 if background else 0.4,
            edgecolors="white",
            alpha=0.55 if background else 1,
            label=name,
            zorder=1 if background else 2,
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[:].set_color("#888888")
    axes.set_title(title, fontsize=10)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8, handletextpad=0.2)
    return _save(figure, path)


def draw_by_distance(similarity: Similarity, fits: Sequence[Fit], path: Path) -> list[Path]:
    """Similarity against frame distance with its interval, the fitted priors and the null."""
    figure = _figure(5.6, 3.6)
    axes = figure.add_subplot()
    distances = np.arange(1, similarity.num_frames)
    low, high = similarity.by_distance_interval
    level = f"{similarity.level:.0%}"
    axes.axhspan(*similarity.null.interval, color=_GREY, alpha=0.7, linewidth=0,
                 label=f"shuffled frames, {level}")  # fmt: skip
    axes.fill_between(distances, low, high, color=_BLUE, alpha=0.2, linewidth=0)
    axes.plot(distances, similarity.by_distance, color=_BLUE, marker="o", markersize=4,
              label=f"inverted noise, {level} over videos")  # fmt: skip
    for fit, colour, dash in zip(fits, (_ORANGE, _GREEN), ("--", "-."), strict=True):
        axes.plot(
            distances,
            correlation_curve(fit.prior, fit.alpha, similarity.num_frames),
            color=colour,
            linestyle=dash,
            label=f"{fit.prior}, α = {fit.alpha:.3g} [{fit.interval[0]:.3g}, "
            f"{fit.interval[1]:.3g}], rms {fit.rmse:.3f}",
        )
    _frame_axis(axes, similarity.num_frames)
    axes.set_xlabel("distance of frames, in sampled frames")
    axes.set_ylabel("cosine similarity")
    axes.set_ylim(min(0.0, float(low.min()), similarity.null.interval[0]) - 0.03, 1.02)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return _save(figure, path)


def draw_frame_correlation(similarity: Similarity, path: Path) -> list[Path]:
    """The T x T matrix of the fitted prior."""
    figure = _figure(4.2, 3.6)
    axes = figure.add_subplot()
    image = axes.imshow(similarity.frame_correlation, cmap="cividis", vmin=0, vmax=1)
    axes.set_xlabel("frame")
    axes.set_ylabel("frame")
    figure.colorbar(image, ax=axes, label="mean cosine similarity")
    return _save(figure, path)


def draw_round_trip(
    num_steps: Sequence[int],
    psnr: Sequence[float],
    relative_error: Sequence[float],
    relative_change: Sequence[float],
    path: Path,
) -> list[Path]:
    """Error of inverting and sampling again, against the number of steps."""
    figure = _figure(6.4, 2.8)
    left, right = figure.subplots(1, 2)
    left.plot(num_steps, psnr, color=_BLUE, marker="o", markersize=4)
    left.set_ylabel("PSNR of the frames, dB")
    right.plot(num_steps, relative_error, color=_BLUE, marker="o", markersize=4,
               label="frames, inverted and sampled")  # fmt: skip
    right.plot(num_steps[:-1], relative_change[:-1], color=_ORANGE, marker="s", markersize=4,
               linestyle="--", label=f"noise maps, against {num_steps[-1]} steps")  # fmt: skip
    right.set_ylabel("relative L2 error")
    right.set_yscale("log")
    right.legend(frameon=False, fontsize=7)
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xticks(num_steps, [str(steps) for steps in num_steps])
        axes.minorticks_off()
        axes.set_xlabel("steps")
        axes.spines[["top", "right"]].set_visible(False)
    return _save(figure, path)


def _figure(width: float, height: float) -> "Figure":
    check_drawable()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _frame_axis(axes: "Axes", num_frames: int) -> None:
    step = max(1, (num_frames - 1) // 8)
    axes.set_xticks(range(1, num_frames, step))


def _save(figure: "Figure", path: Path) -> list[Path]:
    """Write every format; text stays text in SVG and PDF."""
    import matplotlib as mpl

    written = []
    with mpl.rc_context({"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "pyoco-eval"}):
        for suffix in FORMATS:
            target = path.with_name(f"{path.name}.{suffix}")
            with atomic_path(target) as partial:
                stamp = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix)
                figure.savefig(partial, format=suffix, dpi=200, metadata=stamp)
            written.append(target)
    return written
