"""Layers of the image U-Net. They see frames only: a video is B·T images to them.

A 3-D convolution with a 1×k×k kernel over (B, C, T, H, W) and the 2-D convolution with the same
kernel over (B·T, C, H, W) are one map with the same parameters. Only the second form is used: it
keeps channels last in memory, where convolutions, norms and attention read without copies.

Axes: N = B·T frames, C channels, H, W, E width of the noise embedding, R rows of conditioning,
L text tokens, K width of text tokens.

References:
    Dhariwal and Nichol, Diffusion Models Beat GANs on Image Synthesis (2021), ADM.
    Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models (2022).
    Saharia et al., Imagen (2022): cross-attention to text, pooled text in the noise embedding.
"""

import math
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import nn

from pyoco_eval.models.group_norm import GroupNorm, silu


@dataclass(frozen=True)
class FrameContext:
    """What the layers know beside the frames.

    The N frames are B videos of T frames, the last `num_images` of which are independent images.
    Conditioning has R rows: one per video, then one per image.

    Attributes:
        num_videos, num_frames, num_images: B, T, and how many of T are images.
        rows: int64 (N,), the row of each frame.
        embedding: (R, E), noise level and everything pooled.
        tokens: (R, L, K), or None without text.
        mask: bool (R, L), true where a token counts.
        embedding_rows: int64 (N,), the row of each frame's embedding, where frames of a video have
            noise levels of their own; None where it is that of `rows`.
    """

    num_videos: int
    num_frames: int
    num_images: int
    rows: torch.Tensor
    embedding: torch.Tensor
    tokens: torch.Tensor | None
    mask: torch.Tensor | None
    embedding_rows: torch.Tensor | None = None

    def of_frames(self, values: torch.Tensor) -> torch.Tensor:
        """Rows of the embeddings as rows of the N frames."""
        return values[self.rows if self.embedding_rows is None else self.embedding_rows]


_Layer = TypeVar("_Layer", nn.Linear, nn.Conv2d)


def zeroed(layer: _Layer) -> _Layer:
    """`layer` with weight and bias 0: a residual branch that starts as nothing."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def group_norm(channels: int) -> GroupNorm:
    """Groups of four channels at least, 32 groups at most; statistics are float32 at least."""
    return GroupNorm(math.gcd(32, channels // 4), channels)


def positions_last(x: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) to (N, H·W, C), a view where channels are last in memory."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def frames_of(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """(N, H·W, C) back to (N, C, H, W) of `like`'s height and width."""
    return x.reshape(len(x), *like.shape[2:], -1).permute(0, 3, 1, 2)


def heads(x: torch.Tensor, num_heads: int) -> torch.Tensor:
    """(N, L, heads · D) to (N, heads, L, D), a view."""
    return x.reshape(*x.shape[:2], num_heads, -1).transpose(1, 2)


def attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Softmax attention of (N, heads, L, D) to (N, heads, M, D); a float `mask` is added.

    On a CPU it is computed in float32: PyTorch's kernel for half precision takes ten times as
    long there for rows as short as these.
    """
    if q.device.type != "cpu" or q.dtype == torch.float32:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    if mask is not None and mask.is_floating_point():
        mask = mask.float()
    with torch.autocast("cpu", enabled=False):
        wide = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=mask)
    return wide.to(q.dtype)


class NoiseEmbedding(nn.Module):
    """c_noise (R,) to (R, E): sines of geometric frequencies, then two linear layers.

    c_noise = ln(sigma) / 4 lies between -1.6 and 1.1 for the usual sigma 0.002 to 80, so
    the slowest wave covers eight units and the fastest one sixteenth.
    """

    frequencies: torch.Tensor

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        turns = torch.logspace(-3, 4, channels // 2, base=2)
        self.register_buffer("frequencies", 2 * math.pi * turns, persistent=False)
        self.first = nn.Linear(channels // 2 * 2, width)
        self.second = nn.Linear(width, width)

    def forward(self, c_noise: torch.Tensor) -> torch.Tensor:
        """c_noise (R,) to (R, E), in the dtype of the weights."""
        angles = c_noise.float()[:, None] * self.frequencies.float()
        waves = torch.cat([angles.cos(), angles.sin()], 1)
        embedding: torch.Tensor = self.second(silu(self.first(waves.to(self.first.weight.dtype))))
        return embedding


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions; the noise embedding scales and shifts between them."""

    def __init__(self, inputs: int, outputs: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = group_norm(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.affine = nn.Linear(embedding, 2 * outputs)
        self.norm2 = group_norm(outputs)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = zeroed(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor, context: FrameContext) -> torch.Tensor:
        """(N, C, H, W) to (N, D, H, W)."""
        h = self.conv1(self.norm1.silu(x))
        scale, shift = context.of_frames(self.affine(F.silu(context.embedding))).chunk(2, 1)
        h = silu(self.norm2.scaled(h, scale, shift))
        residual: torch.Tensor = self.skip(x) + self.conv2(self.dropout(h))
        return residual


class SpatialAttention(nn.Module):
    """Every position of a frame attends to every other."""

    def __init__(self, channels: int, head_channels: int) -> None:
        super().__init__()
        self.num_heads = channels // head_channels
        self.norm = group_norm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.output = zeroed(nn.Linear(channels, channels))

    def forward(self, x: torch.Tensor, context: FrameContext) -> torch.Tensor:  # noqa: ARG002
        """(N, C, H, W) to the same shape."""
        h: torch.Tensor = self.qkv(positions_last(self.norm(x)))
        q, k, v = heads(h, 3 * self.num_heads).chunk(3, 1)  # each (N, heads, H·W, C / heads)
        h = attend(q, k, v).transpose(1, 2).flatten(2)
        return x + frames_of(self.output(h), x)


class CrossAttention(nn.Module):
    """Every position of a frame attends to the text tokens of its row."""

    def __init__(self, channels: int, text_width: int, head_channels: int) -> None:
        super().__init__()
        self.num_heads = channels // head_channels
        self.norm = group_norm(channels)
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(text_width, 2 * channels)
        self.output = zeroed(nn.Linear(channels, channels))

    def forward(self, x: torch.Tensor, context: FrameContext) -> torch.Tensor:
        """(N, C, H, W) to the same shape; `context` has tokens."""
        assert context.tokens is not None
        assert context.mask is not None
        q = self.query(positions_last(self.norm(x)))
        kv, mask = self.key_value(context.tokens), context.mask
        if context.num_images:
            kv, mask = kv[context.rows], mask[context.rows]
        else:  # All frames of a video ask the same row: (B, T·H·W, C).
            q = q.reshape(context.num_videos, -1, q.shape[2])
        k, v = heads(kv, 2 * self.num_heads).chunk(2, 1)
        h = attend(heads(q, self.num_heads), k, v, mask[:, None, None])
        h = self.output(h.transpose(1, 2).flatten(2)).reshape(len(x), -1, x.shape[1])
        return x + frames_of(h, x)


class Downsample(nn.Module):
    """Half height and width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, C, H / 2, W / 2)."""
        halved: torch.Tensor = self.conv(x)
        return halved


class Upsample(nn.Module):
    """Twice the height and width, by repetition and a 3×3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, C, 2 H, 2 W)."""
        doubled: torch.Tensor = self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))
        return doubled
