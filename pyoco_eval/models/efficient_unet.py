"""A U-Net that enlarges videos: most of its blocks work where frames are small.

It halves before it works and works before it doubles, so that no block sees the full resolution.
Within a frame it has convolutions, norms and attention to the text, between frames convolutions
over time: it is trained on crops and runs on frames of any size.

Axes: B videos, T frames, N = B·T, C channels, H, W full resolution, h, w low resolution.

References:
    Ge et al., Preserve Your Own Correlation (2023), §5.1: efficient U-Net with temporal
    convolution layers, 313 M parameters.
    Saharia et al., Imagen (2022), §2.4 and Appendix B: efficient U-Net; skips scaled by 1 / √2.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from pyoco_eval.diffusion.denoiser import Conditioning, LowResolution
from pyoco_eval.diffusion.precondition import EDMDenoiser
from pyoco_eval.errors import UsageError
from pyoco_eval.models.conditioning import ConditioningEncoder
from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.efficient_stage import EfficientStage, over_time
from pyoco_eval.models.frame_context import Encoded, check_frames, frame_context
from pyoco_eval.models.frame_parts import in_parts
from pyoco_eval.models.layers import (
    Downsample,
    FrameContext,
    NoiseEmbedding,
    Upsample,
    group_norm,
    zeroed,
)
from pyoco_eval.models.network import VideoNetwork
from pyoco_eval.models.temporal_convolution import TemporalConvolution

_LEAST_SHARE = 1e-3
"""Shares of noise below count as this one, whose logarithm is finite."""


class EfficientUNet(VideoNetwork):
    """F(x; c_noise, cond) of the EDM formulation, told the video at lower resolution.

    With `config.temporal` false it is an image network and treats all frames alike, one by one.

    Attributes:
        config: what it was built from.
        gradient_checkpointing: recompute each stage in the backward pass.
        frames_at_once: without gradients, the layers take so many frames at a time, so that beside
            their inputs and outputs only a few frames need memory; the result is the same, but for
            the last bits, since no layer looks farther than one frame. 0 for all together.
    """

    config: EfficientConfig
    stages = (EfficientStage,)
    temporal_layers = (TemporalConvolution,)

    def __init__(self, config: EfficientConfig) -> None:
        super().__init__()
        self.config = config
        self.gradient_checkpointing = False
        self.frames_at_once = 0
        embedding = 4 * config.channels
        self.noise = NoiseEmbedding(config.channels, embedding)
        self.augmentation = NoiseEmbedding(config.channels, embedding)
        self.conditioning = ConditioningEncoder(config, embedding)
        self.input = nn.Conv2d(config.input_channels, config.channels, 3, padding=1)
        levels = range(len(config.multipliers))
        widths = [config.channels, *(config.width(level) for level in levels)]
        self.shrink = nn.ModuleList(Downsample(width) for width in widths[:-1])
        self.down = nn.ModuleList(
            nn.ModuleList(
                EfficientStage(config, widths[level + (number > 0)], level)
                for number in range(config.num_blocks[level])
            )
            for level in levels
        )
        self.up = nn.ModuleList(
            nn.ModuleList(
                EfficientStage(config, widths[level + 1] * (1 + (number == 0)), level)
                for number in range(config.num_blocks[level])
            )
            for level in levels
        )
        self.grow = nn.ModuleList(
            nn.Sequential(nn.Conv2d(widths[level + 1], widths[level], 1), Upsample(widths[level]))
            for level in levels
        )
        self.output_norm = group_norm(config.channels)
        self.output = zeroed(nn.Conv2d(config.channels, config.frame_channels, 3, padding=1))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def denoiser(self, sigma_data: float) -> EDMDenoiser:
        """With EDM's preconditioning."""
        return EDMDenoiser(self, sigma_data)

    def forward(
        self,
        x: torch.Tensor,
        c_noise: torch.Tensor,
        cond: Conditioning | None = None,
        *,
        num_images: int = 0,
        image_cond: Conditioning | None = None,
    ) -> torch.Tensor:
        """One evaluation, as `VideoUNet.forward`.

        Args:
            x: (B, T, C, H, W), H and W multiples of `config.size_multiple`.
            cond: with `low` (B, T, C, H / factor, W / factor), the images at the end included.

        Raises:
            UsageError: shapes or conditioning this network was not built for.
        """
        low = self._checked(x, cond, num_images)
        if num_images:
            share = low.augmentation.repeat_interleave(num_images)
            image_cond = replace(image_cond or Conditioning(), low=replace(low, augmentation=share))
        context = frame_context(
            self._encode, (x.shape[0], x.shape[1]), c_noise, cond, num_images, image_cond
        )
        size, given = self.frames_at_once, (x.flatten(0, 1), low.frames.flatten(0, 1))
        h, skips = in_parts(self._enter, size, *given), []
        for level, stages in enumerate(self.down):
            if level:
                h = in_parts(self.shrink[level], size, h)
            for stage in _listed(stages):
                h = self._run(stage, context, h)
            skips.append(h)
        for level, stages in reversed(list(enumerate(self.up))):
            for number, stage in enumerate(_listed(stages)):
                h = self._run(stage, context, h, None if number else skips.pop())
            if level:
                h = in_parts(self.grow[level], size, h)
        return in_parts(self._leave, size, h, *given).reshape(x.shape)

    def _first(self, x: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
        """Noisy and enlarged frames together, at full resolution."""
        large = F.interpolate(low.to(x.dtype), x.shape[2:], mode="bicubic", align_corners=False)
        both = torch.cat([x, large], 1).contiguous(memory_format=torch.channels_last)
        first: torch.Tensor = self.input(both)
        return first

    def _enter(self, x: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
        entered: torch.Tensor = self.shrink[0](self._first(x, low))
        return entered

    def _leave(self, h: torch.Tensor, x: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
        """Makes the first convolution's result again: to keep it would take most memory of all."""
        h = (self.grow[0](h) + self._first(x, low)) / math.sqrt(2)
        left: torch.Tensor = self.output(self.output_norm.silu(h))
        return left

    def _run(
        self,
        stage: nn.Module,
        context: FrameContext,
        h: torch.Tensor,
        skip: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """A stage on frames, and on those it has a skip to."""
        assert isinstance(stage, EfficientStage)
        inputs = [h] if skip is None else [h, skip]
        if self.frames_at_once and not torch.is_grad_enabled():
            h = in_parts(
                lambda c, *part: stage.of_frames(_joined(*part), c), self.frames_at_once, *inputs,
                context=context,
            )  # fmt: skip
            if not hasattr(stage, "temporal"):
                return h
            return over_time(stage.temporal, h, context, self.frames_at_once)
        if self.gradient_checkpointing and torch.is_grad_enabled():
            recomputed: torch.Tensor = checkpoint(
                stage, _joined(*inputs), context, use_reentrant=False
            )
            return recomputed
        staged: torch.Tensor = stage(_joined(*inputs), context)
        return staged

    def _encode(self, c_noise: torch.Tensor, cond: Conditioning | None) -> Encoded:
        cond = cond or Conditioning()
        assert cond.low is not None
        share = cond.low.augmentation.float().clamp_min(_LEAST_SHARE)
        embedding = self.noise(c_noise) + self.augmentation(share.log() / 4)
        pooled, tokens, mask = self.conditioning(cond, len(c_noise))
        return embedding if pooled is None else embedding + pooled, tokens, mask

    def _checked(
        self, x: torch.Tensor, cond: Conditioning | None, num_images: int
    ) -> LowResolution:
        check_frames(x, num_images, self.config)
        factor = self.config.factor
        if cond is None or cond.low is None or cond.known is not None:
            raise UsageError("the network enlarges frames: it is told `low`, and no known frames")
        wanted = (*x.shape[:3], x.shape[3] // factor, x.shape[4] // factor)
        if cond.low.frames.shape != wanted or cond.low.augmentation.shape != x.shape[:1]:
            raise UsageError(
                f"frames of low resolution {tuple(cond.low.frames.shape)} do not fit; enlarging "
                f"{factor} times to {tuple(x.shape)} takes {wanted}"
            )
        return cond.low


def _listed(stages: nn.Module) -> Iterator[nn.Module]:
    assert isinstance(stages, nn.ModuleList)
    return iter(stages)


def _joined(h: torch.Tensor, skip: torch.Tensor | None = None) -> torch.Tensor:
    return h if skip is None else torch.cat([h, skip / math.sqrt(2)], 1)
