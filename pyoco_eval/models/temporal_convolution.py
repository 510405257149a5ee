"""Convolution over time: where frames of a video meet in a network that enlarges them.

Axes: B videos, T frames, N = B·T, C channels, H, W.

References:
    Singer et al., Make-A-Video (2022), §3.2.1: a one-dimensional convolution over time after every
    spatial one, the identity at first.
    Ho et al., Imagen Video (2022), §2.4: convolutions, not attention, over time where frames are
    large.
"""

import torch
import torch.nn.functional as F
from torch import nn

from pyoco_eval.models.layers import FrameContext, group_norm, positions_last


class TemporalConvolution(nn.Module):
    """Every position looks at itself one frame back and one ahead, zeros beyond the ends.

    Its weights are zero at first, so that an inflated network is the image network frame by frame.
    Images at the end of a joint batch pass unchanged.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.weight = nn.Parameter(torch.zeros(channels, channels, 3, 1))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor, context: FrameContext) -> torch.Tensor:
        """(B·T, C, H, W) to the same shape."""
        num_frames = context.num_frames - context.num_images
        if num_frames == 0:
            return x
        by_video = x.reshape(context.num_videos, context.num_frames, *x.shape[1:])
        video = self.of_frames(by_video[:, :num_frames], 0, num_frames)
        if context.num_images:
            video = torch.cat([video, by_video[:, num_frames:]], 1)
        return video.flatten(0, 1)

    def of_frames(self, x: torch.Tensor, start: int, end: int) -> torch.Tensor:
        """Frames `start` to `end` of whole videos (B, T, C, H, W)."""
        first, last = max(start - 1, 0), min(end + 1, x.shape[1])
        near = x[:, first:last]
        normed = positions_last(self.norm(near.flatten(0, 1)))  # (B·t, H·W, C), as in memory
        h = normed.reshape(len(x), last - first, -1, x.shape[2]).permute(0, 3, 1, 2)
        h = F.pad(h, (0, 0, int(start == 0), int(end == x.shape[1])))
        mixed = F.conv2d(h, self.weight, self.bias)  # (B, C, end-start, HW)
        mixed = mixed.permute(0, 2, 1, 3).reshape(len(x), end - start, *x.shape[2:])
        return x[:, start:end] + mixed
