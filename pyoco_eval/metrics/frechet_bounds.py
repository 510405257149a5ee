"""What can be said of a Fréchet distance of few rows: it lies between two other distances.

Below 2 (D + 1) rows no half of the sample has a covariance of full rank, and the bias cannot be
taken off. Two facts hold of any law and any number of rows:

- The squared distance is jointly convex in means and covariances (tr (S1^½ S2 S1^½)^½ is jointly
  concave), so by Jensen's inequality its expectation over samples, with covariances divided by
  N - 1, is no less than the distance of the populations: an upper bound.
- Blocks of features seen apart lose their correlations, which cannot raise the distance (the
  fidelity of covariances never falls when blocks off the diagonal are cleared). So |m1 - m2|² plus
  the sum of the covariance terms of blocks is a lower bound, and small blocks need few rows.

The interval reaches from the lower bound less its error to the upper bound plus its error.
The error of the upper bound, which is the score itself, is a jackknife's that leaves out a quarter
of the rows: its expectation is no less than the variance, for any function of independent rows.

References: Bhatia, Jain and Lim (2019), "On the Bures-Wasserstein distance between positive
definite matrices", joint convexity; Uhlmann (1976), monotony of the fidelity; Efron and Stein
(1981), "The jackknife estimate of variance".
"""

from typing import Final

import numpy as np

from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.interval import Interval, root_mean_square, student_quantile
from pyoco_eval.metrics.parts import DividedRows, Exact, joined
from pyoco_eval.metrics.sample_floor import SmallSampleError
from pyoco_eval.statistics.moments import Moments

FEWEST_GROUPS: Final = 8
"""Groups a side needs, so that a quarter holds two."""

_ROWS_PER_FEATURE: Final = 16
"""Rows for each feature of a block: the bias of a block's distance then is small, and falls as
1/N."""

TEXT: Final = (
    "Too few videos to take the bias of a Fréchet distance off: with infinitely many it lies "
    "between the distance of blocks of {block} features seen apart and the score itself, both "
    "widened by their errors. Compare the score only with scores of as many videos; kvd has an "
    "unbiased value and an interval at any number."
)


def bounds_interval(
    ours: DividedRows,
    theirs: DividedRows | Exact,
    level: float,
    num_resamples: int,
    seed: int,
    ddof: int,
) -> Interval:
    """Interval of target `bounds`.

    Args:
        ours, theirs: the sides.
        level, num_resamples, seed, ddof: as in `frechet_interval.frechet_interval`.

    Raises:
        SmallSampleError: fewer than eight groups on a side.
    """
    sides = [side for side in (ours, theirs) if isinstance(side, DividedRows)]
    fewest = min(side.division.num_groups for side in sides)
    if fewest < FEWEST_GROUPS:
        raise SmallSampleError(
            f"{fewest} independent videos or groups are too few for an interval: {FEWEST_GROUPS} "
            "or more are needed on each side"
        )
    upper = _of_rows(ours, theirs, 1)
    errors = _errors_of_score(ours, theirs, num_resamples, ddof)
    deviation = root_mean_square(errors)
    effective = min(side.effective for side in sides)
    block = int(max(1, min(effective // _ROWS_PER_FEATURE, len(ours.whole.mean))))
    lower, error_of_lower = _lower(ours, theirs, block, num_resamples)
    reach = student_quantile(level, len(errors))
    return Interval(
        low=max(min(lower - reach * error_of_lower, upper), 0.0),
        high=upper + reach * deviation,
        centre=None,
        deviation=deviation,
        level=level,
        num_resamples=num_resamples,
        seed=seed,
        target="bounds",
        errors=tuple(errors.tolist()),
        names=(ours.names, theirs.names),
        warnings=(TEXT.format(block=block),),
    )


def _errors_of_score(
    ours: DividedRows, theirs: DividedRows | Exact, num_resamples: int, ddof: int
) -> np.ndarray:
    """(num_resamples / 2,) deviations from leaving out a quarter of the rows of both sides."""
    found: list[float] = []
    draw = 0
    while len(found) < num_resamples // 2:
        scores = np.array([_without(ours, theirs, left, draw, ddof) for left in range(4)])
        found += (np.sqrt(3) * (scores - scores.mean())).tolist()
        draw += 1
    return np.array(found[: num_resamples // 2])


def _without(
    ours: DividedRows, theirs: DividedRows | Exact, left: int, draw: int, ddof: int
) -> float:
    kept = [
        side.whole if isinstance(side, Exact) else side.rows[side.labels(4, draw) != left]
        for side in (ours, theirs)
    ]
    return frechet_distance(kept[0], kept[1], ddof=ddof).distance


def _of_rows(ours: DividedRows, theirs: DividedRows | Exact, ddof: int) -> float:
    other = theirs.whole if isinstance(theirs, Exact) else theirs.rows
    return frechet_distance(ours.rows, other, ddof=ddof).distance


def _lower(
    ours: DividedRows, theirs: DividedRows | Exact, block: int, num_resamples: int
) -> tuple[float, float]:
    """The distance of blocks less its bias of finite samples, and its standard error."""
    whole = _distance_of_blocks(ours.whole, theirs.whole, block)
    pairs = np.empty((num_resamples // 2, 2))
    for draw, pair in enumerate(pairs):
        halves = ours.parts(2, draw), theirs.parts(2, draw)
        for place in (0, 1):
            first, second = (
                joined(side, parts, [place])
                for side, parts in zip((ours, theirs), halves, strict=True)
            )
            pair[place] = _distance_of_blocks(first, second, block)
    centre = whole - float(pairs.mean() - whole)
    return centre, root_mean_square((pairs[:, 0] - pairs[:, 1]) / 2)


def _distance_of_blocks(a: Moments, b: Moments, block: int) -> float:
    """|m1 - m2|² and the covariance terms of consecutive blocks of features."""
    first, second = a.cov(), b.cov()
    difference = a.mean - b.mean
    total = float(difference @ difference)
    for start in range(0, len(first), block):
        part = slice(start, start + block)
        values, vectors = np.linalg.eigh(first[part, part])
        root = vectors * np.sqrt(values.clip(min=0))
        between = np.linalg.eigvalsh(root.T @ second[part, part] @ root)
        traces = np.trace(first[part, part]) + np.trace(second[part, part])
        total += float(traces - 2 * np.sqrt(between.clip(min=0)).sum())
    return total
