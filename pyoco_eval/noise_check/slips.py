"""Covariances over frames that well-known slips give: a family in alpha each.

With ρ² = α² / (1 + α²) and s² = 1 / (1 + α²), the paper's priors weigh the noise that frames share
with ρ and a frame's own with s. The slips of public code weigh otherwise:

    mixed        ε^i = a e + b e^i                  covariance a² + b² (i = j), a² (i ≠ j)
    progressive  ε^1 = e^1, ε^i = a ε^(i-1) + b e^i  v_1 = 1, v_i = a² v_(i-1) + b²,
                                                     covariance a^(j-i) v_i for j ≥ i

Axes: T frames.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

Weights = Callable[[float], tuple[float, float]]
"""From u = ρ² = α² / (1 + α²), 0 to 1, to the weights a and b."""


@dataclass(frozen=True)
class Slip:
    """A wrong way to weigh noise.

    Attributes:
        diagnosis: its slug.
        prior: `mixed` or `progressive`.
        weights: a and b.
        what: in words, after "as if".
    """

    diagnosis: str
    prior: str
    weights: Weights
    what: str

    def covariance(self, u: float, num_frames: int) -> np.ndarray:
        """float64 (T, T)."""
        return COVARIANCES[self.prior](*self.weights(u), num_frames)


def mixed(a: float, b: float, num_frames: int) -> np.ndarray:
    """float64 (T, T)."""
    return a * a + b * b * np.eye(num_frames)


def progressive(a: float, b: float, num_frames: int) -> np.ndarray:
    """float64 (T, T)."""
    variance = [1.0]
    for _ in range(num_frames - 1):
        variance.append(a * a * variance[-1] + b * b)
    index = np.arange(num_frames)
    lag = np.abs(index[:, None] - index[None])
    first = np.minimum(index[:, None], index[None])
    return np.asarray(np.array(variance)[first] * np.power(float(a), lag))


COVARIANCES: Final[Mapping[str, Callable[[float, float, int], np.ndarray]]] = {
    "mixed": mixed,
    "progressive": progressive,
}

_BOTH: Final = "the paper's variances were used as standard deviations, of shared and own noise"
_OWN: Final = "the variance of a frame's own noise was used as its standard deviation"
_SHARED: Final = "the variance of the shared noise was used as its standard deviation"

SLIPS: Final = (
    *(
        Slip("std-for-variance", prior, weights, what)
        for prior in COVARIANCES
        for weights, what in (
            ((lambda u: (u, 1 - u)), _BOTH),
            ((lambda u: (math.sqrt(u), 1 - u)), _OWN),
            ((lambda u: (u, math.sqrt(1 - u))), _SHARED),
        )
    ),
    Slip(
        "not-renormalised", "mixed", lambda u: (math.sqrt(u / max(1 - u, 1e-12)), 1.0),
        "shared noise was added to each frame's own and the sum not renormalised",
    ),
    Slip(
        "not-renormalised", "progressive", lambda u: (math.sqrt(u), 1.0),
        "noise was added to that of the frame before and the sum not renormalised",
    ),
)  # fmt: skip


def share_of(alpha: float) -> float:
    """u = α² / (1 + α²)."""
    return 1.0 if math.isinf(alpha) else alpha**2 / (1 + alpha**2)


def alpha_of(u: float) -> float:
    """α; infinite for u = 1."""
    if u >= 1 - 1e-9:
        return math.inf
    return math.sqrt(max(u, 0) / (1 - u))


def nearest_share(error: Callable[[float], float]) -> float:
    """The u in [0, 1] of least error, on ever finer grids."""
    low, high = 0.0, 1.0
    best = 0.0
    for _ in range(6):
        grid = np.linspace(low, high, 65)
        best = float(grid[int(np.argmin([error(float(u)) for u in grid]))])
        step = (high - low) / 64
        low, high = max(0.0, best - step), min(1.0, best + step)
    return best


def misread(prior: str, alpha: float) -> dict[str, float]:
    """What one mistakes for the correlation of frames: words -> the share u that it leads to.

    Args:
        prior: `mixed`, whose frames correlate by u, or `progressive`: neighbours by √u.
        alpha: what the model was trained with.
    """
    u = share_of(alpha)
    rho = math.sqrt(u)
    found = {
        "a correlation of frames was taken for alpha": share_of(u if prior == "mixed" else rho),
        "the weight of shared noise was taken for alpha": share_of(rho),
        "a squared weight was taken for alpha": share_of(u),
    }
    if alpha <= 1:
        found["alpha was taken for a correlation"] = alpha if prior == "mixed" else alpha**2
        found["alpha was taken for the weight of shared noise"] = alpha**2
    if prior == "progressive":
        found["a squared correlation was taken for the correlation"] = u**2
    return found
