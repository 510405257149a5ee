"""Every metric in one row: what must be known of it before anything is scored.

This imports neither NumPy nor PyTorch. Another package adds a metric by an entry point in the group
`pyoco_eval.metrics` that names a `KnownMetric`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pyoco_eval.catalogue import Catalogue

LIMIT: Final = "-inf"
"""What the name of a score ends in that was extrapolated to infinitely many samples."""


@dataclass(frozen=True)
class KnownMetric:
    """One metric.

    Attributes:
        name: as given to `evaluate --metrics`.
        display: as printed beside its number.
        title: in full.
        help: one line, for a list of commands.
        scorer: `module:class` of its `scoring.metric.Metric`.
        conventions: profile (`published`, `embedded`) -> the convention it follows by default.
        needs_reference: whether samples are compared with anything.
        from_moments: whether means and covariances suffice, without feature rows.
        extrapolates: whether it can be extrapolated to infinitely many samples.
        has_interval: whether `--interval` gives it one.
        higher_is_better: and not lower.
        unbiased: whether its expectation does not depend on the number of samples.
        classifies: whether its rows are answers of a classifier, and it is taken over splits.
        needs_captions: whether it reads the captions of the samples.
        scores: names of its scores, where it gives several; else its one score is called like it.
    """

    name: str
    display: str
    title: str
    help: str
    scorer: str
    conventions: Mapping[str, str]
    needs_reference: bool = True
    from_moments: bool = False
    extrapolates: bool = False
    has_interval: bool = True
    higher_is_better: bool = False
    unbiased: bool = False
    classifies: bool = False
    needs_captions: bool = False
    scores: tuple[str, ...] = ()


def _frechet(name: str, title: str, about: str, conventions: Mapping[str, str]) -> KnownMetric:
    return KnownMetric(
        name, name.upper(), title, about, "pyoco_eval.scoring.frechet:Frechet", conventions,
        from_moments=True, extrapolates=True,
    )  # fmt: skip


_ALL: Final = (
    _frechet(
        "fvd", "Fréchet Video Distance", "Fréchet Video Distance between two sets of videos.",
        {"published": "tf-fvd", "embedded": "embedded-fvd"},
    ),
    KnownMetric(
        "is", "IS", "Inception Score", "Inception Score of a set of videos.",
        "pyoco_eval.scoring.inception_score:InceptionScoreMetric",
        {"published": "tgan2", "embedded": "embedded-is"},
        needs_reference=False, higher_is_better=True, classifies=True,
    ),
    _frechet(
        "fid", "Fréchet Inception Distance of frames",
        "Fréchet Inception Distance of the frames of videos.",
        {"published": "clean", "embedded": "embedded-fid"},
    ),
    _frechet(
        "clip-fid", "Fréchet distance of CLIP embeddings of frames",
        "Fréchet distance of CLIP embeddings of frames.",
        {"published": "clean-fid-clip", "embedded": "embedded-clip-fid"},
    ),
    KnownMetric(
        "kvd", "KVD", "Kernel Video Distance", "Kernel Video Distance: unbiased, for small sets.",
        "pyoco_eval.scoring.kernel:KernelMetric",
        {"published": "tf-kvd", "embedded": "embedded-kvd"}, unbiased=True,
    ),
    KnownMetric(
        "kid", "KID", "Kernel Inception Distance of frames",
        "Kernel Inception Distance of the frames of videos.",
        "pyoco_eval.scoring.kernel:KernelMetric",
        {"published": "clean-kid", "embedded": "embedded-kid"}, unbiased=True,
    ),
    KnownMetric(
        "clipsim", "CLIPSIM", "Agreement with captions", "Agreement of videos with their captions.",
        "pyoco_eval.scoring.clipsim:ClipSimilarityMetric",
        {"published": "clipsim-vitb32", "embedded": "embedded-clipsim"},
        needs_reference=False, higher_is_better=True, unbiased=True, needs_captions=True,
    ),
    KnownMetric(
        "prdc", "PRDC", "Precision, recall, density, coverage",
        "Precision, recall, density and coverage.", "pyoco_eval.scoring.prdc:PrdcMetric",
        {"published": "prdc-i3d", "embedded": "embedded-prdc"},
        has_interval=False, higher_is_better=True,
        scores=("precision", "recall", "density", "coverage"),
    ),
)  # fmt: skip

METRICS: Final = Catalogue("pyoco_eval.metrics", KnownMetric, _ALL)

USUAL: Final = ("fvd", "is", "fid", "clip-fid")
"""What `evaluate` scores when no metric is named."""

PROFILES: Final = ("published", "embedded")
"""Published networks, or those that come with the package."""

_OF_PROBE: Final = {
    "noise-same": "noise, same video",
    "noise-different": "noise, different videos",
}
"""Names of the scores of `invert-noise`, which are no metric of samples."""


def extrapolated() -> list[str]:
    """Names of the metrics that can be extrapolated."""
    return [name for name, row in METRICS.items() if row.extrapolates]


def metric_of(score: str) -> KnownMetric | None:
    """The metric that gives a score of this name; None if none does."""
    name = score.removesuffix(LIMIT)
    if name in METRICS and not METRICS[name].scores:
        return METRICS[name] if name == score or METRICS[name].extrapolates else None
    if score in _OF_PROBE:
        return None
    return next((row for row in METRICS.values() if score in row.scores), None)


def display_name(score: str) -> str:
    """The name of a score as printed: `FVD∞` for `fvd-inf`, itself where nobody knows it."""
    metric = metric_of(score)
    if metric is None or metric.scores:
        return _OF_PROBE.get(score, score)
    return metric.display if score == metric.name else f"{metric.display}∞"


def is_better_higher(score: str) -> bool:
    """Whether a score is the better the higher it is; no for scores that nobody knows."""
    metric = metric_of(score)
    return metric is not None and metric.higher_is_better


def is_unbiased(score: str) -> bool:
    """Whether the expectation of a score does not depend on the number of samples."""
    metric = metric_of(score)
    return metric is not None and metric.unbiased


def has_interval(score: str) -> bool:
    """Whether `--interval` gives this score an interval."""
    metric = metric_of(score)
    return metric is not None and metric.has_interval and not score.endswith(LIMIT)
