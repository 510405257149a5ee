"""A confidence interval for a Fréchet distance, from stored features.

The distance of two samples overestimates that of their populations, by about 1/N, and a plain
bootstrap only adds the same again: its percentiles can lie wholly above the value sought. Here both
sets are divided at random into complementary halves, many times over. Half a sample doubles the
1/N, so what the mean of two complementary halves exceeds the whole by is the bias of the whole; and
half the difference of the two varies as the whole does from sample to sample.

Half-samples repeat no row, so their covariances stay regular where a bootstrap's would not.

References: Shao and Wu (1989), delete-d jackknife; McCarthy (1969), balanced half-samples; Chong
and Forsyth (2020), the 1/N bias of FID.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.sample_floor import SmallSampleError, frechet_floor
from pyoco_eval.statistics.moments import Moments


@dataclass(frozen=True)
class Interval:
    """Where the distance of the populations lies.

    Attributes:
        low, high: bounds, at least 0.
        centre: the distance less its estimated bias; can be below 0 when the populations agree.
        level: nominal confidence.
        num_resamples: half-samples drawn.
        seed: of the draws.
    """

    low: float
    high: float
    centre: float
    level: float
    num_resamples: int
    seed: int


class _Sample:
    """Rows that can be cut into random halves without dividing a group."""

    def __init__(self, rows: np.ndarray, groups: np.ndarray | None) -> None:
        if rows.ndim != 2 or not np.isfinite(rows).all():
            raise PyocoEvalError(f"features {rows.shape} must be (N, D) without NaN or infinity")
        self._rows = rows.astype(np.float64)
        labels = np.arange(len(rows)) if groups is None else np.asarray(groups)
        if labels.shape != (len(rows),):
            raise UsageError(
                f"groups {labels.shape} must name one group for each of {len(rows)} rows"
            )
        names, self._group = np.unique(labels, return_inverse=True)
        self._num_groups = len(names)
        self.whole = Moments.of(self._rows)

    def halves(self, rng: np.random.Generator) -> tuple[Moments, Moments]:
        chosen = np.zeros(self._num_groups, bool)
        chosen[rng.permutation(self._num_groups)[: self._num_groups // 2]] = True
        mask = chosen[self._group]
        floor = frechet_floor(self._rows.shape[1])
        if min(mask.sum(), len(mask) - mask.sum()) < floor:
            raise SmallSampleError(
                f"{len(mask)} rows of {floor - 1} features are too few for an interval: half of "
                f"them must still be {floor} or more"
            )
        return Moments.of(self._rows[mask]), Moments.of(self._rows[~mask])


@dataclass(frozen=True, eq=False)
class _Exact:
    """Moments without sampling error: every half of them is the whole."""

    whole: Moments

    def halves(self, _rng: np.random.Generator) -> tuple[Moments, Moments]:
        return self.whole, self.whole


def frechet_interval(
    generated: np.ndarray,
    reference: np.ndarray | Moments,
    *,
    groups_generated: np.ndarray | None = None,
    groups_reference: np.ndarray | None = None,
    level: float = 0.95,
    num_resamples: int = 100,
    seed: int = 0,
    ddof: int = 1,
) -> Interval:
    """Interval for the distance of the populations that the features were drawn from.

    It does not surround the reported distance, which is biased upwards, but the distance that
    infinitely many videos would give.

    Coverage measured at a nominal 95 %: 93 to 98 % where the populations differ, 98 to 100 % where
    they agree (the interval then ends at 0). Gaussians of 16 and 40 dimensions with flat and 1/i
    spectra, N of 3, 4 and 10 D independent rows or 4 D videos of four correlated frames, 400 trials
    each: `benchmarks/frechet_interval_coverage.py`. The centre was within 0.13 of the true distance
    on average where the reported one was up to 9.9 too large. Heavy-tailed features and larger D
    were not part of it.

    Args:
        generated: (N, D) features, N >= 2 (D + 1).
        reference: (M, D) features, M >= 2 (D + 1); or moments, which count as exact: the interval
            then covers the choice of generated videos alone.
        groups_generated, groups_reference: (N,), (M,) labels of rows that belong together, such as
            the video of every frame; without them rows count as independent.
        level: nominal confidence, in (0, 1).
        num_resamples: half-samples, an even number of at least 20.
        seed: of the draws; the same seed gives the same interval.
        ddof: of the covariances, as in `frechet_distance`.

    Raises:
        SmallSampleError: fewer than 2 (D + 1) rows.
        UsageError: arguments out of range.
        PyocoEvalError: features of different D, or not finite.
    """
    if not 0 < level < 1:
        raise UsageError(f"level {level} must lie between 0 and 1")
    if num_resamples < 20 or num_resamples % 2:
        raise UsageError(f"num_resamples {num_resamples} must be an even number of at least 20")
    rng = np.random.default_rng(seed)
    ours = _Sample(generated, groups_generated)
    theirs: _Sample | _Exact
    if isinstance(reference, Moments):
        if groups_reference is not None:
            raise UsageError("groups of a reference given as moments have no rows to belong to")
        theirs = _Exact(reference)
    else:
        theirs = _Sample(reference, groups_reference)
    whole = frechet_distance(ours.whole, theirs.whole, ddof=ddof).distance
    pairs = np.empty((num_resamples // 2, 2))
    for pair in pairs:
        halves = zip(ours.halves(rng), theirs.halves(rng), strict=True)
        pair[:] = [frechet_distance(a, b, ddof=ddof).distance for a, b in halves]
    centre = whole - float(pairs.mean() - whole)
    deviation = float(np.sqrt(np.mean(((pairs[:, 0] - pairs[:, 1]) / 2) ** 2)))
    margin = NormalDist().inv_cdf((1 + level) / 2) * deviation
    return Interval(
        low=max(centre - margin, 0.0),
        high=max(centre + margin, 0.0),
        centre=centre,
        level=level,
        num_resamples=num_resamples,
        seed=seed,
    )
