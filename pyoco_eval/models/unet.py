"""The U-Net: an image network that becomes a video network by temporal attention alone.

Axes: B videos, T frames, N = B·T, C channels, H, W, R rows of conditioning (videos, then images).

References:
    Ge et al., Preserve Your Own Correlation (2023), §4, model architecture.
    Ho et al., Video Diffusion Models (2022), §3, space-time factorised U-Net.
    Dhariwal and Nichol (2021), ADM; Karras et al. (2022), EDM; Balaji et al. (2022), eDiff-I.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from pyoco_eval.diffusion.denoiser import Conditioning, KnownFrames
from pyoco_eval.diffusion.precondition import EDMDenoiser
from pyoco_eval.errors import UsageError
from pyoco_eval.models.conditioning import ConditioningEncoder
from pyoco_eval.models.config import UNetConfig
from pyoco_eval.models.frame_context import Encoded, check_frames, frame_context
from pyoco_eval.models.known_frames import filled
from pyoco_eval.models.layers import (
    CrossAttention,
    Downsample,
    FrameContext,
    NoiseEmbedding,
    ResidualBlock,
    SpatialAttention,
    Upsample,
    group_norm,
    zeroed,
)
from pyoco_eval.models.network import VideoNetwork
from pyoco_eval.models.temporal import TemporalAttention


class UNetStage(nn.Module):
    """A residual block and the attention its level has: over space, to the text, over time."""

    def __init__(
        self, config: UNetConfig, inputs: int, outputs: int, level: int, *, middle: bool = False
    ) -> None:
        super().__init__()
        embedding = 4 * config.channels
        self.residual = ResidualBlock(inputs, outputs, embedding, config.dropout)
        heads = config.head_channels
        if middle or level in config.spatial_attention:
            self.spatial = SpatialAttention(outputs, heads)
        if config.text and (middle or level in config.cross_attention):
            self.cross = CrossAttention(outputs, config.text_width, heads)
        if config.temporal and (middle or level in config.temporal_attention):
            self.temporal = TemporalAttention(outputs, heads, config.max_frame_distance)

    def forward(self, x: torch.Tensor, context: FrameContext) -> torch.Tensor:
        """(B·T, C, H, W) to (B·T, D, H, W)."""
        for layer in self.children():
            x = layer(x, context)
        return x


class VideoUNet(VideoNetwork):
    """F(x; c_noise, cond) of the EDM formulation, for images and videos.

    With `config.temporal` false it is an image network and treats all frames alike, one by one.

    Fresh weights come from torch's global generator.

    Attributes:
        config: what it was built from.
        gradient_checkpointing: recompute each stage in the backward pass instead of keeping its
            activations: about a third more time for a fraction of the memory.
    """

    config: UNetConfig
    stages = (UNetStage,)
    temporal_layers = (TemporalAttention,)

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        self.gradient_checkpointing = False
        embedding = 4 * config.channels
        self.noise = NoiseEmbedding(config.channels, embedding)
        self.conditioning = ConditioningEncoder(config, embedding)
        pixels = config.patch**2
        self.input = nn.Conv2d(config.input_channels * pixels, config.channels, 3, padding=1)

        width, skips = config.channels, [config.channels]
        self.down = nn.ModuleList()
        for level, num_blocks in enumerate(config.num_blocks):
            if level:
                self.down.append(Downsample(width))
                skips.append(width)
            for _ in range(num_blocks):
                self.down.append(UNetStage(config, width, config.width(level), level))
                width = config.width(level)
                skips.append(width)

        last = len(config.multipliers) - 1
        self.middle = nn.ModuleList(
            [
                UNetStage(config, width, width, last, middle=True),
                UNetStage(config, width, width, last, middle=False),
            ]
        )

        self.up = nn.ModuleList()
        for level, num_blocks in reversed(list(enumerate(config.num_blocks))):
            for _ in range(num_blocks + 1):
                self.up.append(UNetStage(config, width + skips.pop(), config.width(level), level))
                width = config.width(level)
            if level:
                self.up.append(Upsample(width))

        self.output_norm = group_norm(width)
        self.output = zeroed(nn.Conv2d(width, config.frame_channels * pixels, 3, padding=1))
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
        """One evaluation.

        Args:
            x: (B, T, C, H, W), noisy frames of variance about 1. H and W are multiples of
                `config.size_multiple`.
            c_noise: (B,), ln(sigma) / 4; or (B, T), of every frame.
            cond: what is known of the B videos.
            num_images: how many of the T frames, the last ones, are independent images: temporal
                layers neither see nor change them.
            image_cond: what is known of the B · num_images images, those of the first video
                first; nothing where it is None.

        Returns:
            (B, T, C, H, W) in x's dtype, or autocast's.

        Raises:
            UsageError: shapes or conditioning this network was not built for.
        """
        check_frames(x, num_images, self.config)
        context = frame_context(
            self._encode, (x.shape[0], x.shape[1]), c_noise, cond, num_images, image_cond
        )
        inputs = self._with_known_frames(x, cond, num_images).flatten(0, 1)
        if self.config.patch > 1:
            inputs = F.pixel_unshuffle(inputs, self.config.patch)
        h: torch.Tensor = self.input(inputs.contiguous(memory_format=torch.channels_last))
        skips = [h]
        for layer in self.down:
            h = self._run(layer, h, context)
            skips.append(h)
        for layer in self.middle:
            h = self._run(layer, h, context)
        for layer in self.up:
            if isinstance(layer, UNetStage):
                h = torch.cat([h, skips.pop()], 1)
            h = self._run(layer, h, context)
        h = self.output(self.output_norm.silu(h))
        if self.config.patch > 1:
            h = F.pixel_shuffle(h, self.config.patch)
        return h.reshape(x.shape)

    def _run(self, layer: nn.Module, h: torch.Tensor, context: FrameContext) -> torch.Tensor:
        if not isinstance(layer, UNetStage):
            resized: torch.Tensor = layer(h)
            return resized
        if self.gradient_checkpointing and torch.is_grad_enabled():
            recomputed: torch.Tensor = checkpoint(layer, h, context, use_reentrant=False)
            return recomputed
        staged: torch.Tensor = layer(h, context)
        return staged

    def _encode(self, c_noise: torch.Tensor, cond: Conditioning | None) -> Encoded:
        """Embedding, tokens and mask of the rows with these noise levels, (R,) or (B, T)."""
        embedding = self.noise(c_noise.flatten())
        pooled, tokens, mask = self.conditioning(cond or Conditioning(), len(c_noise))
        if c_noise.ndim == 2:
            embedding = embedding.view(*c_noise.shape, -1)
            pooled = None if pooled is None else pooled[:, None]
        return embedding if pooled is None else embedding + pooled, tokens, mask

    def _with_known_frames(
        self, x: torch.Tensor, cond: Conditioning | None, num_images: int
    ) -> torch.Tensor:
        """(B, T, 2 C + 1, H, W): noisy frames, `filled` known ones, and 1 where they are known."""
        known = None if cond is None else cond.known
        if not self.config.known_frames:
            if known is not None:
                raise UsageError("conditioning has known frames, but the network takes none")
            return x
        if known is None:
            return torch.cat([x, torch.zeros_like(x), torch.zeros_like(x[:, :, :1])], 2)
        if known.frames.shape != x.shape or known.mask.shape != x.shape[:2]:
            raise UsageError(
                f"known frames {tuple(known.frames.shape)} with mask {tuple(known.mask.shape)} "
                f"do not fit frames {tuple(x.shape)}"
            )
        mask = known.mask[:, :, None, None, None]
        frames = filled(KnownFrames(known.frames.to(x.dtype), known.mask), num_images)
        return torch.cat([x, frames, mask.to(x.dtype).expand_as(x[:, :, :1])], 2)
