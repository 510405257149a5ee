"""An image model whose images are Gaussian, so that every noise map is known in closed form.

With pixels x ~ N(0, v) the ideal denoiser is D(x; sigma) = v x / (v + sigma²), and the ODE
dx/dsigma = (x - D) / sigma = sigma x / (v + sigma²) takes x at sigma_min to
x √((v + sigma_max²) / (v + sigma_min²)) at sigma_max.
"""

from dataclasses import dataclass, field

import numpy as np
import torch

from pyoco_eval.diffusion.denoiser import Conditioning
from pyoco_eval.probe.image_model import ImageModel, same

SIGMA_MIN, SIGMA_MAX = 0.002, 80.0


@dataclass
class IdealDenoiser:
    """Attributes: variance (c, h, w) of every pixel; calls, how many images it has seen."""

    variance: torch.Tensor
    calls: list[int] = field(default_factory=list)

    def __call__(
        self, x: torch.Tensor, sigma: torch.Tensor, cond: Conditioning | None = None
    ) -> torch.Tensor:
        self.calls.append(len(x))
        return x * self.variance / (self.variance + sigma.view(-1, 1, 1, 1, 1) ** 2)


def variances(size: int) -> torch.Tensor:
    """float64 (3, size, size) from 0.01 to 1, as coarse and fine detail differ in pictures."""
    return torch.logspace(-2, 0, 3 * size**2, dtype=torch.float64).view(3, size, size)


def gaussian_model(size: int = 8, variance: torch.Tensor | None = None) -> ImageModel:
    variance = variances(size) if variance is None else variance
    return ImageModel(
        name=f"gaussian-{size}px@{float(variance.mean()):.6f}",
        digest="0" * 64,
        denoiser=IdealDenoiser(variance),
        size=size,
        sigma_min=SIGMA_MIN,
        sigma_max=SIGMA_MAX,
        encode=same,
        decode=same,
        condition=lambda prompt, count: None,
        latent=False,
        device=torch.device("cpu"),
    )


def exact_noise(x: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
    """The noise map of images x (T, c, h, w)."""
    factor = ((variance + SIGMA_MAX**2) / (variance + SIGMA_MIN**2)).sqrt()
    return x.double() * factor / SIGMA_MAX


def gaussian_videos(
    count: int, frames: int, correlation: np.ndarray, size: int = 8, seed: int = 0
) -> torch.Tensor:
    """float64 (V, T, 3, size, size) whose frames correlate alike in every pixel."""
    generator = torch.Generator().manual_seed(seed)
    white = torch.randn(count, frames, 3, size, size, generator=generator, dtype=torch.float64)
    lower = torch.linalg.cholesky(torch.from_numpy(correlation))
    return torch.einsum("ts,vschw->vtchw", lower, white) * variances(size).sqrt()
