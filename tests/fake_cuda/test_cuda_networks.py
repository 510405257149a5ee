"""Every preset on CUDA, forwards and backwards: as training calls it, and as sampling does."""

from dataclasses import replace

import pytest
import torch
from fake_device import Machine, hollow

from pyoco_eval.diffusion.denoiser import (
    Conditioning,
    KnownFrames,
    LowResolution,
    TextEmbedding,
)
from pyoco_eval.diffusion.experts import ExpertDenoiser
from pyoco_eval.diffusion.precondition import EDMDenoiser
from pyoco_eval.models.building import build
from pyoco_eval.models.config import UNetConfig
from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.efficient_unet import EfficientUNet
from pyoco_eval.models.network import VideoNetwork
from pyoco_eval.models.presets import PRESETS

Config = UNetConfig | EfficientConfig


def short(config: Config) -> Config:
    """One block a level: every kind of layer at its width, without repetitions."""
    return replace(config, num_blocks=(1,) * len(config.num_blocks))


CONFIGS = {
    **{name: short(config) for name, config in PRESETS.items()},
    "images": PRESETS["test"].image(),
    "classes": replace(PRESETS["test"], num_classes=5),
    "dropout": replace(PRESETS["test"], dropout=0.1),
}


def built(config: Config, machine: Machine) -> VideoNetwork:
    with torch.device("meta"):
        network = build(config)
    return hollow(network, machine, "cuda")


def told(config: Config, rows: int, frames: torch.Tensor | None = None) -> Conditioning:
    """Text of every encoder, a class, and known frames, where the network takes them."""
    text = {
        source.name: TextEmbedding(
            torch.ones(rows, 5, source.width), torch.ones(rows, 5, dtype=torch.bool)
        )
        for source in config.text
    }
    labels = torch.zeros(rows, dtype=torch.int64) if config.num_classes else None
    known = None
    if config.known_frames and frames is not None:
        known = KnownFrames(frames.cpu(), torch.ones(frames.shape[:2], dtype=torch.bool))
    low = None
    if isinstance(config, EfficientConfig) and frames is not None:
        small = frames.cpu()[..., :: config.factor, :: config.factor]
        low = LowResolution(small, torch.zeros(rows))
    return Conditioning(text, labels, known, low).to("cuda")


@pytest.mark.parametrize(
    ("name", "bf16"), [*((name, True) for name in CONFIGS), ("test", False), ("ucf-69m", False)]
)
def test_forwards_and_backwards(cuda: Machine, name: str, bf16: bool) -> None:
    config = CONFIGS[name]
    network = built(config, cuda)
    network.gradient_checkpointing = bf16
    num_images = 2 if config.temporal and not config.known_frames else 0
    x = torch.ones(2, 6, 3, 16, 32, device="cuda")
    image_cond = told(config, 2 * num_images) if num_images else None
    with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
        found = EDMDenoiser(network)(
            x, torch.ones(2, device="cuda"), told(config, 2, x), num_images=num_images,
            image_cond=image_cond,
        )  # fmt: skip
        assert found.dtype == torch.float32
        assert found.shape == x.shape
    found.square().mean().backward()
    assert "products" not in cuda.attention.used
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.device == x.device
        assert parameter.grad.dtype == torch.float32


@pytest.mark.parametrize("size", [0, 3])
def test_a_few_frames_at_a_time(cuda: Machine, size: int) -> None:
    config = PRESETS["test-superres"]
    network = built(config, cuda)
    assert isinstance(network, EfficientUNet)
    network.frames_at_once = size
    x = torch.ones(2, 5, 3, 16, 16, device="cuda")
    with torch.no_grad(), torch.autocast("cuda", torch.bfloat16):
        found = network(x, torch.zeros(2, device="cuda"), told(config, 2, x))
    assert found.device == x.device
    assert found.shape == x.shape


def test_experts(cuda: Machine) -> None:
    config = PRESETS["test"]
    denoiser = ExpertDenoiser([EDMDenoiser(built(config, cuda)) for _ in (0, 1)], [0.3])
    x = torch.ones(2, 4, 3, 16, 16, device="cuda")
    with torch.no_grad():
        found = denoiser(x, torch.full((2,), 1.0, device="cuda"), told(config, 2))
    assert found.device == x.device


@pytest.mark.parametrize("name", ["test", "ucf-69m"])
def test_without_gradients(cuda: Machine, name: str) -> None:
    config = PRESETS[name]
    network = built(config, cuda)
    x = torch.ones(2, 4, 3, 16, 16, device="cuda")
    with torch.no_grad():
        assert network(x, torch.zeros(2, device="cuda"), told(config, 2)).device == x.device


def test_halves_of_a_network_in_bfloat16(cuda: Machine) -> None:
    config = PRESETS["test"]
    network = built(config, cuda).to(torch.bfloat16)
    x = torch.ones(2, 4, 3, 16, 16, device="cuda")
    found = EDMDenoiser(network)(x, torch.ones(2, device="cuda"), told(config, 2))
    assert found.dtype == torch.float32
    found.sum().backward()
