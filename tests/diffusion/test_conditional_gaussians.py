"""Interpolation and super-resolution where the answer is known: Gaussian videos.

Samplers are affine maps of their noise where the denoiser is. So the mean and covariance of what
they make are read off that map, and held against the conditional law, without drawing anything.
"""

import pytest
import torch

from pyoco_eval.diffusion.augmentation import augmented
from pyoco_eval.diffusion.denoiser import Conditioning, KnownFrames, LowResolution
from pyoco_eval.diffusion.precondition import with_known
from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.priors import parse_prior

SAMPLER = SamplerSpec.parse("deis:order=3,num_steps=96,sigma_max=200")
T = 7
KNOWN = torch.tensor([True, False, False, True, False, False, True])


def frame_covariance() -> torch.Tensor:
    """Of the data: smooth motion, of standard deviation 0.5."""
    distance = torch.arange(T, dtype=torch.float64)
    return 0.25 * torch.exp(-0.5 * ((distance[:, None] - distance) / 2) ** 2) + 1e-3 * torch.eye(T)


class Interpolator:
    """E[video | noisy video, known frames] for frames of one pixel.

    Known frames were noised with the others, so with the prior they tell of the others' noise.
    """

    def __init__(self, data: torch.Tensor, noise: torch.Tensor) -> None:
        self.data, self.noise = data, noise

    def __call__(
        self, x: torch.Tensor, sigma: torch.Tensor, cond: Conditioning | None = None
    ) -> torch.Tensor:
        assert cond is not None
        assert cond.known is not None
        told, level = cond.known.mask[0], float(sigma[0])
        flat, frames = x.flatten(1), cond.known.frames.to(x).flatten(1)
        mean, spread = conditioned(self.data, told, frames)
        noise_mean, noise_spread = conditioned(
            self.noise, told, torch.where(told, (flat - frames) / level, 0)
        )
        gain = spread @ torch.linalg.inv(spread + level**2 * noise_spread)
        denoised = torch.zeros_like(flat)
        denoised[:, ~told] = mean + (flat[:, ~told] - mean - level * noise_mean) @ gain.mT
        return with_known(denoised.view_as(x), cond)


def conditioned(
    covariance: torch.Tensor, told: torch.Tensor, values: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (B, U) and covariance (U, U) of what is not told, of mean 0 without."""
    between, own = covariance[~told][:, told], covariance[told][:, told]
    gain = between @ torch.linalg.inv(own)
    return values[:, told] @ gain.mT, covariance[~told][:, ~told] - gain @ between.mT


@pytest.mark.parametrize("spec", ["independent", "progressive:alpha=2", "mixed:alpha=1"])
def test_interpolation_of_gaussian_videos(spec: str) -> None:
    data, noise = frame_covariance(), parse_prior(spec).frame_covariance(T).double()
    frames = torch.linspace(-0.6, 0.8, T, dtype=torch.float64).expand(T + 1, T)
    frames = frames[:, :, None, None, None]
    cond = Conditioning(known=KnownFrames(frames, KNOWN.expand(T + 1, T)))
    basis = torch.cat([torch.zeros(1, T, dtype=torch.float64), torch.eye(T, dtype=torch.float64)])
    made = SAMPLER.sample(Interpolator(data, noise), basis[..., None, None, None], cond=cond)
    made = made.flatten(1)
    assert torch.equal(made[:, KNOWN], frames.flatten(1)[:, KNOWN])
    mean, spread = conditioned(data, KNOWN, frames.flatten(1)[:1])
    torch.testing.assert_close(made[:1, ~KNOWN], mean, atol=2e-3, rtol=0)
    linear = (made[1:] - made[0])[:, ~KNOWN]  # (T, U)
    torch.testing.assert_close(linear.mT @ noise @ linear, spread, atol=2e-3, rtol=0)


class Enlarger:
    """E[image | noisy image, small image], for images of few pixels."""

    def __init__(self, data: torch.Tensor, small: torch.Tensor) -> None:
        self.data, self.small = data, small

    def __call__(
        self, x: torch.Tensor, sigma: torch.Tensor, cond: Conditioning | None = None
    ) -> torch.Tensor:
        assert cond is not None
        assert cond.low is not None
        share = float(cond.low.augmentation[0])
        seen = (1 - share**2) ** 0.5 * self.small  # (h·w, H·W)
        rows = torch.cat([torch.eye(len(self.data), dtype=x.dtype), seen])
        noise = torch.cat(
            [sigma[:1].to(x).expand(len(self.data)) ** 2, torch.full((len(seen),), share**2).to(x)]
        )
        observed = torch.cat([x.flatten(1), cond.low.frames.to(x).flatten(1)], 1)
        gain = self.data @ rows.mT @ torch.linalg.inv(rows @ self.data @ rows.mT + noise.diag())
        return (observed @ gain.mT).view_as(x)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_super_resolution_of_gaussian_images(share: float) -> None:
    side = torch.arange(4, dtype=torch.float64)
    line = torch.exp(-0.5 * ((side[:, None] - side) / 1.5) ** 2)
    data = 0.25 * torch.kron(line, line) + 1e-3 * torch.eye(16)
    half = torch.zeros(2, 4, dtype=torch.float64)
    half[0, :2] = half[1, 2:] = 0.5
    small = torch.kron(half, half)
    image = torch.linalg.cholesky(data) @ torch.linspace(-1, 1, 16, dtype=torch.float64)
    low = augmented(
        (small @ image).view(1, 1, 1, 2, 2), torch.tensor([share]), torch.full((1, 1, 1, 2, 2), 0.3)
    )
    rows = 17
    cond = Conditioning(
        low=LowResolution(low.frames.expand(rows, -1, -1, -1, -1), low.augmentation.expand(rows))
    )
    basis = torch.cat([torch.zeros(1, 16, dtype=torch.float64), torch.eye(16, dtype=torch.float64)])
    made = SAMPLER.sample(Enlarger(data, small), basis.view(rows, 1, 1, 4, 4), cond=cond)
    made = made.flatten(1)
    seen = (1 - share**2) ** 0.5 * small
    gain = data @ seen.mT @ torch.linalg.inv(seen @ data @ seen.mT + share**2 * torch.eye(4))
    torch.testing.assert_close(made[0], gain @ low.frames.flatten().double(), atol=3e-3, rtol=0)
    linear = made[1:] - made[0]
    torch.testing.assert_close(linear.mT @ linear, data - gain @ seen @ data, atol=3e-3, rtol=0)


def test_augmentation_keeps_variance() -> None:
    noise = torch.randn(1, 4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    frames = torch.randn(1, 4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    low = augmented(frames, torch.tensor([0.6]), noise)
    assert float(low.frames.std()) == pytest.approx(1, abs=0.02)
    torch.testing.assert_close(low.frames, 0.8 * frames + 0.6 * noise)
    assert torch.equal(augmented(frames, torch.tensor([0.0]), noise).frames, frames)
