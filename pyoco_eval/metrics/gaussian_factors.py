"""Covariances as factors S = A Aᵀ, from moments or straight from a few rows.

Axes: N rows, D feature dimension, r rank.
"""

from functools import cached_property

import numpy as np

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.statistics.moments import Moments

_EPSILON = float(np.finfo(np.float64).eps)

_PIVOT_ROUNDING = 32 * _EPSILON
"""Cholesky pivots up to this share of their diagonal element are rounding: those of singular
matrices of 20 to 400 dimensions were measured at up to 3 epsilon."""

_RANK_GAP = 1e3
"""Eigenvalues at rounding level count as zero if the next one is this many times larger."""

_BLOCK = 192
"""Columns of a triangular factor multiplied at once; the zeros of whole blocks are left out."""


class FromMoments:
    """A Gaussian known by mean and scatter matrix.

    Raises:
        PyocoEvalError: NaN or infinity.
    """

    def __init__(self, moments: Moments, ddof: int) -> None:
        if not (np.isfinite(moments.m2).all() and np.isfinite(moments.mean).all()):
            raise PyocoEvalError("feature statistics hold NaN or infinity")
        self.mean = moments.mean
        self.rank = min(moments.count - 1, len(moments.mean))
        self._scatter = moments.m2
        self._scale = 1 / (moments.count - ddof)
        self.trace = self._scale * float(np.trace(moments.m2))

    @cached_property
    def norm(self) -> float:
        """Frobenius norm of the covariance, no less than its largest eigenvalue."""
        return self._scale * float(np.linalg.norm(self._scatter))

    @cached_property
    def _cholesky(self) -> np.ndarray | None:
        """Lower triangular A; None if the covariance is singular.

        It keeps the digits even of badly scaled features.
        """
        if self.rank < len(self._scatter):
            return None
        try:
            factor = np.linalg.cholesky(self._scatter)
        except np.linalg.LinAlgError:
            return None
        pivots = np.diagonal(factor) ** 2
        if (pivots <= _PIVOT_ROUNDING * np.diagonal(self._scatter)).any():
            return None
        factor *= np.sqrt(self._scale)
        return np.asarray(factor)

    @cached_property
    def _leading(self) -> np.ndarray:
        return _leading_factor(self._scatter * self._scale, self.rank)

    @property
    def triangular(self) -> bool:
        """Whether `factor` is lower triangular."""
        return self._cholesky is not None

    def factor(self) -> np.ndarray:
        """(D, r) A with A Aᵀ the covariance, r = min(N - 1, D) or fewer."""
        return self._leading if self._cholesky is None else self._cholesky

    def log_determinant(self) -> float | None:
        """Of the covariance; None if it is singular."""
        if self._cholesky is None:
            return None
        return 2 * float(np.log(np.diagonal(self._cholesky)).sum())

    def eigenvalues_between(self, factor: np.ndarray, *, triangular: bool) -> np.ndarray:
        """(r,) eigenvalues of Fᵀ S F, ascending, for (D, r) F, which may be lower triangular."""
        width = factor.shape[1]
        rows = factor.T
        product = np.empty(rows.shape)  # Fᵀ S
        between = np.zeros((width, width))  # its lower blocks, which `eigvalsh` reads
        for start in range(0, width, _BLOCK):
            block = slice(start, min(start + _BLOCK, width))
            first = start if triangular else 0
            np.matmul(rows[block, first:], self._scatter[first:], out=product[block])
        for start in range(0, width, _BLOCK):
            stop = min(start + _BLOCK, width)
            first = start if triangular else 0
            known = product[:stop, first:].T
            np.matmul(rows[start:stop, first:], known, out=between[start:stop, :stop])
        return np.asarray(np.linalg.eigvalsh(between) * self._scale)


class FromRows:
    """A Gaussian known by its rows, of which there are few.

    Centred rows x_i span one dimension less than they count. Reflecting the vector of ones onto
    the first axis (Householder) leaves N - 1 rows x_i + x_0 / (√N - 1) of the same scatter.
    """

    def __init__(self, rows: np.ndarray, ddof: int) -> None:
        rows = rows.astype(np.float64)
        count = len(rows)
        self.mean = rows.mean(axis=0)
        rows -= self.mean
        # A second centring takes away what rounding of the first mean left (two-pass mean).
        correction = rows.mean(axis=0)
        self.mean += correction
        rows -= correction
        rows *= 1 / np.sqrt(count - ddof)
        self._spanning = rows[1:]
        self._spanning += rows[0] / (np.sqrt(count) - 1)
        self.rank = min(self._spanning.shape)
        self.trace = float(np.vdot(self._spanning, self._spanning))

    @property
    def triangular(self) -> bool:
        """No: its factor is of rows."""
        return False

    @property
    def norm(self) -> float:
        """An upper bound of the covariance's largest eigenvalue."""
        return self.trace

    def factor(self) -> np.ndarray:
        """(D, N - 1) A with A Aᵀ the covariance."""
        return self._spanning.T

    def log_determinant(self) -> None:
        """Not known without the (D, D) covariance."""

    def eigenvalues_between(self, factor: np.ndarray, *, triangular: bool) -> np.ndarray:
        """(r,) eigenvalues of Fᵀ S F, ascending, for (D, r) F; its shape is of no use here."""
        del triangular
        product = self._spanning @ factor
        return np.asarray(np.linalg.eigvalsh(product.T @ product))


def _leading_factor(covariance: np.ndarray, rank: int) -> np.ndarray:
    """(D, r) A with A Aᵀ = covariance, r <= rank, from the leading eigenvectors.

    N rows give a rank of N - 1 at most; what `eigh` finds beyond it is rounding, and its square
    root would not be small.
    """
    dim = len(covariance)
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    floor = dim * _EPSILON * eigenvalues[-1]
    above = eigenvalues[eigenvalues > floor]
    if len(above) and above[0] > _RANK_GAP * floor:
        rank = min(rank, len(above))
    leading = slice(max(dim - rank, 0), None)
    return np.asarray(eigenvectors[:, leading] * np.sqrt(eigenvalues[leading].clip(min=0)))
