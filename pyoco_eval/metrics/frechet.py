"""The Fréchet distance between Gaussians, in float64 and without a matrix square root.

For N(m1, S1) and N(m2, S2):

    d² = |m1 - m2|² + tr S1 + tr S2 - 2 tr (S1^½ S2 S1^½)^½          (Dowson and Landau, 1982)

With factors S = A Aᵀ the last trace is the sum of singular values of A1ᵀ A2, and the covariance
part is min over orthogonal Q of |A1 - A2 Q|²_F. The second form never subtracts large numbers, so
nearly equal covariances keep their digits and nothing can be negative or complex.

`scipy.linalg.sqrtm` is avoided: some releases return wrong values, and its arguments changed.
"""

from dataclasses import dataclass

import numpy as np

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.statistics.moments import Moments

_CANCELLATION = 1e-3
"""Below this share of the traces, the covariance part is computed in the form that cannot cancel."""

_CHOLESKY_CONDITION = 1e-5
"""Smallest ratio of squared Cholesky pivots for which the fast path keeps ten digits."""


@dataclass(frozen=True)
class FrechetTerms:
    """The two non-negative parts of the squared distance."""

    mean: float
    covariance: float

    @property
    def distance(self) -> float:
        """What is reported as FVD or FID: the squared Fréchet distance."""
        return self.mean + self.covariance


def frechet_distance(a: Moments, b: Moments, *, ddof: int = 1) -> FrechetTerms:
    """Distance of the Gaussians with these moments.

    Args:
        a, b: moments of (N, D) features; N may be smaller than D.
        ddof: 1 divides covariances by N - 1 (TF-GAN, np.cov), 0 by N.

    Raises:
        PyocoEvalError: different D, fewer than two rows, NaN or infinity.
    """
    if a.mean.shape != b.mean.shape:
        raise PyocoEvalError(
            f"features of {len(a.mean)} and {len(b.mean)} dimensions have no distance"
        )
    covariances = []
    for moments in (a, b):
        if moments.count < 2:
            raise PyocoEvalError(
                f"{moments.count} feature row has no covariance; a Fréchet distance needs two or more"
            )
        covariance = moments.cov(ddof)
        if not (np.isfinite(covariance).all() and np.isfinite(moments.mean).all()):
            raise PyocoEvalError("feature statistics hold NaN or infinity")
        covariances.append(covariance)
    difference = a.mean - b.mean
    ranks = (a.count - 1, b.count - 1)
    return FrechetTerms(float(difference @ difference), _bures(*covariances, *ranks))


def frechet_distance_from_features(x: np.ndarray, y: np.ndarray, *, ddof: int = 1) -> FrechetTerms:
    """Distance of the Gaussians fitted to feature rows, without forming D x D matrices if N < D.

    Args:
        x, y: (N, D) and (M, D), N, M >= 2.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise PyocoEvalError(f"features {x.shape} and {y.shape} have no distance")
    if max(len(x), len(y)) > x.shape[1]:
        return frechet_distance(Moments.of(x), Moments.of(y), ddof=ddof)
    factors, means = [], []
    for rows in (x, y):
        if len(rows) < 2 or not np.isfinite(rows).all():
            raise PyocoEvalError("two or more feature rows without NaN or infinity are needed")
        rows = rows.astype(np.float64)
        means.append(rows.mean(axis=0))
        factors.append((rows - means[-1]).T / np.sqrt(len(rows) - ddof))
    difference = means[0] - means[1]
    return FrechetTerms(float(difference @ difference), _procrustes(*factors))


def _bures(first: np.ndarray, second: np.ndarray, first_rank: int, second_rank: int) -> float:
    """tr S1 + tr S2 - 2 tr (S1^½ S2 S1^½)^½ of covariances with at most these ranks."""
    total = float(np.trace(first) + np.trace(second))
    if total <= 0:
        return 0.0
    lower = _cholesky(first)
    upper = _cholesky(second) if lower is not None else None
    if lower is not None and upper is not None:
        eigenvalues = np.linalg.eigvalsh(lower.T @ second @ lower)
        fast = total - 2 * float(np.sqrt(eigenvalues.clip(min=0)).sum())
        if fast > _CANCELLATION * total:
            return fast
    return _procrustes(_factor(first, first_rank), _factor(second, second_rank))


def _cholesky(matrix: np.ndarray) -> np.ndarray | None:
    """The Cholesky factor, or None if the matrix is singular or too close to it."""
    try:
        factor = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return None
    pivots = np.diagonal(factor) ** 2
    return factor if pivots.min() > _CHOLESKY_CONDITION * pivots.max() else None


def _factor(covariance: np.ndarray, rank: int) -> np.ndarray:
    """(D, r) A with A Aᵀ = covariance, r = min(rank, D), from its leading eigenvectors.

    N rows give a rank of N - 1 at most; what `eigh` finds beyond it is rounding, and its square
    root would not be small.
    """
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    leading = slice(max(len(eigenvalues) - rank, 0), None)
    return eigenvectors[:, leading] * np.sqrt(eigenvalues[leading].clip(min=0))


def _procrustes(a: np.ndarray, b: np.ndarray) -> float:
    """min over orthogonal Q of |a - b Q|²_F, for (D, r1) and (D, r2) padded to equal width."""
    width = max(a.shape[1], b.shape[1])
    a, b = (np.pad(m, ((0, 0), (0, width - m.shape[1]))) for m in (a, b))
    product = b.T @ a
    total = float(np.sum(a * a) + np.sum(b * b))
    direct = total - 2 * float(np.linalg.svd(product, compute_uv=False).sum())
    if direct > _CANCELLATION * total:
        return direct
    u, _, vt = np.linalg.svd(product)
    residual = a - b @ (u @ vt)
    return float(np.sum(residual * residual))
