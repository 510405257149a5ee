"""The noise priors of the paper: independent, mixed and progressive.

Axes: T frames, C channels, H, W.

alpha is the ratio of the standard deviations of shared and own noise. With ρ = α / sqrt(1 + α²)
and s = 1 / sqrt(1 + α²), so that ρ² + s² = 1:

    mixed        ε^i = ρ e + s e^i            covariance ρ² off the diagonal
    progressive  ε^i = ρ ε^(i-1) + s e^i      covariance ρ^|i - j|

for independent standard normal e. α = 0 gives the noise of the independent prior bit for bit;
α = inf one noise map for all frames.

References:
    Ge et al., Preserve Your Own Correlation (2023), Eqs. 3 and 4.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.priors.base import NoisePrior, frame_lags


@dataclass(frozen=True)
class IndependentPrior(NoisePrior):
    """Every frame has noise of its own, as in an image model."""

    @property
    def spec(self) -> str:
        return "independent"

    def frame_covariance(self, num_frames: int) -> torch.Tensor:
        return (frame_lags(num_frames) == 0).double()

    def _fill(self, frames: torch.Tensor, generator: torch.Generator) -> None:
        for frame in frames:
            frame.normal_(generator=generator)


@dataclass(frozen=True)
class _AlphaPrior(NoisePrior):
    alpha: float

    def __post_init__(self) -> None:
        if not self.alpha >= 0:
            raise UsageError(f"alpha {self.alpha}: a noise prior takes 0 to inf")

    @property
    def _shared(self) -> float:
        """ρ, the standard deviation of what a frame shares."""
        return 1.0 if math.isinf(self.alpha) else self.alpha / math.hypot(1, self.alpha)

    @property
    def _own(self) -> float:
        """s, the standard deviation of what a frame has for itself."""
        return 1 / math.hypot(1, self.alpha)


@dataclass(frozen=True)
class MixedPrior(_AlphaPrior):
    """One noise map shared by all frames, plus one of each frame's own."""

    @property
    def spec(self) -> str:
        return f"mixed:alpha={repr(float(self.alpha)).removesuffix('.0')}"

    def frame_covariance(self, num_frames: int) -> torch.Tensor:
        covariance = torch.full((num_frames, num_frames), self._shared**2, dtype=torch.float64)
        return covariance.masked_fill(frame_lags(num_frames) == 0, 1)

    def _fill(self, frames: torch.Tensor, generator: torch.Generator) -> None:
        for frame in frames:
            _normal(frame, self._own, generator)
        frames += _normal(torch.empty_like(frames[0]), self._shared, generator)


@dataclass(frozen=True)
class ProgressivePrior(_AlphaPrior):
    """The noise of each frame perturbs the noise of the frame before."""

    @property
    def spec(self) -> str:
        return f"progressive:alpha={repr(float(self.alpha)).removesuffix('.0')}"

    def frame_covariance(self, num_frames: int) -> torch.Tensor:
        lags = frame_lags(num_frames)
        powers = self._shared ** torch.arange(num_frames, dtype=torch.float64)
        return powers[lags]

    def _fill(self, frames: torch.Tensor, generator: torch.Generator) -> None:
        frames[0].normal_(generator=generator)
        for previous, frame in pairwise(frames):
            _normal(frame, self._own, generator).add_(previous, alpha=self._shared)


def _normal(frame: torch.Tensor, std: float, generator: torch.Generator) -> torch.Tensor:
    """Fill `frame` in place; a part of no weight is not drawn."""
    return frame.normal_(0, std, generator=generator) if std else frame.zero_()
