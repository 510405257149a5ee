"""EDM's stochastic sampler: noise is added before each of Heun's steps.

Axes: B batch, T frames, C channels, H, W.

References:
    Karras et al., Elucidating the Design Space (2022), Algorithm 2; Table 5 for its settings.
    Ge et al., Preserve Your Own Correlation (2023), §4: the added noise follows the prior too.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch

from pyoco_eval.diffusion.denoiser import Conditioning, Denoiser
from pyoco_eval.diffusion.samplers.heun import heun_step
from pyoco_eval.diffusion.samplers.state import (
    OnStep,
    churn,
    churned_level,
    first_state,
    levels,
)
from pyoco_eval.priors import NoisePrior


@torch.no_grad()
def stochastic(
    denoiser: Denoiser,
    noise: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    cond: Conditioning | None = None,
    prior: NoisePrior | None = None,
    generators: Sequence[torch.Generator] | None = None,
    on_step: OnStep | None = None,
    S_churn: float = 40,
    S_min: float = 0.05,
    S_max: float = 50,
    S_noise: float = 1.003,
) -> torch.Tensor:
    """Videos float64 (B, T, C, H, W); two evaluations a step and one in that to 0.

    Args:
        noise, sigmas: as in `pyoco_eval.diffusion.samplers`.
        prior, generators: of the added noise.
        S_churn: how much noise is added in all; 0 is `heun`.
        S_min, S_max: levels between which noise is added.
        S_noise: its standard deviation beyond what the levels say.
            The defaults are EDM's for ImageNet at 64 pixels.

    Raises:
        UsageError: unusable sigmas or noise, or no prior and generators where they are needed.
    """
    grid = levels(sigmas)
    num_steps = len(grid) - 1
    x = first_state(noise, grid[0])
    for step, (sigma, sigma_next) in enumerate(pairwise(grid), start=1):
        sigma_hat = churned_level(sigma, num_steps, S_churn, S_min, S_max)
        x_hat = churn(x, sigma, sigma_hat, S_noise, prior, generators)
        x, denoised = heun_step(denoiser, x_hat, sigma_hat, sigma_next, cond)
        if on_step is not None:
            on_step(step, sigma_next, x, denoised)
    return x
