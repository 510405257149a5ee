"""What the probe needs of an image diffusion model, wherever it comes from.

Axes: T frames (a batch of images here), C channels, H, W of pixels; c, h, w of the model's space.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from pyoco_eval.diffusion.denoiser import Conditioning, Denoiser
from pyoco_eval.videos.frame_size import Size

DIFFUSERS = "diffusers:"
"""Prefix of a model that diffusers reads: a folder or an id of the Hugging Face hub."""


@dataclass(frozen=True)
class ImageModel:
    """A denoiser of single images with its space, its noise levels and its words.

    Attributes:
        name: for signatures, with the hash of its weights: `unet2d@1a2b3c4d`.
        digest: sha256 of its weights.
        denoiser: sees images as videos of one frame, (T, 1, c, h, w).
        size: of the images it was trained on, in pixels.
        sigma_min, sigma_max: noise levels between which it is walked.
        encode: float32 (T, 3, H, W) in [-1, 1] -> (T, c, h, w).
        decode: the way back.
        condition: prompt and T -> what the denoiser is told; None means unconditional.
        latent: whether its space is not that of pixels.
        device: where it computes.
    """

    name: str
    digest: str
    denoiser: Denoiser
    size: Size
    sigma_min: float
    sigma_max: float
    encode: Callable[[torch.Tensor], torch.Tensor]
    decode: Callable[[torch.Tensor], torch.Tensor]
    condition: Callable[[str | None, int], Conditioning | None]
    latent: bool
    device: torch.device


def same(images: torch.Tensor) -> torch.Tensor:
    """Encoder and decoder of a model of pixels."""
    return images
