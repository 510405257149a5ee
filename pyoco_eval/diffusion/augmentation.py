"""Noise in what a super-resolution network is told, and the level of it.

Axes: B videos, T frames, C channels, h, w.

With a share s of noise the network is told

    sqrt(1 - s²) frames + s e,  e ~ N(0, I), independent in every frame,

and s itself. Trained on many levels, it takes what another network made, whose faults it never saw,
for a noisy video of its training. s = 0 leaves the frames alone.

References:
    Ho et al., Cascaded Diffusion Models (2021), §4.2, Gaussian conditioning augmentation.
    Saharia et al., Imagen (2022), §2.3; Ho et al., Imagen Video (2022), §2.5: one level for all
    frames of a video.
"""

import torch

from pyoco_eval.diffusion.denoiser import LowResolution
from pyoco_eval.diffusion.precondition import per_sample

HIGHEST = 0.99
"""Above it nothing of the frames would be left to see."""


def augmented(frames: torch.Tensor, share: torch.Tensor, noise: torch.Tensor) -> LowResolution:
    """Frames as a network is told them.

    Args:
        frames: (B, T, C, h, w) in [-1, 1].
        share: s, (B,), 0 to `HIGHEST`.
        noise: of unit variance, of the frames' shape; any device.
    """
    s = per_sample(share.to(frames), frames)
    return LowResolution((1 - s**2).sqrt() * frames + s * noise.to(frames), share.to(frames))
