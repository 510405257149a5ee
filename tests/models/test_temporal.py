"""Temporal attention against a plain loop, and what relative positions promise."""

import math

import pytest
import torch
from networks import perturbed

from pyoco_eval.models.layers import FrameContext
from pyoco_eval.models.temporal import TemporalAttention


def context(num_videos: int, num_frames: int, num_images: int = 0) -> FrameContext:
    rows = torch.zeros(num_videos * num_frames, dtype=torch.int64)
    return FrameContext(num_videos, num_frames, num_images, rows, torch.zeros(1, 1), None, None)


@pytest.fixture
def layer() -> TemporalAttention:
    return perturbed(TemporalAttention(8, 4, 3)).double()


def looped(layer: TemporalAttention, frames: torch.Tensor) -> torch.Tensor:
    """(T, C, H, W) to the same, position by position, head by head, pair by pair."""
    num_frames, channels, height, width = frames.shape
    size = channels // layer.num_heads
    out = frames.clone()
    normed = layer.norm(frames)
    for y in range(height):
        for x in range(width):
            q, k, v = layer.qkv(normed[:, :, y, x]).chunk(3, 1)
            mixed = torch.zeros(num_frames, channels, dtype=frames.dtype)
            for head in range(layer.num_heads):
                own = slice(head * size, (head + 1) * size)
                logits = torch.zeros(num_frames, num_frames, dtype=frames.dtype)
                for i in range(num_frames):
                    for j in range(num_frames):
                        distance = max(-3, min(3, j - i))
                        logits[i, j] = q[i, own] @ k[j, own] / math.sqrt(size)
                        logits[i, j] += layer.positions.table[head, distance + 3]
                mixed[:, own] = logits.softmax(1) @ v[:, own]
            out[:, :, y, x] += layer.output(mixed)
    return out


@torch.no_grad()
@pytest.mark.parametrize("num_frames", [1, 6])
def test_it_is_attention_over_the_frames_of_each_position(
    layer: TemporalAttention, num_frames: int
) -> None:
    x = torch.randn(2, num_frames, 8, 2, 3, dtype=torch.float64)
    found = layer(x.flatten(0, 1), context(2, num_frames)).view(x.shape)
    torch.testing.assert_close(found, torch.stack([looped(layer, video) for video in x]))


@torch.no_grad()
def test_a_shift_in_time_shifts_the_result(layer: TemporalAttention) -> None:
    """With attention to nearest neighbours alone, frames away from both ends see the same."""
    layer.positions.table[:, [0, 1, 5, 6]] = -torch.inf
    x = torch.randn(8, 8, 2, 2, dtype=torch.float64)
    whole, later = layer(x, context(1, 8)), layer(x[1:], context(1, 7))
    torch.testing.assert_close(later[1:-1], whole[2:-1])
    assert (later[0] - whole[1]).abs().max() > 1e-3


@torch.no_grad()
def test_distances_have_a_sign(layer: TemporalAttention) -> None:
    """Frame i attends to frame i - 1 alone, so it hears of no other."""
    layer.positions.table.fill_(-1e4)
    layer.positions.table[:, 2] = 0
    x = torch.randn(5, 8, 2, 2, dtype=torch.float64)
    changed = x.clone()
    changed[2] = torch.randn(8, 2, 2, dtype=torch.float64)
    branch = layer(x, context(1, 5)) - x, layer(changed, context(1, 5)) - changed
    difference = (branch[1] - branch[0]).abs().amax((1, 2, 3))
    # Frame 0 has nobody before it: all its logits are equally low, and it attends to all.
    assert (difference[[1, 2, 4]] < 1e-9).all()
    assert (difference[[0, 3]] > 1e-3).all()


@torch.no_grad()
def test_many_positions_are_attended_to_in_parts(
    layer: TemporalAttention, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(8, 8, 2, 3, dtype=torch.float64)
    whole = layer(x, context(2, 4))
    monkeypatch.setattr("pyoco_eval.models.temporal._MAX_ROWS", 5)
    torch.testing.assert_close(layer(x, context(2, 4)), whole)


@torch.no_grad()
def test_images_pass_unchanged_and_unseen(layer: TemporalAttention) -> None:
    x = torch.randn(2, 5, 8, 2, 2, dtype=torch.float64)
    found = layer(x.flatten(0, 1), context(2, 5, 2)).view(x.shape)
    torch.testing.assert_close(found[:, 3:], x[:, 3:], rtol=0, atol=0)
    alone = layer(x[:, :3].flatten(0, 1), context(2, 3)).view(2, 3, 8, 2, 2)
    torch.testing.assert_close(found[:, :3], alone)
    all_images = layer(x.flatten(0, 1), context(2, 5, 5))
    torch.testing.assert_close(all_images, x.flatten(0, 1), rtol=0, atol=0)


@torch.no_grad()
def test_a_fresh_layer_adds_nothing() -> None:
    x = torch.randn(4, 8, 2, 2)
    assert torch.equal(TemporalAttention(8, 4, 3)(x, context(2, 2)), x)


@torch.no_grad()
def test_channels_stay_last_in_memory(layer: TemporalAttention) -> None:
    x = torch.randn(6, 8, 4, 4, dtype=torch.float64).to(memory_format=torch.channels_last)
    for num_images in (0, 1):
        out = layer(x, context(2, 3, num_images))
        assert out.is_contiguous(memory_format=torch.channels_last)
