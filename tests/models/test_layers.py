"""Layers against torch's own modules and 3-D convolutions."""

import pytest
import torch
import torch.nn.functional as F
from networks import perturbed
from torch import nn

from pyoco_eval.models.layers import (
    CrossAttention,
    FrameContext,
    NoiseEmbedding,
    ResidualBlock,
    SpatialAttention,
    attend,
)


@pytest.fixture(params=["two videos of two frames", "one video with three images"])
def given(request: pytest.FixtureRequest) -> FrameContext:
    joint = request.param == "one video with three images"
    num_videos, num_frames, num_images = (1, 4, 3) if joint else (2, 2, 0)
    rows = torch.tensor([0, 1, 2, 3] if joint else [0, 0, 1, 1])
    mask = torch.tensor([[True, True, False], [True, False, False]] * 2)[: 4 if joint else 2]
    embedding, tokens = torch.randn(len(mask), 16), torch.randn(len(mask), 3, 12)
    return FrameContext(num_videos, num_frames, num_images, rows, embedding, tokens, mask)


def by_torch(
    layer: SpatialAttention | CrossAttention, state: dict[str, torch.Tensor], text_width: int
) -> nn.MultiheadAttention:
    attention = nn.MultiheadAttention(
        8, layer.num_heads, kdim=text_width, vdim=text_width, batch_first=True
    )
    attention.load_state_dict(state)
    return attention


@torch.no_grad()
def test_spatial_attention_is_multihead_attention_over_positions(given: FrameContext) -> None:
    layer = perturbed(SpatialAttention(8, 4))
    state = {
        "in_proj_weight": layer.qkv.weight,
        "in_proj_bias": layer.qkv.bias,
        "out_proj.weight": layer.output.weight,
        "out_proj.bias": layer.output.bias,
    }
    attention = by_torch(layer, state, 8)
    x = torch.randn(4, 8, 3, 2)
    positions = layer.norm(x).flatten(2).transpose(1, 2)
    expected = x + attention(positions, positions, positions)[0].transpose(1, 2).view(x.shape)
    torch.testing.assert_close(layer(x, given), expected)


@torch.no_grad()
def test_cross_attention_is_multihead_attention_to_the_text_of_the_row(
    given: FrameContext,
) -> None:
    layer = perturbed(CrossAttention(8, 12, 4))
    key, value = layer.key_value.weight.chunk(2)
    state = {
        "q_proj_weight": layer.query.weight,
        "k_proj_weight": key,
        "v_proj_weight": value,
        "in_proj_bias": torch.cat([layer.query.bias, layer.key_value.bias]),
        "out_proj.weight": layer.output.weight,
        "out_proj.bias": layer.output.bias,
    }
    attention = by_torch(layer, state, 12)
    x = torch.randn(4, 8, 3, 2)
    positions = layer.norm(x).flatten(2).transpose(1, 2)
    assert given.tokens is not None
    assert given.mask is not None
    tokens, mask = given.tokens[given.rows], given.mask[given.rows]
    mixed = attention(positions, tokens, tokens, key_padding_mask=~mask)[0]
    expected = x + mixed.transpose(1, 2).view(x.shape)
    torch.testing.assert_close(layer(x, given), expected)


@torch.no_grad()
def test_a_residual_block_over_frames_is_one_of_1x3x3_convolutions(given: FrameContext) -> None:
    block = perturbed(ResidualBlock(8, 12, 16, 0.0))

    def inflated(conv: nn.Module, x: torch.Tensor) -> torch.Tensor:
        assert isinstance(conv, nn.Conv2d)
        pad = conv.padding[0]
        weight = conv.weight[:, :, None]
        return nn.functional.conv3d(x, weight, conv.bias, padding=(0, pad, pad))

    def each_frame(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([module(frame) for frame in x.unbind(2)], 2)

    x = torch.randn(1, 8, 4, 5, 6)  # (B, C, T, H, W)
    h = inflated(block.conv1, nn.functional.silu(each_frame(block.norm1, x)))
    affine = block.affine(nn.functional.silu(given.embedding))[given.rows]
    scale, shift = affine.t()[None, :, :, None, None].chunk(2, 1)
    h = nn.functional.silu(each_frame(block.norm2, h) * (1 + scale) + shift)
    expected = inflated(block.skip, x) + inflated(block.conv2, h)
    found = block(x.transpose(1, 2).flatten(0, 1), given)
    torch.testing.assert_close(found, expected[0].transpose(0, 1), rtol=1e-4, atol=1e-5)


def test_the_noise_embedding_tells_levels_apart() -> None:
    """Over the levels training and sampling use, neighbours 5 % apart differ."""
    sigma = 0.002 * 1.05 ** torch.arange(218, dtype=torch.float64)
    embedding = NoiseEmbedding(16, 32).eval()
    c_noise = (sigma.log() / 4).float()
    angles = c_noise[:, None] * embedding.frequencies
    waves = torch.cat([angles.cos(), angles.sin()], 1)
    distances = torch.cdist(waves, waves) + 10 * torch.eye(len(waves))
    assert distances.min() > 0.1
    assert embedding(c_noise).shape == (218, 32)


def test_attention_in_half_precision_on_a_cpu_is_computed_in_float32() -> None:
    q, k, v = (torch.randn(2, 3, length, 8) for length in (5, 7, 7))
    mask = torch.randn(1, 3, 5, 7)
    halves = [each.bfloat16() for each in (q, k, v, mask)]
    found = attend(*halves)
    assert found.dtype == torch.bfloat16
    expected = F.scaled_dot_product_attention(
        *(each.float() for each in halves[:3]), attn_mask=halves[3].float()
    )
    assert torch.equal(found, expected.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(attend(*halves), found)
