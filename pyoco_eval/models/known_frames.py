"""Known frames as a network that fills in frames sees them.

Where a frame is not known, what stands between the known ones about it is shown: each network
would otherwise have to carry that over time first, and learns the difference instead.

Axes: B videos, T frames, C channels, H, W.

Reference: Ho et al., Imagen Video (2022), §2.4: conditioning frames repeated for missing times and
concatenated on channels.
"""

import torch

from pyoco_eval.diffusion.denoiser import KnownFrames


def filled(known: KnownFrames, num_images: int = 0) -> torch.Tensor:
    """(B, T, C, H, W): known frames, and between two of them their weighted mean.

    Beyond the first and the last known frame these are repeated. Zeros where a video has none, and
    in the images at its end.

    Args:
        num_images: the last so many of the T frames are independent images, never known.
    """
    mask, frames = known.mask, known.frames
    length = mask.shape[1]
    place = torch.arange(length, device=mask.device).expand_as(mask)
    before = torch.where(mask, place, -1).cummax(1).values
    after = torch.where(mask, place, length).flip(1).cummin(1).values.flip(1)
    unseen = (before.amax(1, keepdim=True) < 0) | (place >= length - num_images)
    first = torch.where(before < 0, after, before).clamp(0, length - 1)
    last = torch.where(after == length, before, after).clamp(0, length - 1)
    share = (place - first) / (last - first).clamp_min(1)
    rows = torch.arange(len(mask), device=mask.device)[:, None]
    mean = torch.lerp(frames[rows, first], frames[rows, last], _wide(share.to(frames.dtype)))
    return torch.where(_wide(unseen), 0, mean)


def _wide(values: torch.Tensor) -> torch.Tensor:
    return values[:, :, None, None, None]
