"""Grids of noise levels for samplers: falling from sigma_max to sigma_min, then 0.

Each is float64 (num_steps + 1,), on the CPU, with `num_steps` positive levels.

    karras        linear in sigma^(1 / rho)
    exponential   linear in ln(sigma): karras for rho to infinity
    linear        linear in sigma: karras for rho = 1
    cosine        linear in arctan(sigma): equal steps of the angle of the cosine schedule

References:
    Karras et al., Elucidating the Design Space (2022), Eq. 5.
    Nichol and Dhariwal, Improved Denoising Diffusion Probabilistic Models (2021), Eq. 17: there
    alpha = cos², so that sigma = sqrt((1 - alpha) / alpha) = tan of the angle.
"""

from collections.abc import Callable
from typing import Final

import torch

from pyoco_eval.errors import UsageError


def karras(
    num_steps: int, sigma_min: float = 0.002, sigma_max: float = 80, rho: float = 7
) -> torch.Tensor:
    """Short steps near 0, as `rho` grows.

    Raises:
        UsageError: not 0 < sigma_min < sigma_max, fewer than 2 steps, or rho not positive.
    """
    if not rho > 0:
        raise UsageError(f"rho {rho}: the grid takes a positive number")
    return _grid(num_steps, sigma_min, sigma_max, lambda s: s ** (1 / rho), lambda v: v**rho)


def exponential(num_steps: int, sigma_min: float = 0.002, sigma_max: float = 80) -> torch.Tensor:
    """Each level the same fraction of the one before; raises UsageError as `karras`."""
    return _grid(num_steps, sigma_min, sigma_max, torch.log, torch.exp)


def linear(num_steps: int, sigma_min: float = 0.002, sigma_max: float = 80) -> torch.Tensor:
    """Steps of one length; raises UsageError as `karras`."""
    return _grid(num_steps, sigma_min, sigma_max, lambda s: s, lambda v: v)


def cosine(num_steps: int, sigma_min: float = 0.002, sigma_max: float = 80) -> torch.Tensor:
    """Steps of one angle; raises UsageError as `karras`."""
    return _grid(num_steps, sigma_min, sigma_max, torch.atan, torch.tan)


GRIDS: Final[dict[str, Callable[..., torch.Tensor]]] = {
    "karras": karras,
    "exponential": exponential,
    "linear": linear,
    "cosine": cosine,
}


def _grid(
    num_steps: int,
    sigma_min: float,
    sigma_max: float,
    warp: Callable[[torch.Tensor], torch.Tensor],
    unwarp: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Levels that are evenly spaced after `warp`; its ends are exact."""
    if num_steps < 2:
        raise UsageError(f"num_steps {num_steps}: a grid takes two steps or more")
    if not 0 < sigma_min < sigma_max < float("inf"):
        raise UsageError(
            f"sigma_min {sigma_min}, sigma_max {sigma_max}: a grid takes 0 < sigma_min < sigma_max"
        )
    ends = torch.tensor([sigma_max, sigma_min], dtype=torch.float64)
    first, last = warp(ends)
    fraction = torch.arange(num_steps, dtype=torch.float64) / (num_steps - 1)
    sigmas = unwarp(first + fraction * (last - first))
    sigmas[0], sigmas[-1] = ends
    return torch.cat([sigmas, torch.zeros(1, dtype=torch.float64)])
