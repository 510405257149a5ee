"""The nearest correlation matrix, and a factor of it that also serves singular ones.

Axes: T frames.

References:
    Higham, Computing the nearest correlation matrix - a problem from finance (2002), Algorithm 3.3:
    alternating projections onto the positive semidefinite matrices and onto those of unit
    diagonal, with Dykstra's correction, converge to the nearest one in the Frobenius norm.
"""

from typing import Final

import torch

_TOLERANCE: Final = 1e-12
_MAX_ROUNDS: Final = 10_000


def nearest_correlation(matrix: torch.Tensor) -> torch.Tensor:
    """The correlation matrix nearest to a symmetric float64 (T, T) in the Frobenius norm."""
    corrected = matrix.clone()
    correction = torch.zeros_like(matrix)
    for _ in range(_MAX_ROUNDS):
        values, vectors = torch.linalg.eigh(corrected - correction)
        semidefinite = (vectors * values.clamp(min=0)) @ vectors.T
        correction += semidefinite - corrected
        last, corrected = corrected, semidefinite.clone()
        corrected.fill_diagonal_(1)
        moved = torch.linalg.norm(corrected - semidefinite) + torch.linalg.norm(corrected - last)
        if moved <= _TOLERANCE * len(matrix):
            break
    return corrected


def triangular_factor(correlation: torch.Tensor) -> torch.Tensor:
    """Lower triangular float64 L with L Lᵀ = correlation and rows of exactly unit length.

    It is the Cholesky factor, by way of eigenvalues and a QR decomposition, which also takes
    singular matrices and lifts eigenvalues that rounding left below 0.
    """
    values, vectors = torch.linalg.eigh(correlation)
    root = (vectors * values.clamp(min=0).sqrt()).T
    lower: torch.Tensor = torch.linalg.qr(root).R.T.contiguous()
    lower *= torch.where(lower.diagonal() < 0, -1.0, 1.0)
    lengths: torch.Tensor = torch.linalg.norm(lower, dim=1, keepdim=True)
    return lower / lengths
