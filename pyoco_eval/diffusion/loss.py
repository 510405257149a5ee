"""EDM's denoising loss with a noise prior.

Axes: B batch, T frames, C channels, H, W.

    x = clean + sigma e,   e from the prior,   ln sigma ~ N(P_mean, P_std²) or one of some levels
    loss = lambda(sigma) mean (D(x; sigma) - clean)²
    lambda(sigma) = (sigma² + sigma_data²) / (sigma sigma_data)², or another of `weighting`

References:
    Ge et al., Preserve Your Own Correlation (2023), Eq. 1 and §4 (joint finetuning).
    Karras et al., Elucidating the Design Space (2022), Eqs. 2 and 8, Table 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

import torch

from pyoco_eval.diffusion.denoiser import Conditioning, Denoiser
from pyoco_eval.diffusion.experts import WHOLE, ExpertNode
from pyoco_eval.diffusion.precondition import per_sample
from pyoco_eval.diffusion.weighting import EDM_WEIGHTING, LossWeighting
from pyoco_eval.errors import UsageError
from pyoco_eval.priors import IndependentPrior, NoisePrior


class JointDenoiser(Protocol):
    """A denoiser of videos with independent images appended along T, as `EDMDenoiser` is."""

    def __call__(
        self,
        x: torch.Tensor,
        sigma: torch.Tensor,
        cond: Conditioning | None = None,
        *,
        num_images: int = 0,
        image_cond: Conditioning | None = None,
    ) -> torch.Tensor:
        """As `EDMDenoiser.forward`."""
        ...


@dataclass(frozen=True)
class EDMLoss:
    """Weighted denoising error of each sample.

    Attributes:
        prior: of the noise of the video's frames.
        P_mean, P_std: of ln sigma.
        sigma_data: standard deviation of the data.
        weighting: of the noise levels.
        levels: those that are drawn, all equally often, in place of ln sigma from a normal
            distribution: what a network of discrete timesteps is trained at.
        expert: the part of the distribution of ln sigma that is drawn from.
    """

    prior: NoisePrior
    P_mean: float = -1.2
    P_std: float = 1.2
    sigma_data: float = 0.5
    weighting: LossWeighting = EDM_WEIGHTING
    levels: tuple[float, ...] = ()
    expert: ExpertNode = WHOLE

    def draw_sigmas(self, generators: Sequence[torch.Generator]) -> torch.Tensor:
        """One noise level per generator: float32 (B,) on the CPU."""
        if self.levels:
            levels, size = torch.tensor(self.levels), (1,)
            return torch.cat(
                [levels[torch.randint(len(levels), size, generator=g)] for g in generators]
            )
        if self.expert.level:
            return torch.cat([self._truncated(generator) for generator in generators])
        sigmas = torch.empty(len(generators), 1)
        for sigma, generator in zip(sigmas, generators, strict=True):
            sigma.log_normal_(self.P_mean, self.P_std, generator=generator)
        return sigmas[:, 0]

    def _truncated(self, generator: torch.Generator) -> torch.Tensor:
        """(1,), by the inverse of the log-normal law on the expert's share of it."""
        low, high = self.expert.shares()
        share = torch.rand(1, dtype=torch.float64, generator=generator).clamp_min(1e-12)
        normal: torch.Tensor = torch.special.ndtri(low + (high - low) * share)
        return (self.P_mean + self.P_std * normal).exp().float()

    def quantile(self, share: float) -> float:
        """The noise level that this share of the drawn ones lies below."""
        if self.levels:
            rising = sorted(self.levels)
            return rising[min(int(share * len(rising)), len(rising) - 1)]
        low, high = self.expert.shares()
        return math.exp(NormalDist(self.P_mean, self.P_std).inv_cdf(low + (high - low) * share))

    def weight(self, sigma: torch.Tensor) -> torch.Tensor:
        """lambda(sigma)."""
        return self.weighting(sigma, self.sigma_data)

    def __call__(
        self,
        denoiser: Denoiser | JointDenoiser,
        clean: torch.Tensor,
        cond: Conditioning | None,
        generators: Sequence[torch.Generator],
        *,
        num_images: int = 0,
        image_cond: Conditioning | None = None,
    ) -> torch.Tensor:
        """Losses float (B,), each the mean over the frames, channels and pixels of its sample.

        Frames that `cond` knows do not count. Their noise is drawn with that of the others, so the
        network may read from them what the prior makes them share; samplers do the same.

        A row's sigma and then its noise are drawn from its generator, so they depend neither on
        the batch nor on the device.

        Args:
            denoiser: a `JointDenoiser` where there are images.
            clean: (B, T, C, H, W) in [-1, 1].
            generators: one CPU generator per row.
            num_images: the last so many of the T frames are images, each with independent noise of
                the row's sigma. They weigh in the mean like any other frame.
            image_cond: what is known of the B * num_images images, row by row.

        Raises:
            UsageError: not one generator per row, or no frame of video left beside the images.
        """
        return self.at(
            self.draw_sigmas(generators),
            denoiser,
            clean,
            cond,
            generators,
            num_images=num_images,
            image_cond=image_cond,
        )

    def at(
        self,
        sigma: torch.Tensor,
        denoiser: Denoiser | JointDenoiser,
        clean: torch.Tensor,
        cond: Conditioning | None,
        generators: Sequence[torch.Generator],
        *,
        num_images: int = 0,
        image_cond: Conditioning | None = None,
    ) -> torch.Tensor:
        """The same at levels sigma (B,) that are given: the generators draw the noise alone."""
        if len(generators) != len(clean):
            raise UsageError(f"{len(clean)} samples need as many generators, not {len(generators)}")
        channels, height, width = clean.shape[2:]
        noise = self.draw_noise(
            (channels, height, width), clean.shape[1], generators, num_images=num_images
        )
        return self.of(
            sigma, noise, denoiser, clean, cond, num_images=num_images, image_cond=image_cond
        )

    def draw_noise(
        self,
        frame_shape: tuple[int, int, int],
        num_frames: int,
        generators: Sequence[torch.Generator],
        *,
        num_images: int = 0,
    ) -> torch.Tensor:
        """Noise float32 (B, T, C, H, W) on the CPU: of videos, and of the images that end each.

        Args:
            frame_shape: (C, H, W).
            num_frames: T, images included.
            generators: one CPU generator per row.

        Raises:
            UsageError: no frame of video is left beside the images.
        """
        if not 0 <= num_images < num_frames:
            raise UsageError(f"{num_images} images among {num_frames} frames leave no video")
        noise = self.prior.sample(frame_shape, num_frames - num_images, generators)
        if not num_images:
            return noise
        images = IndependentPrior().sample(frame_shape, num_images, generators)
        return torch.cat([noise, images], dim=1)

    def of(
        self,
        sigma: torch.Tensor,
        noise: torch.Tensor,
        denoiser: Denoiser | JointDenoiser,
        clean: torch.Tensor,
        cond: Conditioning | None,
        *,
        num_images: int = 0,
        image_cond: Conditioning | None = None,
    ) -> torch.Tensor:
        """The same at levels sigma (B,) and with noise of `clean`'s shape that are given.

        Levels (B, T) are of every frame, and so is their weight.
        """
        sigma = sigma.to(clean)
        x = clean + per_sample(sigma, clean) * noise.to(clean)
        if num_images:
            joint: JointDenoiser = denoiser  # type: ignore[assignment]
            denoised = joint(x, sigma, cond, num_images=num_images, image_cond=image_cond)
        else:
            denoised = denoiser(x, sigma, cond)
        error = (denoised - clean).square().flatten(2).mean(dim=2)
        if sigma.ndim == 2:
            return _mean_of_unknown(self.weight(sigma) * error, cond)
        return self.weight(sigma) * _mean_of_unknown(error, cond)


def _mean_of_unknown(error: torch.Tensor, cond: Conditioning | None) -> torch.Tensor:
    """Means (B,) over the frames of (B, T) that are not given: those need no learning."""
    if cond is None or cond.known is None:
        return error.mean(dim=1)
    unknown = (~cond.known.mask).to(error)
    return (error * unknown).sum(dim=1) / unknown.sum(dim=1)
