"""Which noise prior has the measured correlation: the best alpha of each, and a third that is it.

Axes: T frames, R resamples, G grid of parameters.

Frames d apart have the correlation alpha²/(1 + alpha²) under the mixed prior (Eq. 3 of the paper),
whatever d, and rho^d with rho = alpha/√(1 + alpha²) under the progressive one (Eq. 4). Each alpha
minimises the squared error over all pairs of frames, of which T - d lie d apart.

References: Ge et al., Preserve Your Own Correlation (2023), §4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pyoco_eval.priors import EmpiricalPrior
from pyoco_eval.probe.correlation import Similarity

PRIOR_NAME = "noise-prior"
"""Stem of the file that holds the measured prior."""

_GRID = 1001
_REFINEMENTS = 3


@dataclass(frozen=True)
class Fit:
    """One prior fitted to similarity against frame distance.

    Attributes:
        prior: `mixed` or `progressive`.
        alpha: best value; 0 for independent noise, infinity for the same noise in every frame.
        interval: (low, high) of alpha, from the same bootstrap samples as the similarities.
        rmse: root of the mean squared error over all pairs of frames.
        share_best: share of bootstrap samples in which this prior fits better than the other.
    """

    prior: str
    alpha: float
    interval: tuple[float, float]
    rmse: float
    share_best: float

    def spec(self) -> str:
        """`progressive:alpha=1.5`, as `train` and `sample` take it."""
        return f"{self.prior}:alpha={self.alpha:.4g}"


def correlation_curve(prior: str, alpha: float, num_frames: int) -> np.ndarray:
    """(T-1,) correlation of frames 1, 2, … apart under a prior of the paper."""
    squared = _share(alpha)
    distances = np.arange(1, num_frames)
    return np.full(num_frames - 1, squared) if prior == "mixed" else squared ** (distances / 2)


def fit_priors(similarity: Similarity) -> tuple[Fit, Fit]:
    """The mixed and the progressive prior that come closest to what was measured."""
    frames = similarity.num_frames
    pairs = np.arange(frames - 1, 0, -1, dtype=np.float64)
    measured = np.vstack([similarity.by_distance, similarity.by_distance_resampled])
    mixed = (measured @ pairs / pairs.sum()).clip(0, 1)
    rho = _best_rho(measured, pairs)
    distances = np.arange(1, frames)
    errors = [
        np.sqrt((measured - curve) ** 2 @ pairs / pairs.sum())
        for curve in (mixed[:, None], rho[:, None] ** distances)
    ]
    better = errors[0][1:] < errors[1][1:]
    return (
        _fit("mixed", _alpha(mixed), errors[0][0], float(better.mean()), similarity.level),
        _fit("progressive", _alpha(rho**2), errors[1][0], float((~better).mean()),
             similarity.level),
    )  # fmt: skip


def better_fit(fits: tuple[Fit, Fit]) -> Fit:
    """The one of smaller error."""
    return min(fits, key=lambda fit: fit.rmse)


def measured_prior(frame_correlation: np.ndarray, header: Mapping[str, Any]) -> EmpiricalPrior:
    """The measured T x T correlation as a noise prior.

    Its `save(folder)` writes `noise-prior.npz`, which the spec `empirical:FILE` reads: to train,
    to sample, and in protocols.

    Args:
        frame_correlation: float64 (T, T).
        header: where it comes from; plain JSON.
    """
    return EmpiricalPrior(PRIOR_NAME, torch.from_numpy(frame_correlation.copy()), dict(header))


def _best_rho(measured: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(R,) the rho in [0, 1] of least squared error for every row (R, T-1), on ever finer grids."""
    distances = np.arange(1, measured.shape[1] + 1)
    grid = np.linspace(0, 1, _GRID)
    powers = grid[:, None] ** distances  # (G, T-1)
    error = (powers**2 @ pairs)[None] - 2 * (measured * pairs) @ powers.T  # (R, G)
    best = grid[error.argmin(1)]
    step = grid[1]
    for _ in range(_REFINEMENTS):
        low, high = (best - step).clip(0), (best + step).clip(max=1)
        fine = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 21)  # (R, 21)
        errors = ((fine[..., None] ** distances - measured[:, None]) ** 2) @ pairs
        best = np.take_along_axis(fine, errors.argmin(1)[:, None], 1)[:, 0]
        step /= 10
    return np.asarray(best)


def _alpha(shared: np.ndarray) -> np.ndarray:
    """alpha of alpha²/(1 + alpha²) = shared."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.sqrt(shared / (1 - shared)))


def _share(alpha: float) -> float:
    """alpha²/(1 + alpha²), also at infinity."""
    return 1.0 if np.isinf(alpha) else alpha**2 / (1 + alpha**2)


def _fit(prior: str, alpha: np.ndarray, rmse: float, share: float, level: float) -> Fit:
    low, high = np.quantile(alpha[1:], [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return Fit(prior, float(alpha[0]), (float(low), float(high)), float(rmse), share)
