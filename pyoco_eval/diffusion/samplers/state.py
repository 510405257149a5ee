"""What every sampler needs: its levels, its first state, a call of the denoiser, fresh noise.

Axes: B batch, T frames, C channels, H, W.

References:
    Karras et al., Elucidating the Design Space (2022), Algorithm 2, lines 3 to 6 (churn).
"""

import math
from collections.abc import Callable, Sequence

import torch

from pyoco_eval.diffusion.denoiser import Conditioning, Denoiser
from pyoco_eval.errors import UsageError
from pyoco_eval.priors import NoisePrior

OnStep = Callable[[int, float, torch.Tensor, torch.Tensor], None]
"""Called after each step with its number from 1, the level reached, the state there, and the
denoised estimate the step started from. The tensors are the sampler's own: read, do not write."""


def levels(sigmas: torch.Tensor) -> list[float]:
    """The grid as numbers.

    Raises:
        UsageError: it does not fall or rise from a positive level through positive ones, 0 being
            allowed as the last.
    """
    if sigmas.dim() != 1 or len(sigmas) < 2:
        raise UsageError(f"sigmas {tuple(sigmas.shape)}: a sampler takes a grid of two levels up")
    steps = sigmas.double().diff()
    positive = bool((sigmas[:-1] > 0).all()) and float(sigmas[-1]) >= 0
    if not positive or not ((steps < 0).all() or (steps > 0).all()):
        raise UsageError("sigmas must be positive and fall or rise throughout; the last may be 0")
    return [float(sigma) for sigma in sigmas.double()]


def first_state(noise: torch.Tensor, sigma: float) -> torch.Tensor:
    """float64 noise (B, T, C, H, W) of standard deviation sigma.

    Raises:
        UsageError: the noise has other axes.
    """
    if noise.dim() != 5:
        raise UsageError(f"noise {tuple(noise.shape)}: a sampler takes (B, T, C, H, W)")
    return noise.double() * sigma


def denoise(
    denoiser: Denoiser, x: torch.Tensor, sigma: float, cond: Conditioning | None
) -> torch.Tensor:
    """D(x; sigma) in float64."""
    return denoiser(x, x.new_full((len(x),), sigma), cond).double()


def fresh_noise(
    x: torch.Tensor, prior: NoisePrior | None, generators: Sequence[torch.Generator] | None
) -> torch.Tensor:
    """Unit-variance noise of x's shape, dtype and device.

    Raises:
        UsageError: prior or generators are missing, or not one generator per sample.
    """
    if prior is None or generators is None or len(generators) != len(x):
        raise UsageError(
            "a sampler that adds noise takes the model's noise prior and one generator per sample"
        )
    _, num_frames, channels, height, width = x.shape
    return prior.sample(
        (channels, height, width), num_frames, generators, dtype=x.dtype, device=x.device
    )


def churned_level(
    sigma: float, num_steps: int, S_churn: float, S_min: float, S_max: float
) -> float:
    """The level to which noise is added before a step from sigma; sigma itself for none."""
    if not S_min <= sigma <= S_max:
        return sigma
    return sigma * (1 + min(S_churn / num_steps, math.sqrt(2) - 1))


def churn(
    x: torch.Tensor,
    sigma: float,
    sigma_hat: float,
    S_noise: float,
    prior: NoisePrior | None,
    generators: Sequence[torch.Generator] | None,
) -> torch.Tensor:
    """x at level sigma with noise added up to level sigma_hat."""
    if sigma_hat == sigma:
        return x
    std = math.sqrt(sigma_hat**2 - sigma**2) * S_noise
    return x.add(fresh_noise(x, prior, generators), alpha=std)
