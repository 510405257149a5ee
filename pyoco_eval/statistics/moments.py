"""Mean and covariance of a stream of features, the same to the last bit in any order of arrival.

Axes: k rows of one sample, N rows in all, D feature dimension.

Rows are grouped into fixed chunks by sample index. Each chunk's moments come from rows centred on
the chunk's own mean, and chunks are merged in index order, so neither the batch size nor the order
of arrival can change a digit.

References: Chan, Golub, LeVeque (1983), pairwise update of means and centred sums of squares.
"""

from dataclasses import dataclass

import numpy as np

from pyoco_eval.errors import PyocoEvalError

CHUNK_SIZE = 64

MOST_ROWS = 256
"""A sample with more rows is reduced to its moments at once, so that long videos cost no memory."""


@dataclass(frozen=True, eq=False)
class Moments:
    """First and second moments of N rows.

    Attributes:
        count: N.
        mean: (D,) float64.
        m2: (D, D) float64, sum of outer products of the centred rows.
    """

    count: int
    mean: np.ndarray
    m2: np.ndarray

    @classmethod
    def empty(cls, dim: int) -> "Moments":
        """Of no rows of D features."""
        return cls(0, np.zeros(dim), np.zeros((dim, dim)))

    @classmethod
    def of(cls, features: np.ndarray) -> "Moments":
        """Moments of (N, D) rows, N >= 0, computed in float64 about their mean."""
        rows = np.ascontiguousarray(features, dtype=np.float64)
        if not len(rows):
            return cls.empty(rows.shape[1])
        mean = rows.mean(axis=0)
        centred = rows - mean
        # A second centring takes away what rounding of the first mean left (two-pass mean).
        correction = centred.mean(axis=0)
        centred -= correction
        return cls(len(rows), mean + correction, centred.T @ centred)

    def merge(self, other: "Moments") -> "Moments":
        """Moments of the rows of both."""
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.count / count)
        between = np.outer(delta, delta) * (self.count * other.count / count)
        return Moments(count, mean, self.m2 + other.m2 + between)

    def cov(self, ddof: int = 1) -> np.ndarray:
        """(D, D) covariance; `ddof=1` divides by N - 1, `ddof=0` by N.

        Raises:
            PyocoEvalError: fewer rows than the divisor needs.
        """
        if self.count <= ddof:
            raise PyocoEvalError(
                f"a covariance of {self.count} feature rows is undefined; it needs {ddof + 1}"
            )
        return self.m2 / (self.count - ddof)


class MomentsAccumulator:
    """Collects samples in any order; holds raw rows only until their chunk can be merged."""

    def __init__(self, dim: int, chunk_size: int = CHUNK_SIZE) -> None:
        self._dim = dim
        self._chunk_size = chunk_size
        self._merged = Moments.empty(dim)
        self._next_chunk = 0
        self._waiting: dict[int, dict[int, np.ndarray | Moments]] = {}

    def add(self, index: int, rows: np.ndarray) -> None:
        """Give the k >= 0 rows of sample `index`; k = 0 says that the sample was left out.

        Raises:
            PyocoEvalError: not (k, D), not finite, or the sample was given before.
        """
        if rows.ndim != 2 or rows.shape[1] != self._dim:
            raise PyocoEvalError(f"sample {index}: features {rows.shape} are not (k, {self._dim})")
        if not np.isfinite(rows).all():
            raise PyocoEvalError(f"sample {index}: its features hold NaN or infinity")
        if index < 0:
            raise PyocoEvalError(f"sample {index}: indices start at 0")
        chunk = index // self._chunk_size
        if chunk < self._next_chunk or index in self._waiting.get(chunk, ()):
            raise PyocoEvalError(f"sample {index} was given twice")
        # A copy: the caller's buffer may be a batch that is about to be overwritten.
        kept = Moments.of(rows) if len(rows) > MOST_ROWS else np.array(rows, order="C")
        self._waiting.setdefault(chunk, {})[index] = kept
        while len(self._waiting.get(self._next_chunk, ())) == self._chunk_size:
            self._merge_next()

    def finish(self, total: int) -> Moments:
        """Moments of samples 0..total-1.

        Raises:
            PyocoEvalError: one of them was never given, or there are more.
        """
        done = range(self._next_chunk * self._chunk_size)
        given = {index for samples in self._waiting.values() for index in samples} | set(done)
        expected = set(range(total))
        if given != expected:
            missing, extra = sorted(expected - given), sorted(given - expected)
            raise PyocoEvalError(
                f"of {total} samples, {missing[:5]} are missing and {extra[:5]} were not expected"
            )
        while self._waiting:
            self._merge_next()
        return self._merged

    def _merge_next(self) -> None:
        samples = self._waiting.pop(self._next_chunk)
        in_order = [samples[index] for index in sorted(samples)]
        if short := [kept for kept in in_order if isinstance(kept, np.ndarray)]:
            self._merged = self._merged.merge(Moments.of(np.concatenate(short)))
        for kept in in_order:
            if isinstance(kept, Moments):
                self._merged = self._merged.merge(kept)
        self._next_chunk += 1
