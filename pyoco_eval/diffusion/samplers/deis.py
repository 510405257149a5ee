"""DEIS on EDM's noise levels, with and without added noise.

Axes: B batch, T frames, C channels, H, W.

With sigma as time the ODE has no linear term, and tAB-DEIS of order r is an Adams-Bashforth method
of uneven steps: the slope (x - D(x; sigma)) / sigma is extrapolated by the polynomial of degree r
through its last r + 1 values, and the polynomial is integrated exactly over the step. Order 0 is
DDIM. The first steps have fewer values and use the order they can. Slopes are only ever taken at
positive levels, so that the step to 0 is a step like any other.

Stochastic DEIS adds EDM's noise before each step. The older slopes then belong to other noise, and
the steps are longer than the levels are apart, so that a polynomial of high degree multiplies what
was added. Slopes at levels that the added noise has overtaken are forgotten, and the degree is
lowered until the absolute weights sum to no more than 3 times the step. Even so the noise limits
convergence to order 1: where much is added, EDM's own sampler on Heun's steps is more accurate.

References:
    Zhang and Chen, Fast Sampling of Diffusion Models with Exponential Integrator (2023), §3.3.
    Karras et al., Elucidating the Design Space (2022), Algorithm 2 (churn).
    Ge et al., Preserve Your Own Correlation (2023), §3: "DEIS and its stochastic variant".
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import torch

from pyoco_eval.diffusion.denoiser import Conditioning, Denoiser
from pyoco_eval.diffusion.samplers.state import (
    OnStep,
    churn,
    churned_level,
    denoise,
    first_state,
    levels,
)
from pyoco_eval.priors import NoisePrior

_MAX_GAIN: Final = 3.0


@torch.no_grad()
def deis(
    denoiser: Denoiser,
    noise: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    cond: Conditioning | None = None,
    prior: NoisePrior | None = None,
    generators: Sequence[torch.Generator] | None = None,
    on_step: OnStep | None = None,
    order: int = 3,
    S_churn: float = 0,
    S_min: float = 0,
    S_max: float = math.inf,
    S_noise: float = 1,
) -> torch.Tensor:
    """Videos float64 (B, T, C, H, W); convergence of order + 1, one evaluation a step.

    Args:
        noise, sigmas: as in `pyoco_eval.diffusion.samplers`.
        prior, generators: of the added noise; needed where S_churn > 0.
        order: degree of the polynomial through past slopes, 0 to 3 as in the paper of DEIS.
        S_churn, S_min, S_max, S_noise: as of `stochastic`; 0 churn adds no noise.

    Raises:
        UsageError: unusable sigmas or noise, or no prior and generators where they are needed.
    """
    grid = levels(sigmas)
    num_steps = len(grid) - 1
    falling = 1 if grid[0] > grid[1] else -1
    x = first_state(noise, grid[0])
    past: list[tuple[float, torch.Tensor]] = []
    for step, (sigma, sigma_next) in enumerate(pairwise(grid), start=1):
        sigma_hat = churned_level(sigma, num_steps, S_churn, S_min, S_max)
        x_hat = churn(x, sigma, sigma_hat, S_noise, prior, generators)
        denoised = denoise(denoiser, x_hat, sigma_hat, cond)
        d_cur = torch.sub(x_hat, denoised).div_(sigma_hat)
        past = [node for node in past if falling * (node[0] - sigma_hat) > 0]
        past = [*past, (sigma_hat, d_cur)][-order - 1 :]
        weights = adams_bashforth_weights([node[0] for node in past], sigma_hat, sigma_next)
        while S_churn and sum(map(abs, weights)) > _MAX_GAIN * abs(sigma_next - sigma_hat):
            past = past[1:]
            weights = adams_bashforth_weights([node[0] for node in past], sigma_hat, sigma_next)
        x = torch.add(x_hat, d_cur, alpha=weights[-1])
        for weight, (_, slope) in zip(weights[:-1], past[:-1], strict=True):
            x.add_(slope, alpha=weight)
        if on_step is not None:
            on_step(step, sigma_next, x, denoised)
    return x


def adams_bashforth_weights(nodes: Sequence[float], start: float, end: float) -> list[float]:
    """Integrals from `start` to `end` of the Lagrange polynomials through 1 to 4 distinct nodes.

    Two points of Gauss and Legendre integrate their degree, at most 3, without error.
    """
    centre, half = (start + end) / 2, (end - start) / 2
    points = centre - half / math.sqrt(3), centre + half / math.sqrt(3)
    return [
        half
        * sum(
            math.prod((p - other) / (node - other) for other in nodes if other != node)
            for p in points
        )
        for node in nodes
    ]
