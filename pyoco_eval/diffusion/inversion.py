"""Inversion: from a clean video back to the noise that a sampler would have made it from.

Axes: B batch, T frames, C channels, H, W.

The sampler's ODE is walked upwards, on the sampler's own levels: the slope at each level is taken
at that level, from sigma_min to sigma_max, and the state at sigma_max is divided by sigma_max, so
that `sample(invert(x))` gives x back but for the error of the steps.

Two small departures are known. The clean video stands for the state at sigma_min; on Gaussian data
of variance v the state there is larger by a factor sqrt(1 + sigma_min² / v). And the noise has
variance 1 + v / sigma_max², not 1: a sampler that starts from unit noise ignores v as well. At
sigma_min 0.002, sigma_max 80 and v = 0.25 these are 8e-6 and 4e-5.

References:
    Song et al., Denoising Diffusion Implicit Models (2021), §4.3 and Eq. 14.
    Ge et al., Preserve Your Own Correlation (2023), Figure 2 and Table 1.
"""

import torch

from pyoco_eval.diffusion.denoiser import Conditioning, Denoiser
from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.diffusion.samplers.state import OnStep
from pyoco_eval.errors import UsageError

HEUN_100 = SamplerSpec("heun", num_steps=100)


def invert(
    denoiser: Denoiser,
    x: torch.Tensor,
    sampler: SamplerSpec = HEUN_100,
    *,
    cond: Conditioning | None = None,
    guidance_scale: float = 1,
    on_step: OnStep | None = None,
) -> torch.Tensor:
    """Noise maps, float64 (B, T, C, H, W) of variance close to 1.

    Args:
        denoiser: see `pyoco_eval.diffusion.denoiser`.
        x: clean videos (B, T, C, H, W) in [-1, 1].
        sampler: ddim, heun or deis, with the levels to walk. Its levels without 0 make
            `num_steps - 1` steps.
        on_step: called after each of them.

    Raises:
        UsageError: the sampler adds noise, which cannot be walked back.
    """
    if sampler.adds_noise:
        raise UsageError(f"sampler {sampler}: what adds noise cannot be inverted; use heun")
    sigmas = sampler.sigmas()[:-1].flip(0)
    raised = sampler.walk(
        denoiser, x.double() / sampler.sigma_min, sigmas,
        cond=cond, guidance_scale=guidance_scale, on_step=on_step,
    )  # fmt: skip
    return raised / sampler.sigma_max
