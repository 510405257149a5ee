"""The Fréchet distance between Gaussians, in float64 and without a matrix square root.

For N(m1, S1) and N(m2, S2):

    d² = |m1 - m2|² + tr S1 + tr S2 - 2 tr (S1^½ S2 S1^½)^½          (Dowson and Landau, 1982)

With factors S = A Aᵀ the last trace is the sum of singular values of A2ᵀ A1, and the covariance
part is min over orthogonal Q of |A1 - A2 Q|²_F. The second form never subtracts large numbers, so
nearly equal covariances keep their digits and nothing can be negative or complex.

`scipy.linalg.sqrtm` is avoided: some releases return wrong values, and its arguments changed.
"""

from dataclasses import dataclass

import numpy as np

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.statistics.moments import Moments

_EPSILON = float(np.finfo(np.float64).eps)

_CANCELLATION = 1e-3
"""Below this share of the traces, the covariance part takes the form that cannot cancel."""

_GRAM_TOLERANCE = 5e-10
"""Estimated error, as a share of the result, up to which the singular values may come from the
eigenvalues of a Gram matrix: up to four times faster than from the matrix itself."""

_PIVOT_ROUNDING = 32 * _EPSILON
"""Cholesky pivots up to this share of their diagonal element are rounding: those of singular
matrices of 20 to 400 dimensions were measured at up to 3 epsilon."""

_RANK_GAP = 1e3
"""Eigenvalues at rounding level count as zero if the next one is this many times larger."""


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
    factors = []
    for moments in (a, b):
        if moments.count < 2:
            raise PyocoEvalError(
                f"{moments.count} feature row has no covariance; a Fréchet distance needs two"
            )
        covariance = moments.cov(ddof)
        if not (np.isfinite(covariance).all() and np.isfinite(moments.mean).all()):
            raise PyocoEvalError("feature statistics hold NaN or infinity")
        factors.append(_factor(covariance, moments.count - 1))
    difference = a.mean - b.mean
    return FrechetTerms(float(difference @ difference), _procrustes(*factors))


def frechet_distance_from_features(x: np.ndarray, y: np.ndarray, *, ddof: int = 1) -> FrechetTerms:
    """Distance of the Gaussians fitted to feature rows, without forming D x D matrices if N < D.

    Args:
        x, y: (N, D) and (M, D), N, M >= 2.

    Raises:
        PyocoEvalError: different D, fewer than two rows, NaN or infinity.
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


def _factor(covariance: np.ndarray, rank: int) -> np.ndarray:
    """(D, r) A with A Aᵀ = covariance, r = min(rank, D) or fewer.

    Cholesky's factor keeps the digits even of badly scaled features. Where it fails, or a pivot is
    no more than rounding, the matrix is singular: the leading eigenvectors serve. N rows give a
    rank of N - 1 at most; what `eigh` finds beyond it is rounding, and its square root would not
    be small.
    """
    dim = len(covariance)
    if rank >= dim:
        try:
            factor = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            pass
        else:
            if (np.diagonal(factor) ** 2 > _PIVOT_ROUNDING * np.diagonal(covariance)).all():
                return factor
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    floor = dim * _EPSILON * eigenvalues[-1]
    above = eigenvalues[eigenvalues > floor]
    if len(above) and above[0] > _RANK_GAP * floor:
        rank = min(rank, len(above))
    leading = slice(max(dim - rank, 0), None)
    return np.asarray(eigenvectors[:, leading] * np.sqrt(eigenvalues[leading].clip(min=0)))


def _procrustes(a: np.ndarray, b: np.ndarray) -> float:
    """min over orthogonal Q of |a - b Q|²_F, for (D, r1) and (D, r2) padded to equal width."""
    total = float(np.sum(a * a) + np.sum(b * b))
    product = b.T @ a
    direct = _from_gram(product, total)
    if direct is None:
        direct = total - 2 * float(np.linalg.svd(product, compute_uv=False).sum())
    if direct > _CANCELLATION * total or total == 0:
        return direct
    width = max(a.shape[1], b.shape[1])
    a, b = (np.pad(m, ((0, 0), (0, width - m.shape[1]))) for m in (a, b))
    u, _, vt = np.linalg.svd(b.T @ a)
    residual = a - b @ (u @ vt)
    return float(np.sum(residual * residual))


def _from_gram(product: np.ndarray, total: float) -> float | None:
    """total - 2 sum of singular values by the eigenvalues of product productᵀ; None if inaccurate.

    Every eigenvalue has an independent error of about the rounding of the largest, which taking
    the square root divides by the singular value. On random matrices of 32 to 512 dimensions, with
    clustered and decaying spectra, the sum's error is at most 1.5 times this estimate wherever the
    estimate is what matters.
    """
    if product.shape[0] > product.shape[1]:
        product = product.T
    eigenvalues = np.linalg.eigvalsh(product @ product.T)
    if not len(eigenvalues) or eigenvalues[0] <= 0:
        return None
    singular_values = np.sqrt(eigenvalues)
    result = total - 2 * float(singular_values.sum())
    error = _EPSILON * eigenvalues[-1] * float(np.sqrt((1 / eigenvalues).sum()))
    return result if error < _GRAM_TOLERANCE * result else None
