"""The interval of a Fréchet distance, from quarters of the samples, halves and three quarters.

A Fréchet distance of two samples overestimates that of their populations. Both samples are divided
at random into quarters, many times over. Two quarters are a half, the others its complement: half
the difference of the two varies as the whole does from sample to sample. What halves and three
quarters exceed the whole by says how the bias falls with N. Of Gaussian features it falls as 1/N;
of heavy-tailed ones, or of few groups, more slowly at first: as N^-a with an exponent `a` that
grows towards 1. So the limit for 1/N is too large, that for the exponent measured is too small, and
the truth lies between them. The centre is their middle, and the interval reaches beyond both.

Half-samples repeat no row, so covariances stay regular where a bootstrap's would not.

References: Shao and Wu (1989), delete-d jackknife; McCarthy (1969), balanced half-samples; Chong
and Forsyth (2020), the 1/N bias of FID. The bracket of two exponents is ours; docs/intervals.md has
its measured coverage.
"""

from typing import Final

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.frechet_bounds import bounds_interval
from pyoco_eval.metrics.interval import (
    Interval,
    check_resampling,
    deviation_of_halves,
    student_quantile,
)
from pyoco_eval.metrics.parts import DividedRows, Exact, joined
from pyoco_eval.metrics.sample_floor import frechet_floor
from pyoco_eval.statistics.moments import Moments

_PAIRS: Final = (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2)))
"""The three ways of making two halves of four quarters. Their differences are uncorrelated."""

_THREE_QUARTERS: Final = ((1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2))

_MOST_FOR_EXPONENT: Final = 8
"""Divisions whose three quarters are scored: 32 scores settle the exponent to 0.01 or so."""

_EXPONENTS: Final = np.linspace(0.2, 1.6, 1401)
_SLOWLY: Final = (
    "The bias of this distance falls as N^-{exponent:.2f}, more slowly than 1/N (heavy tails, or "
    "few independent groups): the interval spans the limits for both, and is wide for that."
)
_SLOW: Final = 0.95
"""Exponents below this are told: a multivariate t of 14 degrees of freedom has 0.95 to 0.96."""


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
    infinitely many videos would give. docs/intervals.md has a table of measured coverage.

    With fewer than 2 (D + 1) rows on a side, or rows so alike within groups that they are worth
    D + 1 or fewer, half of them would say nothing of the limit: then its `target` is `bounds`
    (`frechet_bounds.bounds_interval`).

    Args:
        generated: (N, D) features.
        reference: (M, D) features; or moments, which count as exact: the interval then covers the
            choice of generated videos alone.
        groups_generated, groups_reference: (N,), (M,) names of what belongs together, such as the
            video of every frame; without them rows count as independent, named by position.
        level: nominal confidence, in (0, 1).
        num_resamples: half-samples, an even number of at least 20.
        seed: of the draws; the same seed gives the same interval.
        ddof: of the covariances, as in `frechet_distance`.

    Raises:
        SmallSampleError: fewer than eight rows or groups on a side.
        UsageError: arguments out of range.
        PyocoEvalError: features of different D, or not finite.
    """
    check_resampling(level, num_resamples)
    ours = DividedRows(generated, groups_generated, seed)
    theirs: DividedRows | Exact
    if isinstance(reference, Moments):
        if groups_reference is not None:
            raise UsageError("groups of a reference given as moments have no rows to belong to")
        theirs = Exact(reference)
    else:
        theirs = DividedRows(reference, groups_reference, seed)
    if not _halves_suffice(ours) or not _halves_suffice(theirs):
        return bounds_interval(ours, theirs, level, num_resamples, seed, ddof)
    whole = _distance(ours.whole, theirs.whole, ddof)
    halves, three_quarters = _scores_of_parts(ours, theirs, num_resamples // 2, ddof)
    falling_as_1 = whole - float(halves.mean() - whole)
    exponent = _exponent(float(halves.mean()) - whole, float(np.mean(three_quarters)) - whole)
    falling_as_power = whole - float(halves.mean() - whole) / (2**exponent - 1)
    centre = (falling_as_1 + falling_as_power) / 2
    deviation = deviation_of_halves(halves)
    half = abs(falling_as_1 - falling_as_power) / 2
    margin = half + student_quantile(level, len(halves)) * deviation
    is_seen = half > deviation / 4 and whole - falling_as_1 > 4 * deviation
    slow = (_SLOWLY.format(exponent=exponent),) if exponent < _SLOW and is_seen else ()
    return Interval(
        low=max(centre - margin, 0.0),
        high=max(centre + margin, 0.0),
        centre=centre,
        deviation=deviation,
        level=level,
        num_resamples=num_resamples,
        seed=seed,
        limits=(falling_as_1, falling_as_power),
        halves=tuple(halves.ravel().tolist()),
        names=(ours.names, theirs.names),
        warnings=(*slow, *_cut(centre, margin)),
    )


def _halves_suffice(side: DividedRows | Exact) -> bool:
    """Whether half of the rows have a covariance of full rank, and all of them also in effect."""
    floor = frechet_floor(len(side.whole.mean))
    if isinstance(side, Exact):
        return True
    smallest_half = min(
        int(np.bincount(side.labels(2, draw), minlength=2).min()) for draw in range(3)
    )
    return smallest_half >= floor and side.effective >= floor


def _scores_of_parts(
    ours: DividedRows | Exact, theirs: DividedRows | Exact, num_pairs: int, ddof: int
) -> tuple[np.ndarray, list[float]]:
    """(num_pairs, 2) scores of complementary halves, and those of three quarters."""
    halves: list[list[float]] = []
    three_quarters: list[float] = []
    for draw in range(-(-num_pairs // len(_PAIRS))):
        quarters = ours.parts(4, draw), theirs.parts(4, draw)

        def score(chosen: tuple[int, ...], quarters: tuple[list[Moments], ...] = quarters) -> float:
            first, second = joined(ours, quarters[0], chosen), joined(theirs, quarters[1], chosen)
            return _distance(first, second, ddof)

        halves += [[score(half) for half in pair] for pair in _PAIRS[: num_pairs - len(halves)]]
        if draw < _MOST_FOR_EXPONENT:
            three_quarters += [score(chosen) for chosen in _THREE_QUARTERS]
    return np.array(halves), three_quarters


def _exponent(excess_of_halves: float, excess_of_three_quarters: float) -> float:
    """a of a bias b N^-a, from what parts of the rows exceed the whole by."""
    if not excess_of_halves > excess_of_three_quarters > 0:
        return 1.0
    ratios = (2**_EXPONENTS - (4 / 3) ** _EXPONENTS) / ((4 / 3) ** _EXPONENTS - 1)
    found = (excess_of_halves - excess_of_three_quarters) / excess_of_three_quarters
    return float(np.interp(found, ratios, _EXPONENTS))


def _distance(a: Moments, b: Moments, ddof: int) -> float:
    return frechet_distance(a, b, ddof=ddof).distance


def _cut(centre: float, margin: float) -> tuple[str, ...]:
    """What a reader must know of an interval that ends at 0."""
    if centre + margin <= 0:
        return (
            f"Less its bias the distance is {centre:.3g}, below any distance by more than the "
            f"error of {margin:.2g}, so the interval is cut off to [0, 0]: the two sides are more "
            "alike than samples of one population usually are.",
        )
    if centre <= 0:
        return (
            f"Less its bias the distance is {centre:.3g}, and distances end at 0: no difference "
            "between the populations is shown.",
        )
    return ()
