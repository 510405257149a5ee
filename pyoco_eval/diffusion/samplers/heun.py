"""Heun's method: Euler's step, then again with the mean of the slopes at both ends.

Axes: B batch, T frames, C channels, H, W.

References:
    Karras et al., Elucidating the Design Space (2022), Algorithm 1 with sigma(t) = t, s(t) = 1.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch

from pyoco_eval.diffusion.denoiser import Conditioning, Denoiser
from pyoco_eval.diffusion.samplers.state import OnStep, denoise, first_state, levels
from pyoco_eval.priors import NoisePrior


@torch.no_grad()
def heun(
    denoiser: Denoiser,
    noise: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    cond: Conditioning | None = None,
    prior: NoisePrior | None = None,  # noqa: ARG001
    generators: Sequence[torch.Generator] | None = None,  # noqa: ARG001
    on_step: OnStep | None = None,
) -> torch.Tensor:
    """Videos float64 (B, T, C, H, W); of order 2, two evaluations a step and one in that to 0.

    Args:
        noise, sigmas: as in `pyoco_eval.diffusion.samplers`.
        prior, generators: not used; no noise is added.

    Raises:
        UsageError: unusable sigmas or noise.
    """
    grid = levels(sigmas)
    x = first_state(noise, grid[0])
    for step, (sigma, sigma_next) in enumerate(pairwise(grid), start=1):
        x, denoised = heun_step(denoiser, x, sigma, sigma_next, cond)
        if on_step is not None:
            on_step(step, sigma_next, x, denoised)
    return x


def heun_step(
    denoiser: Denoiser,
    x: torch.Tensor,
    sigma: float,
    sigma_next: float,
    cond: Conditioning | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The state at sigma_next, and the denoised estimate at sigma."""
    denoised = denoise(denoiser, x, sigma, cond)
    if not sigma_next:
        return denoised, denoised
    length = sigma_next - sigma
    d_cur = torch.sub(x, denoised).div_(sigma)
    x_next = torch.add(x, d_cur, alpha=length)
    d_prime = torch.sub(x_next, denoise(denoiser, x_next, sigma_next, cond)).div_(sigma_next)
    return torch.add(x, d_cur.add_(d_prime), alpha=length / 2), denoised
