"""Diffusers pipelines small enough for a test, with random weights, saved as users have them."""

import json
from pathlib import Path
from typing import Any

import torch

from pyoco_eval.features.loading.torchvision_operators import import_torchvision

import_torchvision()
import diffusers  # noqa: E402
import transformers  # noqa: E402


def pixel_pipeline(folder: Path, *, size: int = 16, scheduler: Any = None, **changes: Any) -> Path:
    """A DDPMPipeline."""
    torch.manual_seed(0)
    settings = {
        "sample_size": size,
        "block_out_channels": (8, 16),
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "attention_head_dim": 8,
    }
    unet = diffusers.UNet2DModel(**settings | changes)
    scheduler = scheduler or diffusers.DDPMScheduler()
    diffusers.DDPMPipeline(unet, scheduler).save_pretrained(folder)
    return folder


def small_unet(**changes: Any) -> Any:
    """A UNet2DConditionModel of 8 x 8 latents."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "sample_size": 8,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (8, 16),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "cross_attention_dim": 12,
        "attention_head_dim": 4,
    }
    return diffusers.UNet2DConditionModel(**settings | changes).eval()


def latent_pipeline(folder: Path, *, prediction: str = "epsilon", **changes: Any) -> Path:
    """A StableDiffusionPipeline of 16 x 16 pixels, 8 x 8 latents."""
    unet = small_unet(**changes)
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=16,
    )
    text = transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            vocab_size=300, hidden_size=12, intermediate_size=24, num_hidden_layers=1,
            num_attention_heads=2, max_position_embeddings=16, bos_token_id=257, eos_token_id=258,
            pad_token_id=258,
        )
    )  # fmt: skip
    pipeline = diffusers.StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=_tokenizer(folder.with_name(f"{folder.name}-words")),
        unet=unet,
        scheduler=diffusers.PNDMScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012,
            prediction_type=prediction, set_alpha_to_one=False, steps_offset=1,
            skip_prk_steps=True,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return folder


def _tokenizer(folder: Path) -> Any:
    """A byte-level tokenizer without merges."""
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    folder.mkdir()
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({w: n for n, w in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=16)
