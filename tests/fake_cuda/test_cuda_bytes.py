"""How many bytes the operators of `ucf-69m` write on CUDA in bfloat16.

The plain norm is torch's, which puts channels first and, under autocast, writes float32.
"""

from dataclasses import dataclass

import pytest
import torch
from fake_device import Machine, hollow

import pyoco_eval.models.group_norm as group_norm
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import VideoUNet


@dataclass(frozen=True)
class Written:
    forward: int
    both: int


def written(cuda: Machine) -> Written:
    """By a forward pass of one video without gradients, and by both passes."""
    with torch.device("meta"):
        network = VideoUNet(PRESETS["ucf-69m"])
    hollow(network, cuda, "cuda")
    x = torch.ones(1, 16, 3, 64, 64, device="cuda")
    sigma = torch.ones(1, device="cuda")
    before = cuda.written
    with torch.autocast("cuda", torch.bfloat16), torch.no_grad():
        network(x, sigma)
    forward, before = cuda.written - before, cuda.written
    with torch.autocast("cuda", torch.bfloat16):
        found = network(x, sigma)
    found.sum().backward()
    return Written(forward, cuda.written - before)


def test_norms_in_bfloat16_write_half_of_the_bytes(
    cuda: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = written(cuda)
    monkeypatch.setattr(group_norm, "_by_hand", lambda x: False)
    plain = written(cuda)
    assert ours.forward < 0.6 * plain.forward
    assert ours.both < 0.75 * plain.both


def test_frames_stay_channels_last(cuda: Machine) -> None:
    norm = hollow(group_norm.GroupNorm(4, 16), cuda, "cuda")
    x = torch.ones(2, 16, 8, 8, device="cuda", dtype=torch.bfloat16)
    x = x.contiguous(memory_format=torch.channels_last)
    rows = torch.ones(2, 16, device="cuda")
    with torch.autocast("cuda", torch.bfloat16):
        for found in (norm(x), norm.silu(x), norm.scaled(x, rows, rows)):
            assert found.dtype == torch.bfloat16
            assert found.is_contiguous(memory_format=torch.channels_last)
