"""What the layers of a network know beside the frames, made from what is told of a batch.

Axes: B videos, T frames, R rows of conditioning (videos, then images), L tokens, K their width,
E width of the noise embedding.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from pyoco_eval.diffusion.denoiser import Conditioning
from pyoco_eval.errors import UsageError
from pyoco_eval.models.config import UNetConfig
from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.layers import FrameContext

Encoded = tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]
"""Embedding (R, E), tokens (R, L, K) and mask bool (R, L); the last two None without text."""

Encode = Callable[[torch.Tensor, Conditioning | None], Encoded]
"""From c_noise (R,) and what is known of R samples."""


def frame_context(
    encode: Encode,
    shape: tuple[int, int],
    c_noise: torch.Tensor,
    cond: Conditioning | None,
    num_images: int,
    image_cond: Conditioning | None,
) -> FrameContext:
    """Of B videos whose last frames are independent images, each with a row of its own.

    Args:
        encode: of the network.
        shape: (B, T).
        c_noise: (B,), of a video and its images; or (B, T), of each frame of a video.
        cond: of the videos; `image_cond` of the B · num_images images, video by video.
    """
    num_videos, num_frames = shape
    device = c_noise.device
    rows = torch.arange(num_videos, device=device)[:, None].expand(-1, num_frames)
    embedding, tokens, mask = encode(c_noise, cond)
    if embedding.ndim == 3:
        return _with_levels(shape, rows.flatten(), (embedding, tokens, mask), num_images)
    if num_images:
        images = num_videos + torch.arange(num_videos * num_images, device=device)
        rows = torch.cat([rows[:, num_images:], images.view(num_videos, -1)], 1)
        encoded = encode(c_noise.repeat_interleave(num_images), image_cond)
        embedding = torch.cat([embedding, encoded[0]])
        tokens, mask = _stacked_tokens(tokens, mask, encoded[1], encoded[2])
    return FrameContext(num_videos, num_frames, num_images, rows.flatten(), embedding, tokens, mask)


def _with_levels(
    shape: tuple[int, int], rows: torch.Tensor, encoded: Encoded, num_images: int
) -> FrameContext:
    """Where every frame has a noise level, and so an embedding (B, T, E), of its own."""
    embedding, tokens, mask = encoded
    if num_images or embedding.shape[:2] != shape:
        raise UsageError(
            f"noise levels {tuple(embedding.shape[:2])} of frames: they go with videos (B, T) = "
            f"{shape} without images"
        )
    own = torch.arange(len(rows), device=rows.device)
    levels = embedding.flatten(0, 1)
    return FrameContext(shape[0], shape[1], 0, rows, levels, tokens, mask, own)


def check_frames(x: torch.Tensor, num_images: int, config: UNetConfig | EfficientConfig) -> None:
    """Hold frames (B, T, C, H, W), the last `num_images` images, to what a network was built for.

    Raises:
        UsageError: other channels, sides that its levels do not divide, or more images than frames.
    """
    multiple = config.size_multiple
    if x.ndim != 5 or x.shape[2] != config.frame_channels:
        raise UsageError(
            f"frames have shape {tuple(x.shape)}; the network takes "
            f"(B, T, {config.frame_channels}, H, W)"
        )
    if x.shape[3] % multiple or x.shape[4] % multiple:
        raise UsageError(
            f"frames of {x.shape[3]}×{x.shape[4]} pixels: the network has "
            f"{len(config.multipliers)} levels and takes multiples of {multiple}"
        )
    if not 0 <= num_images <= x.shape[1]:
        raise UsageError(f"num_images {num_images} is not within the {x.shape[1]} frames")


def single_frames(context: FrameContext, frames: slice) -> FrameContext:
    """Of some of the N frames, each by itself: enough for layers that look at one frame."""
    rows = context.rows[frames]
    return replace(
        context,
        num_videos=len(rows),
        num_frames=1,
        num_images=0,
        rows=torch.arange(len(rows), device=rows.device),
        embedding=context.of_frames(context.embedding)[frames],
        embedding_rows=None,
        tokens=None if context.tokens is None else context.tokens[rows],
        mask=None if context.mask is None else context.mask[rows],
    )


def _stacked_tokens(
    tokens: torch.Tensor | None,
    mask: torch.Tensor | None,
    image_tokens: torch.Tensor | None,
    image_mask: torch.Tensor | None,
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Rows of videos, then of images, padded to one number of tokens."""
    if tokens is None or mask is None or image_tokens is None or image_mask is None:
        return None, None
    length = max(tokens.shape[1], image_tokens.shape[1])
    pad = nn.functional.pad
    rows = [pad(t, (0, 0, 0, length - t.shape[1])) for t in (tokens, image_tokens)]
    masks = [pad(m, (0, length - m.shape[1])) for m in (mask, image_mask)]
    return torch.cat(rows), torch.cat(masks)
