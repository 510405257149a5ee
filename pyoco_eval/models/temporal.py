"""Temporal attention: the one place where frames of a video meet.

Axes: B videos, T frames, N = B·T, C channels, H, W, D channels of a head.

References:
    Ge et al., Preserve Your Own Correlation (2023), §4: temporal attention is added to the image
    network, and sees the video part of joint image–video batches only.
    Ho et al., Video Diffusion Models (2022), §3: attention over T with relative positions.
    Raffel et al., T5 (2020), §2.1: one learned scalar per head and distance, added to the logits.
"""

from typing import Final

import torch
from torch import nn

from pyoco_eval.models.layers import (
    FrameContext,
    attend,
    frames_of,
    group_norm,
    heads,
    positions_last,
    zeroed,
)

_MAX_ROWS: Final = 65535
"""Rows of one attention call: CUDA's limit of a grid's last axis."""


class RelativePositionBias(nn.Module):
    """One number per head and signed distance, the same for all pairs so far apart."""

    def __init__(self, num_heads: int, max_distance: int) -> None:
        super().__init__()
        self.max_distance = max_distance
        self.table = nn.Parameter(torch.zeros(num_heads, 2 * max_distance + 1))

    def forward(self, num_frames: int) -> torch.Tensor:
        """(heads, T, T); entry (i, j) belongs to the distance j - i."""
        frames = torch.arange(num_frames, device=self.table.device)
        distance = (frames[None] - frames[:, None]).clamp(-self.max_distance, self.max_distance)
        return self.table[:, distance + self.max_distance]


class TemporalAttention(nn.Module):
    """Each position attends to itself in every frame of its video.

    The output layer is zero at first, so that an inflated network is the image network frame by
    frame. Images at the end of a joint batch pass unchanged.
    """

    def __init__(self, channels: int, head_channels: int, max_distance: int) -> None:
        super().__init__()
        self.num_heads = channels // head_channels
        self.norm = group_norm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.positions = RelativePositionBias(self.num_heads, max_distance)
        self.output = zeroed(nn.Linear(channels, channels))

    def forward(self, x: torch.Tensor, context: FrameContext) -> torch.Tensor:
        """(B·T, C, H, W) to the same shape."""
        num_video_frames = context.num_frames - context.num_images
        if num_video_frames == 0:
            return x
        by_frame = context.num_videos, context.num_frames, -1, x.shape[1]
        frames = positions_last(x).reshape(by_frame)  # (B, T, H·W, C), as in memory
        normed = positions_last(self.norm(x)).reshape(by_frame)
        video = frames[:, :num_video_frames] + self._mixed(normed[:, :num_video_frames])
        if context.num_images:
            video = torch.cat([video, frames[:, num_video_frames:]], 1)
        return frames_of(video.flatten(0, 1), x)

    def _mixed(self, normed: torch.Tensor) -> torch.Tensor:
        """(B, T, H·W, C) to the same shape."""
        num_videos, num_frames, num_positions, channels = normed.shape
        h: torch.Tensor = normed.transpose(1, 2).contiguous().view(-1, num_frames, channels)
        q, k, v = heads(self.qkv(h), 3 * self.num_heads).chunk(3, 1)  # (B·H·W, heads, T, D)
        bias = self.positions(num_frames).to(q.dtype)[None]
        rows = (torch.split(each, _MAX_ROWS) for each in (q, k, v))
        parts = [
            attend(queries, keys, values, bias) for queries, keys, values in zip(*rows, strict=True)
        ]
        h = parts[0] if len(parts) == 1 else torch.cat(parts)
        h = self.output(h.transpose(1, 2).flatten(2))
        return h.view(num_videos, num_positions, num_frames, channels).transpose(1, 2)
