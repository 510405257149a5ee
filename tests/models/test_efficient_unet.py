"""The network that enlarges: its size, what it starts as, and that parts make the whole."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from pyoco_eval.diffusion.denoiser import Conditioning, KnownFrames, LowResolution, TextEmbedding
from pyoco_eval.errors import UsageError
from pyoco_eval.models.building import build, count_parameters
from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.efficient_unet import EfficientUNet
from pyoco_eval.models.inflation import inflate
from pyoco_eval.models.presets import PRESETS

CONFIG = PRESETS["test-superres"]
assert isinstance(CONFIG, EfficientConfig)


def made(config: EfficientConfig = CONFIG, seed: int = 0) -> EfficientUNet:
    """With weights that are zero at first filled in, so that every layer has a say."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(config)
        for parameter in network.parameters():
            if not parameter.any():
                nn.init.normal_(parameter, std=0.05)
    assert isinstance(network, EfficientUNet)
    return network.eval()


def told(x: torch.Tensor, factor: int = 4, seed: int = 1) -> Conditioning:
    generator = torch.Generator().manual_seed(seed)
    b, t, c, h, w = x.shape
    low = torch.rand(b, t, c, h // factor, w // factor, generator=generator) * 2 - 1
    tokens = torch.randn(b, 3, 64, generator=generator)
    text = {"shapes": TextEmbedding(tokens, torch.ones(b, 3, dtype=torch.bool))}
    return Conditioning(text, low=LowResolution(low, torch.linspace(0, 0.5, b)))


def frames(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(2))


def test_the_papers_size() -> None:
    """Ge et al. (2023), §5.1: 313 M parameters."""
    assert count_parameters(PRESETS["t2v-superres"]) == pytest.approx(313e6, rel=0.01)


@torch.no_grad()
def test_an_inflated_network_is_the_image_network_frame_by_frame() -> None:
    image = made(CONFIG.image())
    video = build(CONFIG).eval()
    assert isinstance(video, EfficientUNet)
    inflate(image.state_dict(), video)
    x, c_noise = frames(2, 3, 3, 16, 16), torch.tensor([0.1, -0.3])
    cond = told(x)
    whole = video(x, c_noise, cond)
    assert whole.abs().max() > 1e-3
    for number in range(3):
        low = replace(cond.low, frames=cond.low.frames[:, number : number + 1])  # type: ignore[type-var, union-attr]
        alone = image(x[:, number : number + 1], c_noise, replace(cond, low=low))
        torch.testing.assert_close(whole[:, number : number + 1], alone, atol=1e-6, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_few_frames_at_a_time_are_the_whole(size: int) -> None:
    network = made()
    x, c_noise = frames(2, 5, 3, 16, 24), torch.tensor([0.1, -0.3])
    whole = network(x, c_noise, told(x))
    network.frames_at_once = size
    torch.testing.assert_close(network(x, c_noise, told(x)), whole, atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_convolution_over_time_is_that_of_torch() -> None:
    network = made()
    layer = network.down[0][0].temporal  # type: ignore[index]
    x = frames(4, layer.bias.shape[0], 3, 2)
    normed = layer.norm(x)[None].permute(0, 2, 1, 3, 4)
    expected = nn.functional.conv3d(
        normed, layer.weight[..., None], layer.bias, padding=(1, 0, 0)
    )  # fmt: skip
    found = layer.of_frames(x[None], 0, 4)
    torch.testing.assert_close(found[0], x + expected[0].permute(1, 0, 2, 3))


@torch.no_grad()
def test_images_at_the_end_neither_see_nor_change_the_video() -> None:
    network = made()
    x, c_noise = frames(1, 5, 3, 16, 16), torch.tensor([0.2])
    cond = told(x)
    images = Conditioning(
        {"shapes": TextEmbedding(frames(2, 4, 64), torch.ones(2, 4, dtype=torch.bool))}
    )
    joint = network(x, c_noise, cond, num_images=2, image_cond=images)
    assert cond.low is not None
    short = replace(cond, low=replace(cond.low, frames=cond.low.frames[:, :3]))
    torch.testing.assert_close(joint[:, :3], network(x[:, :3], c_noise, short))
    other = x.clone()
    other[:, 3] += 1
    again = network(other, c_noise, cond, num_images=2, image_cond=images)
    torch.testing.assert_close(again[:, 4], joint[:, 4])
    assert not torch.allclose(again[:, 3], joint[:, 3])


@torch.no_grad()
def test_the_share_of_noise_is_heard() -> None:
    network = made()
    x, c_noise = frames(1, 2, 3, 16, 16), torch.tensor([0.2])
    cond = told(x)
    assert cond.low is not None
    noisier = replace(cond, low=replace(cond.low, augmentation=torch.tensor([0.4])))
    assert not torch.allclose(network(x, c_noise, cond), network(x, c_noise, noisier), atol=1e-4)


def test_gradient_checkpointing_changes_no_gradient() -> None:
    gradients = []
    for again in (False, True):
        network = made().train()
        network.gradient_checkpointing = again
        x = frames(1, 3, 3, 16, 16)
        network(x, torch.tensor([0.1]), told(x)).square().sum().backward()
        gradients.append([p.grad for p in network.parameters() if p.grad is not None])
    assert len(gradients[0]) > 40
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_refusals() -> None:
    network, x = made(), frames(1, 2, 3, 16, 16)
    c_noise, cond = torch.tensor([0.1]), told(x)
    known = KnownFrames(x, torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(UsageError, match="told `low`"):
        network(x, c_noise)
    with pytest.raises(UsageError, match="no known frames"):
        network(x, c_noise, replace(cond, known=known))
    with pytest.raises(UsageError, match="do not fit"):
        network(x, c_noise, told(x, factor=2))
    with pytest.raises(UsageError, match="multiples of 4"):
        network(x[..., :14], c_noise, cond)
    with pytest.raises(UsageError, match="factor: 1 is not within"):
        replace(CONFIG, factor=1)
    with pytest.raises(UsageError, match="one entry per level"):
        replace(CONFIG, num_blocks=(1,))
    with pytest.raises(UsageError, match="cross_attention names level 5"):
        replace(CONFIG, cross_attention=(5,))
