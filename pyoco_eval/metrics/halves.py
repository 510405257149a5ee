"""Random complementary halves of samples, which keep the frames of a video together.

References: Shao and Wu (1989), delete-d jackknife; McCarthy (1969), balanced half-samples.
"""

from dataclasses import dataclass

import numpy as np

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.metrics.sample_floor import SmallSampleError, frechet_floor
from pyoco_eval.statistics.moments import Moments


class Halver:
    """Cuts N rows into random halves without dividing a group.

    Args:
        num_rows: N.
        groups: (N,) labels of rows that belong together; None for independent rows.
        floor: rows that each half needs.
        needs: what the floor is, for the message, such as "400 features".
    """

    def __init__(
        self, num_rows: int, groups: np.ndarray | None, *, floor: int = 2, needs: str = ""
    ) -> None:
        labels = np.arange(num_rows) if groups is None else np.asarray(groups)
        if labels.shape != (num_rows,):
            raise UsageError(
                f"groups {labels.shape} must name one group for each of {num_rows} rows"
            )
        names, self._group = np.unique(labels, return_inverse=True)
        self._num_groups = len(names)
        self._floor = floor
        self._needs = needs

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """(N,) bool: which rows are in the first half.

        Raises:
            SmallSampleError: a half has too few rows.
        """
        chosen = np.zeros(self._num_groups, bool)
        chosen[rng.permutation(self._num_groups)[: self._num_groups // 2]] = True
        mask = chosen[self._group]
        taken = int(mask.sum())
        if min(taken, len(mask) - taken) < self._floor:
            raise SmallSampleError(
                f"{len(mask)} rows{self._needs} are too few for an interval: half of them must "
                f"still be {self._floor} or more"
            )
        return np.asarray(mask)


def check_rows(rows: np.ndarray) -> None:
    """Raises PyocoEvalError unless `rows` is (N, D) and finite."""
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise PyocoEvalError(f"features {rows.shape} must be (N, D) without NaN or infinity")


def complementary_members(
    halver: Halver, rng: np.random.Generator, num_resamples: int
) -> np.ndarray:
    """(N, num_resamples) zeros and ones: successive columns are each other's complement."""
    masks = [halver.draw(rng) for _ in range(num_resamples // 2)]
    return np.column_stack([half for mask in masks for half in (mask, ~mask)]).astype(np.float64)


class Sample:
    """Rows whose moments are wanted for random halves of them."""

    def __init__(self, rows: np.ndarray, groups: np.ndarray | None) -> None:
        check_rows(rows)
        self._rows = rows.astype(np.float64)
        floor = frechet_floor(rows.shape[1])
        needs = f" of {rows.shape[1]} features"
        self._halver = Halver(len(rows), groups, floor=floor, needs=needs)
        self.whole = Moments.of(self._rows)

    def halves(self, rng: np.random.Generator) -> tuple[Moments, Moments]:
        mask = self._halver.draw(rng)
        first = Moments.of(self._rows[mask])
        return first, _complement(self.whole, first)

    def tail_weight(self) -> float:
        """How much more the squared lengths of centred rows vary than those of a Gaussian.

        E |x|⁴ / ((tr S)² + 2 tr S²) - 1: 0 for a Gaussian of any covariance S, 2 for a multivariate
        t of 5 degrees of freedom, negative for a bounded law.
        """
        covariance = self.whole.cov(0)
        gaussian = np.trace(covariance) ** 2 + 2 * np.vdot(covariance, covariance)
        if gaussian == 0:
            return 0.0
        centred = self._rows - self.whole.mean
        squared = np.einsum("nd,nd->n", centred, centred)
        return float(np.mean(squared**2) / gaussian) - 1


@dataclass(frozen=True, eq=False)
class Exact:
    """Moments without sampling error: every half of them is the whole."""

    whole: Moments

    def halves(self, _rng: np.random.Generator) -> tuple[Moments, Moments]:
        return self.whole, self.whole

    def tail_weight(self) -> float:
        """Not known without rows; without sampling error it does not matter either."""
        return 0.0


def _complement(whole: Moments, part: Moments) -> Moments:
    """Moments of the rows of `whole` that are not in `part`.

    Half of a sum is subtracted from the whole of it: the error is that of the whole.
    """
    count = whole.count - part.count
    mean = whole.mean + (whole.mean - part.mean) * (part.count / count)
    delta = mean - part.mean
    between = np.outer(delta, delta) * (part.count * count / whole.count)
    return Moments(count, mean, whole.m2 - part.m2 - between)
