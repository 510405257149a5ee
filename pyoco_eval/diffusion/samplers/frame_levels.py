"""Sampling with a noise level for every frame: the first frames are clean while later ones begin.

Axes: S steps, B batch, T frames, C channels, H, W.

With levels σ_t(s) of the frames t along a path s, noise of correlation R over frames and
S = diag(σ), the state has the law of x0 + S e. Its probability flow is

    dx_t = dσ_t (x_t - D_t) / σ_t,   D = E[x0 | x]

frame by frame: for Gaussian data of covariance Σ it carries N(0, Σ + S R S) along, since
dS R S + S R dS is the change of that covariance. With one level for all frames it is EDM's flow.

References:
    Ruhe et al., Rolling Diffusion Models (2024), §3; Chen et al., Diffusion Forcing (2024), §3.3.
"""

from collections.abc import Callable
from itertools import pairwise

import torch

from pyoco_eval.diffusion.denoiser import Conditioning, Denoiser
from pyoco_eval.errors import UsageError


def rolling_levels(sigmas: torch.Tensor, num_frames: int, lag: int) -> torch.Tensor:
    """Levels float64 (S, T): frame t goes through `sigmas` `lag · t` steps after the first.

    Args:
        sigmas: float64 (K,), falling, the last one 0, as the schedules give them.
        num_frames: T.
        lag: steps between one frame and the next; 0 for all frames together.

    Raises:
        UsageError: levels that do not fall to 0, or a negative lag.
    """
    if sigmas.ndim != 1 or len(sigmas) < 2 or sigmas[-1] != 0 or not (sigmas.diff() < 0).all():
        raise UsageError("levels: a schedule falls from its largest noise level to 0")
    if lag < 0 or num_frames < 1:
        raise UsageError(f"lag {lag}, {num_frames} frames: both must be 0 or more, frames 1")
    last = len(sigmas) - 1
    step = torch.arange(last + lag * (num_frames - 1) + 1)[:, None]
    place = (step - lag * torch.arange(num_frames)[None]).clamp(0, last)
    return sigmas.double()[place]


def sample_levels(
    denoiser: Denoiser,
    noise: torch.Tensor,
    levels: torch.Tensor,
    *,
    cond: Conditioning | None = None,
    on_step: Callable[[int, torch.Tensor], None] | None = None,
) -> torch.Tensor:
    """Euler's method along levels of the frames.

    Args:
        denoiser: one that takes sigma (B, T).
        noise: unit-variance noise (B, T, C, H, W) of the prior.
        levels: float64 (S, T), falling in every column, the last row 0.
        cond: what is known of the videos.
        on_step: called with the number of the step and the state after it.

    Returns:
        float64 (B, T, C, H, W).

    Raises:
        UsageError: levels of another number of frames, or that rise.
    """
    if levels.ndim != 2 or levels.shape[1] != noise.shape[1] or (levels.diff(dim=0) > 0).any():
        raise UsageError(
            f"levels {tuple(levels.shape)}: need (S, {noise.shape[1]}), falling in every frame"
        )
    levels = levels.to(noise.device, torch.float64)
    floor = levels[levels > 0].min()
    x = noise.double() * levels[0, None, :, None, None, None]
    for number, (now, after) in enumerate(pairwise(levels)):
        moving = now > 0
        # A frame that is done is shown at the lowest level there is, and does not move.
        told = torch.where(moving, now, floor)
        denoised = denoiser(x, told.expand(len(x), -1), cond).double()
        rate = torch.where(moving, (after - now) / told, torch.zeros_like(now))
        x = x + rate[None, :, None, None, None] * (x - denoised)
        if on_step is not None:
            on_step(number, x)
    return x
