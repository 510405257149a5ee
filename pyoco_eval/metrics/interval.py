"""An interval of a score, and what it takes to compare two."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from pyoco_eval.errors import UsageError

Target = Literal["limit", "bounds", "rows"]


@dataclass(frozen=True)
class Interval:
    """Where the score of the populations lies.

    Attributes:
        low, high: bounds, within the score's range.
        centre: the score less its estimated bias; may lie outside its range, such as a Fréchet
            distance below 0 when the populations agree. None of `bounds`, which have none.
        deviation: standard error of the centre; of `bounds`, of the score itself.
        level: nominal confidence.
        num_resamples: half-samples or bootstrap samples drawn.
        seed: of the draws.
        target: `limit`, the score of infinitely many videos; `bounds`, that score again, but known
            only to lie between two others; `rows`, a score without bias.
        limits: the score of infinitely many videos if its bias falls as 1/N, and if it falls as the
            power of N that was measured; equal where only the first is known.
        halves: scores of complementary halves, pair by pair; empty of `bounds`. Those of two scores
            divided alike can be subtracted, and `deviation_of_difference` is then their error.
        errors: of `bounds`: deviations from leaving out parts, likewise; their mean square is that
            of `deviation`.
        names: hash of the names of the groups of the generated side and of the reference's.
        warnings: sentences a reader of this interval must know.
    """

    low: float
    high: float
    centre: float | None
    deviation: float
    level: float
    num_resamples: int
    seed: int
    target: Target = "limit"
    limits: tuple[float, float] | None = None
    halves: tuple[float, ...] = ()
    errors: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def check_resampling(level: float, num_resamples: int) -> None:
    """Raises UsageError if an argument is out of range."""
    if not 0 < level < 1:
        raise UsageError(f"level {level} must lie between 0 and 1")
    if num_resamples < 20 or num_resamples % 2:
        raise UsageError(f"num_resamples {num_resamples} must be an even number of at least 20")


def student_quantile(level: float, freedom: int) -> float:
    """How many standard errors an interval reaches, the error being known from `freedom` squares.

    Source: expansion of Student's t about the normal law, Abramowitz and Stegun 26.7.5.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2


def root_mean_square(errors: np.ndarray) -> float:
    """Of errors of any shape."""
    return float(np.sqrt(np.mean(np.square(errors))))


def deviation_of_halves(halves: np.ndarray) -> float:
    """Standard error of the score of all rows, from (R, 2) scores of complementary halves.

    Half the difference of two halves varies by what is linear in the rows, as the whole does, and
    by twice what is quadratic: where the populations agree it is up to √2 too large. In intervals
    of one score that is left so, for it makes up for their skewness.
    """
    return root_mean_square((halves[:, 0] - halves[:, 1]) / 2)


def deviation_of_difference(halves: np.ndarray) -> float:
    """Standard error of the difference of two scores, from (R, 2) such of complementary halves.

    How the mean of two halves varies from one division to the next is the quadratic part alone,
    once, for the linear one cancels: it is taken off. Differences are not skewed.
    """
    differing = float(np.mean(np.square((halves[:, 0] - halves[:, 1]) / 2)))
    quadratic = float(halves.mean(axis=1).var(ddof=1))
    return float(np.sqrt(max(differing - quadratic, differing / 2)))


def interval_of_halves(
    whole: float,
    halves: np.ndarray,
    *,
    lowest: float,
    level: float,
    seed: int,
    names: tuple[str, ...],
    unbiased: bool = False,
) -> Interval:
    """The interval from the score of all rows and those (R, 2) of complementary halves."""
    centre = whole if unbiased else whole - float(halves.mean() - whole)
    deviation = deviation_of_halves(halves)
    margin = student_quantile(level, len(halves)) * deviation
    return Interval(
        low=max(centre - margin, lowest),
        high=max(centre + margin, lowest),
        centre=centre,
        deviation=deviation,
        level=level,
        num_resamples=halves.size,
        seed=seed,
        target="rows" if unbiased else "limit",
        limits=None if unbiased else (centre, centre),
        halves=tuple(halves.ravel().tolist()),
        names=names,
    )
