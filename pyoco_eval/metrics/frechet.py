"""The Fréchet distance between Gaussians, in float64 and without a matrix square root.

For N(m1, S1) and N(m2, S2):

    d² = |m1 - m2|² + tr S1 + tr S2 - 2 tr (S1^½ S2 S1^½)^½          (Dowson and Landau, 1982)

With a factor S1 = A Aᵀ the last trace is the sum of the roots of the eigenvalues of Aᵀ S2 A: one
Cholesky factorisation and one symmetric eigenvalue problem, of the smaller of D and the rank. Where
rounding could be seen in the result, the singular values of A2ᵀ A1 serve instead; and where the two
Gaussians nearly agree, min over orthogonal Q of |A1 - A2 Q|²_F, which never subtracts large
numbers. So nearly equal covariances keep their digits and nothing can be negative or complex.

`scipy.linalg.sqrtm` is avoided: some releases return wrong values, and its arguments changed.
"""

from dataclasses import dataclass

import numpy as np

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.metrics.gaussian_factors import FromMoments, FromRows
from pyoco_eval.statistics.moments import Moments

_EPSILON = float(np.finfo(np.float64).eps)

_CANCELLATION = 1e-3
"""Below this share of the traces, the covariance part takes the form that cannot cancel."""

_TOLERANCE = 1e-9
"""Estimated error, as a share of the result, up to which eigenvalues stand for singular values."""

_LUCK = 10
"""How many times smaller than it is an error may look by chance."""


@dataclass(frozen=True)
class FrechetTerms:
    """The two non-negative parts of the squared distance."""

    mean: float
    covariance: float

    @property
    def distance(self) -> float:
        """What is reported as FVD or FID: the squared Fréchet distance."""
        return self.mean + self.covariance


def frechet_distance(
    a: Moments | np.ndarray, b: Moments | np.ndarray, *, ddof: int = 1
) -> FrechetTerms:
    """Distance of the Gaussians with these moments, or fitted to these rows.

    Where one side has no more than D rows, and they are given, no (D, D) matrix is formed for it:
    the cost is that of its number of rows.

    Args:
        a, b: moments, or (N, D) feature rows, in any mix; N >= 2 may be smaller than D.
        ddof: 1 divides covariances by N - 1 (TF-GAN, np.cov), 0 by N.

    Raises:
        PyocoEvalError: different D, fewer than two rows, NaN or infinity.
    """
    sides = (a, b)
    for rows in sides:
        if isinstance(rows, np.ndarray) and rows.ndim != 2:
            raise PyocoEvalError(f"features {rows.shape} must be (N, D)")
    dims = [x.shape[1] if isinstance(x, np.ndarray) else len(x.mean) for x in sides]
    if dims[0] != dims[1]:
        raise PyocoEvalError(f"features of {dims[0]} and {dims[1]} dimensions have no distance")
    counts = [len(x) if isinstance(x, np.ndarray) else x.count for x in sides]
    if min(counts) < 2:
        raise PyocoEvalError(
            f"{min(counts)} feature row has no covariance; a Fréchet distance needs two"
        )
    few = min(counts) <= dims[0]
    first, second = (_fitted(side, ddof, few) for side in sides)
    difference = first.mean - second.mean
    return FrechetTerms(float(difference @ difference), _covariance_term(first, second))


def _fitted(side: Moments | np.ndarray, ddof: int, few: bool) -> FromMoments | FromRows:
    """Rows stay rows if either side has few: the product with few columns is then cheap."""
    if isinstance(side, Moments):
        return FromMoments(side, ddof)
    if not np.isfinite(side).all():
        raise PyocoEvalError(f"features {side.shape} hold NaN or infinity")
    if few:
        return FromRows(side, ddof)
    return FromMoments(Moments.of(side), ddof)


def _covariance_term(first: FromMoments | FromRows, second: FromMoments | FromRows) -> float:
    """tr S1 + tr S2 - 2 tr (S1^½ S2 S1^½)^½, never negative."""
    if first.rank > second.rank:
        first, second = second, first
    total = first.trace + second.trace
    direct, error = _from_eigenvalues(first, second, total)
    if error > _TOLERANCE * direct and direct + error > _CANCELLATION * total:
        product = second.factor().T @ first.factor()
        direct = total - 2 * float(np.linalg.svd(product, compute_uv=False).sum())
    if direct > _CANCELLATION * total or total == 0:
        return direct
    return _procrustes(first.factor(), second.factor())


def _from_eigenvalues(
    first: FromMoments | FromRows, second: FromMoments | FromRows, total: float
) -> tuple[float, float]:
    """The covariance term by the eigenvalues of A1ᵀ S2 A1, and an estimate of its error.

    Every eigenvalue has an error of about the rounding of the largest, which taking the root
    divides by the root: together the rounding times √Σ 1/λ, if errors are independent. Spectra of
    features decay, and Cholesky's factor sorts the matrix so that small eigenvalues are found far
    better than that. Whether they were can be seen: the product of all eigenvalues is known from
    the diagonals of both factors; chance cancellation there is allowed for.

    In 12,000 pairs of samples of 16 to 400 features with decaying, clustered and badly scaled
    spectra, what was accepted differed from the sum of singular values by 8e-10 of the distance at
    most.
    """
    eigenvalues = second.eigenvalues_between(first.factor(), triangular=first.triangular)
    if not len(eigenvalues) or eigenvalues[0] <= 0:
        return 0.0, float("inf")
    direct = total - 2 * float(np.sqrt(eigenvalues).sum())
    spread = float(np.sqrt((1 / eigenvalues).sum()))
    error = _EPSILON * first.norm * second.norm * spread
    if error > _TOLERANCE * direct > 0:
        determinants = first.log_determinant(), second.log_determinant()
        if determinants[0] is not None and determinants[1] is not None:
            found = float(np.log(eigenvalues).sum())
            missed = abs(found - determinants[0] - determinants[1])
            # Error of one logarithm is that of the eigenvalue over the eigenvalue.
            one = missed / float(np.sqrt((1 / eigenvalues**2).sum()))
            error = min(error, max(_LUCK * one * spread, _EPSILON * total))
    return direct, error


def _procrustes(a: np.ndarray, b: np.ndarray) -> float:
    """min over orthogonal Q of |a - b Q|²_F, for (D, r1) and (D, r2) padded to equal width."""
    width = max(a.shape[1], b.shape[1])
    a, b = (np.pad(m, ((0, 0), (0, width - m.shape[1]))) for m in (a, b))
    u, _, vt = np.linalg.svd(b.T @ a)
    residual = a - b @ (u @ vt)
    return float(np.sum(residual * residual))
