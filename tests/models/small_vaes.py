"""VAEs of diffusers small enough for a test, with random weights, saved as users have them."""

from pathlib import Path
from typing import Any

import torch

from pyoco_eval.features.loading.torchvision_operators import import_torchvision

import_torchvision()
import diffusers  # noqa: E402


def small_vae(**changes: Any) -> Any:
    """An `AutoencoderKL` of 4 latent channels, 2 pixels a side for each latent."""
    settings: dict[str, Any] = {
        "block_out_channels": (8, 8),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "latent_channels": 4,
        "norm_num_groups": 4,
        "sample_size": 16,
        "scaling_factor": 2.0,
        "shift_factor": 0.1,
    }
    with torch.random.fork_rng():
        torch.manual_seed(changes.pop("seed", 0))
        return diffusers.AutoencoderKL(**settings | changes).eval()


def save_vae(folder: Path, **changes: Any) -> Path:
    small_vae(**changes).save_pretrained(folder)
    return folder
