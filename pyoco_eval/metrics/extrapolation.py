"""A score at infinitely many samples, extrapolated along 1/N.

Axes: N generated rows, M reference rows, D feature dimension.

Fréchet distances and Inception Scores are biased by about a constant over the number of samples,
and that constant differs from model to model. Here the score is taken on random subsets of several
sizes, and a straight line in 1/N is read off at 0. The sizes and scores are the curve of the score
against the number of samples.

Chong and Forsyth vary the generated side alone, against a fixed reference of 50,000 images, so the
bias of the reference stays. Both sides shrink in the same proportion here wherever the reference
has rows, and the value is that of two infinite sets; against a reference without rows, which counts
as exact, it is theirs. They take subsets of 5,000 to 50,000 in 15 even steps, once each.

The bias of heavy-tailed features, and of few groups, falls more slowly than 1/N (see
`frechet_interval`): their limit is too large, and that of the power of N that fits best is too
small. Both are given.

Reference: Chong and Forsyth (2020), arXiv:1911.07023, Sec. 3; code of mchong6/FID_IS_infinity.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.sample_floor import SmallSampleError, frechet_floor
from pyoco_eval.statistics.moments import Moments

Score = Callable[[np.ndarray, np.ndarray | None], float]
"""A score of generated rows and of reference rows (None against a fixed reference)."""

_EXPONENTS: Final = np.linspace(0.3, 1.5, 121)

_SMALLEST_SHARE: Final = 1 / 4
"""The smallest subset is this share of the whole, or the floor where that is more: further down the
bias is less and less a straight line in 1/N."""


@dataclass(frozen=True)
class Extrapolation:
    """The score against the number of samples, and its limit.

    Attributes:
        sizes: generated rows of each size, ascending; the last is all of them.
        mean, std: of the score at each size, over the repeats (divisor: their number).
        slope: of the fitted line, score times rows.
        infinity: the line at 1/N = 0.
        power: exponent of the curve a + b N^-power that fits best; 1 is the line.
        infinity_of_power: that curve at infinitely many rows.
        standard_error: of `infinity`, from the scatter about the line. It does not hold the error
            that all subsets share because they come from the same rows: an interval does.
        repeats: subsets of each size.
        seed: of the draws.
        fixed_reference: whether the generated side alone was varied.
    """

    sizes: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    slope: float
    infinity: float
    power: float
    infinity_of_power: float
    standard_error: float
    repeats: int
    seed: int
    fixed_reference: bool

    def spec(self) -> str:
        """One token: `15x3-seed0`, with `-refexact` where the reference was fixed."""
        token = f"{len(self.sizes)}x{self.repeats}-seed{self.seed}"
        return token + ("-refexact" if self.fixed_reference else "")


def extrapolate_frechet(
    generated: np.ndarray,
    reference: np.ndarray | Moments,
    *,
    groups_generated: np.ndarray | None = None,
    groups_reference: np.ndarray | None = None,
    ddof: int = 1,
    num_sizes: int = 15,
    repeats: int = 3,
    seed: int = 0,
) -> Extrapolation:
    """FVD∞, FID∞ or CLIP-FID∞, by the features given.

    Args:
        generated: (N, D) rows, N > D + 1.
        reference: (M, D) rows, which shrink in proportion; or moments, which stay as they are.
        groups_generated, groups_reference: (N,), (M,) labels of rows that stay together, such as
            the frames of one video.
        ddof: as in `frechet_distance`.
        num_sizes, repeats, seed: as in `extrapolate`.

    Raises:
        SmallSampleError: no three sizes above D rows.
        UsageError: arguments out of range.
        PyocoEvalError: features of different D, or not finite.
    """
    if generated.ndim != 2:
        raise PyocoEvalError(f"features {generated.shape} must be (N, D)")

    def score(rows: np.ndarray, others: np.ndarray | None) -> float:
        against = reference if others is None else others
        return frechet_distance(rows, against, ddof=ddof).distance

    return extrapolate(
        score,
        generated,
        None if isinstance(reference, Moments) else reference,
        floor=frechet_floor(generated.shape[1]),
        groups_generated=groups_generated,
        groups_reference=groups_reference,
        num_sizes=num_sizes,
        repeats=repeats,
        seed=seed,
    )


def extrapolate(
    score: Score,
    generated: np.ndarray,
    reference: np.ndarray | None,
    *,
    floor: int,
    groups_generated: np.ndarray | None = None,
    groups_reference: np.ndarray | None = None,
    num_sizes: int = 15,
    repeats: int = 3,
    seed: int = 0,
) -> Extrapolation:
    """Score random subsets without replacement, and fit a line in 1/N.

    Args:
        score: of a subset of each side.
        generated: (N, ...) rows.
        reference: (M, ...) rows, shrinking in proportion; None leaves the reference to `score`.
        floor: fewest rows a subset of either side may have.
        groups_generated, groups_reference: labels of rows that stay together.
        num_sizes: at least 3.
        repeats: subsets of each size, at least 1.
        seed: of the draws; the same seed gives the same subsets.

    Raises:
        SmallSampleError: no three sizes at or above the floor.
        UsageError: arguments out of range.
    """
    if num_sizes < 3 or repeats < 1:
        raise UsageError(f"{num_sizes} sizes and {repeats} repeats: give 3 or more, and 1 or more")
    if reference is None and groups_reference is not None:
        raise UsageError("groups of a fixed reference have no rows to belong to")
    ours = _Rows(generated, groups_generated)
    theirs = None if reference is None else _Rows(reference, groups_reference)
    counts = [len(generated)] + ([] if reference is None else [len(reference)])
    smallest = max(floor / min(counts), _SMALLEST_SHARE)
    if min(counts) < floor + 2:
        raise SmallSampleError(
            f"{' and '.join(map(str, counts))} rows are too few to extrapolate: three subset sizes "
            f"of {floor} rows or more are needed on every side"
        )
    rng = np.random.default_rng(seed)
    sizes, means, deviations = [], [], []
    for share in np.linspace(smallest, 1, num_sizes):
        whole = share == 1  # every draw is the same
        scores, taken = [], []
        for _ in range(1 if whole else repeats):
            rows = ours.draw(share, floor, rng)
            others = None if theirs is None else theirs.draw(share, floor, rng)
            scores.append(score(rows, others))
            taken.append(len(rows))
        sizes.append(round(float(np.mean(taken))))
        means.append(float(np.mean(scores)))
        deviations.append(float(np.std(scores)))
    infinity, slope, error = _line(1 / np.array(sizes), np.array(means))
    power, of_power = _power_law(np.array(sizes, float), np.array(means))
    return Extrapolation(
        sizes=tuple(sizes),
        mean=tuple(means),
        std=tuple(deviations),
        slope=slope,
        infinity=infinity,
        power=power,
        infinity_of_power=of_power,
        standard_error=error,
        repeats=repeats,
        seed=seed,
        fixed_reference=reference is None,
    )


class _Rows:
    """Rows of which random subsets are drawn without dividing a group."""

    def __init__(self, rows: np.ndarray, groups: np.ndarray | None) -> None:
        labels = np.arange(len(rows)) if groups is None else np.asarray(groups)
        if labels.shape != (len(rows),):
            raise UsageError(
                f"groups {labels.shape} must name one group for each of {len(rows)} rows"
            )
        self._rows = rows
        _, first, numbers, counts = np.unique(
            labels, return_index=True, return_inverse=True, return_counts=True
        )
        # Numbered by first appearance, so that names say nothing about what is drawn.
        place = np.empty(len(first), np.intp)
        place[np.argsort(first)] = np.arange(len(first))
        self._group = place[numbers]
        self._sizes = counts[np.argsort(first)]

    def draw(self, share: float, floor: int, rng: np.random.Generator) -> np.ndarray:
        """Whole groups in random order until `share` of all rows, and the floor, are reached."""
        order = rng.permutation(len(self._sizes))
        wanted = max(round(share * len(self._rows)), floor)
        reached = np.searchsorted(np.cumsum(self._sizes[order]), wanted)
        chosen = np.zeros(len(order), bool)
        chosen[order[: reached + 1]] = True
        return np.asarray(self._rows[chosen[self._group]])


def _power_law(sizes: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Exponent p and limit a of the least squares y = a + b N^-p."""
    fits = []
    for power in _EXPONENTS:
        x = (sizes / sizes[-1]) ** -power
        intercept, slope, _ = _line(x, y)
        residual = y - intercept - slope * x
        fits.append((float(residual @ residual), float(power), intercept))
    _, power, intercept = min(fits)
    return power, intercept


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Least squares y = a + b x: a, b, and the standard error of a."""
    centred = x - x.mean()
    squares = float(centred @ centred)
    slope = float(centred @ y) / squares
    intercept = float(y.mean()) - slope * float(x.mean())
    residual = y - intercept - slope * x
    variance = float(residual @ residual) / (len(x) - 2)
    error = np.sqrt(variance * (1 / len(x) + float(x.mean()) ** 2 / squares))
    return intercept, slope, float(error)
