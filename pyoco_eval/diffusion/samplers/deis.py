"""DEIS on EDM's noise levels, with and without added noise.

Axes: B batch, T frames, C channels, H, W.

With sigma as time the ODE has no linear term, and tAB-DEIS of order r is an Adams-Bashforth method
of uneven steps: the slope (x - D(x; sigma)) / sigma is extrapolated by the polynomial of degree r
through its last r + 1 values, and the polynomial is integrated exactly over the step. The variable
of the polynomial is ln(sigma), a root of sigma, or sigma itself (`basis`). Order 0 is DDIM. The
first steps have fewer values and use the order they can; the step to 0 is Euler's.

Stochastic DEIS adds EDM's noise before each step. A slope holds the noise of its own state, so that
slopes from before and after noise was added differ by it, and their extrapolation multiplies it.
The denoised estimate D holds little of it. So while noise is added D is extrapolated instead, of
degree 1 at most; x itself is carried exactly by the linear part of the ODE. What D changed because
of the new noise is not a trend either: the extrapolated part is scaled by (sigma / sigma_hat)⁴,
the square of the share of the state's noise that the older estimate has seen. The power is
measured (docs/sampling.md). Estimates at levels that the added noise has overtaken are forgotten.

References:
    Zhang and Chen, Fast Sampling of Diffusion Models with Exponential Integrator (2023), §3.3.
    Karras et al., Elucidating the Design Space (2022), Algorithm 2 (churn).
    Ge et al., Preserve Your Own Correlation (2023), §3: "DEIS and its stochastic variant".
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch

from pyoco_eval.diffusion.denoiser import Conditioning, Denoiser
from pyoco_eval.diffusion.samplers.extrapolation import Basis, estimate_weights, slope_weights
from pyoco_eval.diffusion.samplers.state import (
    OnStep,
    churn,
    churned_level,
    denoise,
    first_state,
    levels,
)
from pyoco_eval.priors import NoisePrior


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
    order: int = 2,
    basis: Basis = "log",
    S_churn: float = 0,
    S_min: float = 0,
    S_max: float = math.inf,
    S_noise: float = 1,
) -> torch.Tensor:
    """Videos float64 (B, T, C, H, W); convergence of order + 1, one evaluation a step.

    Args:
        noise, sigmas: as in `pyoco_eval.diffusion.samplers`.
        prior, generators: of the added noise; needed where S_churn > 0.
        order: degree of the polynomial through past values, 0 to 3 as in the paper of DEIS; while
            noise is added, at most 1.
        basis: variable of the polynomial: `log`, `rho` (sigma^(1/7)) or `sigma`.
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
        if S_churn:
            past = [node for node in past if falling * (node[0] - sigma_hat) > 0]
            past = [*past, (sigma_hat, denoised)][-min(order, 1) - 1 :]
            x = _step_of_estimates(x_hat, sigma, sigma_hat, sigma_next, past, basis)
        else:
            d_cur = torch.sub(x_hat, denoised).div_(sigma)
            past = [*past, (sigma, d_cur)][-order - 1 :]
            x = _step_of_slopes(x_hat, sigma_next, past, basis)
        if on_step is not None:
            on_step(step, sigma_next, x, denoised)
    return x


def _step_of_slopes(
    x: torch.Tensor, sigma_next: float, past: list[tuple[float, torch.Tensor]], basis: Basis
) -> torch.Tensor:
    """The state at sigma_next, from the slopes at past levels and, the last, at that of x."""
    nodes = [node for node, _ in past]
    if sigma_next == 0:
        return torch.add(x, past[-1][1], alpha=-nodes[-1])
    weights = slope_weights(nodes, nodes[-1], sigma_next, basis)
    x = torch.add(x, past[-1][1], alpha=weights[-1])
    for weight, (_, slope) in zip(weights[:-1], past[:-1], strict=True):
        x.add_(slope, alpha=weight)
    return x


def _step_of_estimates(
    x_hat: torch.Tensor,
    sigma: float,
    sigma_hat: float,
    sigma_next: float,
    past: list[tuple[float, torch.Tensor]],
    basis: Basis,
) -> torch.Tensor:
    """The state at sigma_next, from the denoised estimates at sigma_hat and one level before."""
    euler = sigma_next / sigma_hat
    denoised = past[-1][1]
    x = torch.lerp(denoised, x_hat, euler)
    if len(past) == 1 or sigma_next == 0:
        return x
    before, _ = estimate_weights([node for node, _ in past], sigma_hat, sigma_next, basis)
    return x.add_(past[0][1] - denoised, alpha=before * (sigma / sigma_hat) ** 4)
