"""Mixed and progressive noise whose alpha is drawn anew for every video.

Axes: T frames.

ln alpha is uniform between two bounds. Given alpha, noise is that of the paper's prior; over many
videos frames covary by the mean of its covariance,

    mixed        E[u]          u = α² / (1 + α²), E[u] = [½ ln(1 + α²)] / [ln α] between the bounds
    progressive  E[u^(|i-j|/2)]

the second by Gauss-Legendre quadrature of 64 nodes, whose error is below 1e-12. The noise of all
frames together is a mixture of normal laws; that of one frame is normal, of variance 1.

A model trained so has seen noise of every alpha in between, and may be sampled with any of them.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.priors.base import NoisePrior, frame_lags
from pyoco_eval.priors.parametric import MixedPrior, ProgressivePrior

_NODES: Final = 64
KINDS: Final = {"mixed": MixedPrior, "progressive": ProgressivePrior}


@dataclass(frozen=True)
class RandomAlphaPrior(NoisePrior):
    """`mixed:alpha=0.5..4` or `progressive:alpha=0.5..4`.

    Attributes:
        kind: `mixed` or `progressive`.
        low, high: bounds of alpha.

    Raises:
        UsageError: bounds that are not positive, finite and rising.
    """

    kind: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high < math.inf:
            raise UsageError(
                f"noise prior {self.kind}:alpha={self.low:g}..{self.high:g}: bounds of a random "
                "alpha are positive, finite and rise, like 0.5..4"
            )

    @property
    def spec(self) -> str:
        return f"{self.kind}:alpha={_short(self.low)}..{_short(self.high)}"

    @property
    def told_by_frames(self) -> bool:
        return False

    def frame_covariance(self, num_frames: int) -> torch.Tensor:
        lags, span = frame_lags(num_frames), math.log(self.high / self.low)
        if self.kind == "mixed":
            mean = 0.5 * (math.log1p(self.high**2) - math.log1p(self.low**2)) / span
            return torch.full(lags.shape, mean, dtype=torch.float64).masked_fill(lags == 0, 1)
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        alpha = torch.from_numpy(self.low * np.exp(span * (nodes + 1) / 2))
        rho = alpha / torch.hypot(torch.ones_like(alpha), alpha)
        powers = rho[:, None] ** torch.arange(num_frames, dtype=torch.float64)
        mean_power = torch.from_numpy(weights / 2) @ powers
        mean_power[0] = 1
        return mean_power[lags]

    def _fill(self, frames: torch.Tensor, generator: torch.Generator) -> None:
        draw = float(torch.rand((), generator=generator, dtype=torch.float64))
        alpha = self.low * (self.high / self.low) ** draw
        KINDS[self.kind](alpha)._fill(frames, generator)


def _short(number: float) -> str:
    return repr(float(number)).removesuffix(".0")
