"""A stage of a network that enlarges: what looks at one frame, then what looks over time.

Axes: B videos, T frames, N = B·T, C and D channels, H, W.
"""

import torch
from torch import nn

from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.layers import CrossAttention, FrameContext, ResidualBlock
from pyoco_eval.models.temporal_convolution import TemporalConvolution


class EfficientStage(nn.Module):
    """A residual block, attention to the text where its level has it, convolution over time."""

    def __init__(self, config: EfficientConfig, inputs: int, level: int) -> None:
        super().__init__()
        outputs = config.width(level)
        self.residual = ResidualBlock(inputs, outputs, 4 * config.channels, config.dropout)
        if config.text and level in config.cross_attention:
            self.cross = CrossAttention(outputs, config.text_width, config.head_channels)
        if config.temporal:
            self.temporal = TemporalConvolution(outputs)

    def forward(self, x: torch.Tensor, context: FrameContext) -> torch.Tensor:
        """(B·T, C, H, W) to (B·T, D, H, W)."""
        x = self.of_frames(x, context)
        if hasattr(self, "temporal"):
            x = self.temporal(x, context)
        return x

    def of_frames(self, x: torch.Tensor, context: FrameContext) -> torch.Tensor:
        """The part that looks at each frame by itself."""
        x = self.residual(x, context)
        if hasattr(self, "cross"):
            x = self.cross(x, context)
        return x


def over_time(layer: nn.Module, h: torch.Tensor, context: FrameContext, size: int) -> torch.Tensor:
    """A temporal convolution on so many frames at a time, and the frames beside them."""
    assert isinstance(layer, TemporalConvolution)
    by_video = h.reshape(context.num_videos, context.num_frames, *h.shape[1:])
    num_frames = context.num_frames - context.num_images
    mixed = torch.empty_like(by_video)
    mixed[:, num_frames:] = by_video[:, num_frames:]
    for start in range(0, num_frames, size):
        end = min(start + size, num_frames)
        mixed[:, start:end] = layer.of_frames(by_video[:, :num_frames], start, end)
    return mixed.flatten(0, 1)
