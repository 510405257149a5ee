"""DDIM: Euler's method in sigma, with `eta` to replace a part of the noise at each step.

Axes: B batch, T frames, C channels, H, W.

From sigma to sigma', eta takes the state down to sigma_down and adds noise of sigma_up:

    sigma_up = eta sigma' sqrt(1 - sigma'² / sigma²),   sigma_down² = sigma'² - sigma_up²

which is DDIM's sigma_t(eta) after division by sqrt(alpha_cumprod); eta = 1 is ancestral sampling.

References:
    Song et al., Denoising Diffusion Implicit Models (2021), Eqs. 12, 13 and 16.
    Karras et al., Elucidating the Design Space (2022), Appendix C.2 (DDIM as Euler's method).
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch

from pyoco_eval.diffusion.denoiser import Conditioning, Denoiser
from pyoco_eval.diffusion.samplers.state import (
    OnStep,
    denoise,
    first_state,
    fresh_noise,
    levels,
)
from pyoco_eval.priors import NoisePrior


@torch.no_grad()
def ddim(
    denoiser: Denoiser,
    noise: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    cond: Conditioning | None = None,
    prior: NoisePrior | None = None,
    generators: Sequence[torch.Generator] | None = None,
    on_step: OnStep | None = None,
    eta: float = 0,
) -> torch.Tensor:
    """Videos float64 (B, T, C, H, W); of order 1, one evaluation a step.

    Args:
        noise, sigmas: as in `pyoco_eval.diffusion.samplers`.
        prior, generators: needed where eta > 0.
        eta: 0 (the ODE) to 1; only on falling grids.

    Raises:
        UsageError: unusable sigmas or noise, or no prior and generators where they are needed.
    """
    grid = levels(sigmas)
    x = first_state(noise, grid[0])
    for step, (sigma, sigma_next) in enumerate(pairwise(grid), start=1):
        denoised = denoise(denoiser, x, sigma, cond)
        sigma_up = eta * sigma_next * math.sqrt(1 - (sigma_next / sigma) ** 2) if eta else 0.0
        sigma_down = math.sqrt(sigma_next**2 - sigma_up**2)
        x = torch.lerp(denoised, x, sigma_down / sigma)
        if sigma_up:
            x.add_(fresh_noise(x, prior, generators), alpha=sigma_up)
        if on_step is not None:
            on_step(step, sigma_next, x, denoised)
    return x
