"""What a network that enlarges is asked: a crop of the frames, given the small frames of the crop.

The small frames are made of whole frames and cut afterwards, so that at the edges of a crop they
show what they show in the middle of a frame.

Axes: B samples, T frames (pictures included), C channels, H, W whole frames, h, w small ones.

References:
    Ho et al., Cascaded Diffusion Models (2021), §4; Saharia et al., Imagen (2022), §2.3 and §2.4:
    noise in the small frames, training on crops.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from pyoco_eval.diffusion.augmentation import augmented
from pyoco_eval.diffusion.denoiser import LowResolution
from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.network import NetworkConfig
from pyoco_eval.priors import IndependentPrior
from pyoco_eval.training.config import SuperResolutionConfig, TrainConfig

KERNELS = ("bilinear", "bicubic", "area")
ON_HOST = ("place", "kernel", "blur")
"""Draws that decide what is computed: reading them from a device would wait for it."""

_MAX_BLUR = 0.6
"""Largest standard deviation of the blur, in pixels of the small frames."""


@dataclass(frozen=True)
class EnlargingTask:
    """Makes what is told and what is asked of the frames of a batch.

    Attributes:
        config: crops, noise and kernels.
        factor: by which the network enlarges.
    """

    config: SuperResolutionConfig
    factor: int

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Of what is asked, for whole frames of this size."""
        crop = self.config.crop
        return (height, width) if crop is None else (crop, crop)

    def draw(
        self, generators: Sequence[torch.Generator], num_frames: int, size: tuple[int, int]
    ) -> Mapping[str, torch.Tensor]:
        """What is random about B samples, one generator each.

        Args:
            num_frames: T.
            size: (H, W).

        Returns:
            `place` int64 (B, 2), the crop's upper left corner in small frames; `share` (B,) and
            `noise` (B, T, 3, h, w) of the augmentation; `kernel` int64 (B,) and `blur` (B,) of the
            degradation.
        """
        own = self.size(*size)
        small = own[0] // self.factor, own[1] // self.factor
        free = [(whole - part) // self.factor + 1 for whole, part in zip(size, own, strict=True)]
        places, shares, kernels, blurs = [], [], [], []
        for g in generators:
            places.append([int(torch.randint(n, (1,), generator=g)) for n in free])
            shares.append(float(torch.rand(1, generator=g)) * self.config.augmentation)
            kernels.append(int(torch.randint(len(KERNELS), (1,), generator=g)))
            blurs.append(float(torch.rand(1, generator=g)) * _MAX_BLUR)
        random = self.config.degradation == "random"
        return {
            "place": torch.tensor(places),
            "share": torch.tensor(shares),
            "noise": IndependentPrior().sample((3, *small), num_frames, generators),
            "kernel": torch.tensor(kernels) * random,
            "blur": torch.tensor(blurs) * random,
        }

    def __call__(
        self, clean: torch.Tensor, drawn: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, LowResolution]:
        """The crops (B, T, C, H', W') of frames (B, T, C, H, W), and the small frames of them."""
        height, width = self.size(*clean.shape[3:])
        crops, smalls = [], []
        told = (drawn[name].tolist() for name in ON_HOST)
        for frames, (top, left), kernel, blur in zip(clean, *told, strict=True):
            small = made_small(frames, self.factor, KERNELS[kernel], blur)
            h, w = height // self.factor, width // self.factor
            smalls.append(small[:, :, top : top + h, left : left + w])
            top, left = top * self.factor, left * self.factor
            crops.append(frames[:, :, top : top + height, left : left + width])
        low = augmented(torch.stack(smalls), drawn["share"], drawn["noise"])
        return torch.stack(crops), low


def made_small(
    frames: torch.Tensor, factor: int, kernel: str = "bilinear", blur: float = 0.0
) -> torch.Tensor:
    """Frames (T, C, H, W) in [-1, 1] to (T, C, H / factor, W / factor).

    Args:
        kernel: one of `KERNELS`; the first two are antialiased.
        blur: standard deviation of a Gaussian before it, in pixels of the small frames.
    """
    size = frames.shape[2] // factor, frames.shape[3] // factor
    if blur:
        frames = _blurred(frames, blur * factor)
    if kernel == "area":
        return F.interpolate(frames, size, mode="area")
    small = F.interpolate(frames, size, mode=kernel, antialias=True, align_corners=False)
    return small.clamp(-1, 1)


def _blurred(frames: torch.Tensor, std: float) -> torch.Tensor:
    radius = max(1, round(3 * std))
    radius = min(radius, frames.shape[2] - 1, frames.shape[3] - 1)
    steps = torch.arange(-radius, radius + 1, device=frames.device, dtype=frames.dtype)
    taps = torch.exp(-0.5 * (steps / std) ** 2)
    taps = (taps / taps.sum()).expand(frames.shape[1], 1, 1, -1)
    padded = F.pad(frames, (radius,) * 4, mode="reflect")
    rows = F.conv2d(padded, taps, groups=frames.shape[1])
    return F.conv2d(rows, taps.transpose(2, 3), groups=frames.shape[1])


def enlarging_task(config: TrainConfig, unet: NetworkConfig) -> EnlargingTask | None:
    """Of a network that enlarges; None for others."""
    if not isinstance(unet, EfficientConfig):
        return None
    return EnlargingTask(config.superres, unet.factor)
