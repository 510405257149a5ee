"""Small models of every kind of generator, saved as their libraries save them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pyoco_eval.features.loading.torchvision_operators import import_torchvision
from pyoco_eval.models.building import build
from pyoco_eval.models.checkpoint import ModelInfo, save_model
from pyoco_eval.models.config import UNetConfig
from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.presets import PRESETS

CAPTIONS = [
    "a small red circle slides left slowly over plain navy",
    "a large striped blue star bounces quickly over grey clouds",
    "a small green ring fades slowly over olive dots",
]


def save_checkpoint(
    folder: Path,
    *,
    num_classes: int = 0,
    text: bool = True,
    unet: UNetConfig | EfficientConfig | None = None,
    seed: int = 0,
    **described: Any,
) -> Path:
    """A video model of 4 frames of 16 x 16 with random weights, no layer of it zero."""
    config = replace(unet or PRESETS["test"], num_classes=num_classes)
    if not text:
        config = replace(config, text=(), text_width=0, cross_attention=())
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(config)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, 0, 0.15)
    info = ModelInfo(
        config, "video" if config.temporal else "image", 4 if config.temporal else 1, fps=8.0,
        size=(16, 16), prior="progressive:alpha=2",
        text_encoders=("shapes",) if text else (), sampler="deis:order=2,num_steps=4",
        labels=tuple(f"class {i}" for i in range(num_classes)),
    )  # fmt: skip
    info = replace(info, **described)
    save_model(folder, network, info)
    return folder


def save_video_pipeline(folder: Path) -> Path:
    """A `TextToVideoSDPipeline` with random weights: 4 frames of 16 x 16 take a moment."""
    import_torchvision()
    from diffusers import AutoencoderKL, DDIMScheduler, TextToVideoSDPipeline, UNet3DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = UNet3DConditionModel(
            block_out_channels=(8, 8), layers_per_block=1, sample_size=8, in_channels=4,
            out_channels=4, down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
            up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"), cross_attention_dim=16,
            attention_head_dim=4, norm_num_groups=2,
        )  # fmt: skip
        vae = AutoencoderKL(
            block_out_channels=(8,), latent_channels=4, norm_num_groups=2, sample_size=16,
        )  # fmt: skip
        text_config = CLIPTextConfig(
            vocab_size=40, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
            num_attention_heads=2, max_position_embeddings=77, bos_token_id=0, eos_token_id=1,
        )  # fmt: skip
        text_encoder = CLIPTextModel(text_config)
    TextToVideoSDPipeline(
        vae, text_encoder, _letters(CLIPTokenizer), unet, DDIMScheduler()
    ).save_pretrained(folder)
    return folder


def save_image_pipeline(folder: Path) -> Path:
    """A `DDPMPipeline` with random weights: images of 8 x 8 from noise alone."""
    import_torchvision()
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = UNet2DModel(
            sample_size=8, block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=2,
            down_block_types=("DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D"),
        )  # fmt: skip
    DDPMPipeline(unet, DDPMScheduler()).save_pretrained(folder)
    return folder


def _letters(tokenizer: type) -> object:
    """A CLIP tokenizer that reads letter by letter."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = ["<|startoftext|>", "<|endoftext|>", *(letter + "</w>" for letter in letters)]
    return tokenizer(
        vocab={piece: i for i, piece in enumerate(pieces)}, merges=[], model_max_length=77
    )
