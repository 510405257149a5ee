"""Convolution by pairs of rows against the direct sum."""

import pytest
import torch
import torch.nn.functional as F

from pyoco_eval.features.layers import winograd_conv3d as row_pairs
from pyoco_eval.features.layers.conv_relu3d import ConvReLU3d
from pyoco_eval.features.layers.winograd_conv3d import (
    conv3d_row_pairs,
    row_filters,
    suits_row_pairs,
)


@pytest.mark.parametrize("elements", [1, 640_000])
@pytest.mark.parametrize("shape", [(1, 3, 4, 14, 9), (2, 5, 1, 2, 3), (1, 2, 7, 16, 1)])
def test_whole_numbers_come_out_exactly(
    shape: tuple[int, ...], elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even kernels make every filter whole, and then float32 rounds nothing."""
    monkeypatch.setattr(row_pairs, "_PASS_ELEMENTS", elements)
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(-9, 10, shape, generator=generator).float()
    weight = 2.0 * torch.randint(-9, 10, (6, shape[1], 3, 3, 3), generator=generator)
    bias = torch.randint(-9, 10, (6,), generator=generator).float()
    found = conv3d_row_pairs(x, row_filters(weight), bias)
    assert torch.equal(found, F.conv3d(x, weight, bias, padding=1))


def test_rounds_as_float32_does() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(1, 128, 4, 28, 28, generator=generator)
    weight = 0.1 * torch.randn(64, 128, 3, 3, 3, generator=generator)
    bias = torch.randn(64, generator=generator)
    exact = F.conv3d(x.double(), weight.double(), bias.double(), padding=1)
    found = conv3d_row_pairs(x, row_filters(weight), bias)
    assert 0 < (found - exact).norm() / exact.norm() < 1e-6  # measured 5.5e-7


def test_only_float32_of_some_size_on_the_cpu_is_suited() -> None:
    x = torch.zeros(1, 32, 2, 14, 5)
    assert suits_row_pairs(x)
    assert not suits_row_pairs(x.bfloat16())
    assert not suits_row_pairs(x.to("meta"))
    assert not suits_row_pairs(torch.zeros(1, 31, 2, 14, 5))
    assert not suits_row_pairs(torch.zeros(1, 32, 2, 12, 5))
    assert not suits_row_pairs(torch.zeros(1, 32, 2, 15, 5))


@torch.no_grad()
def test_unit_follows_weights_loaded_later() -> None:
    torch.manual_seed(2)
    units = [ConvReLU3d(32, 8, 3) for _ in range(2)]
    for unit in units:
        torch.nn.init.normal_(unit.weight)
        torch.nn.init.normal_(unit.bias)
    x = torch.randn(1, 32, 3, 14, 14)
    before = units[0](x)
    units[0].load_state_dict(units[1].state_dict())
    assert not torch.equal(units[0](x), before)
    assert torch.equal(units[0](x), units[1](x))


@torch.no_grad()
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (1, 1), (7, 2)])
def test_unit_is_a_convolution_then_relu(kernel: int, stride: int) -> None:
    torch.manual_seed(3)
    unit = ConvReLU3d(32, 8, kernel, stride)
    torch.nn.init.normal_(unit.weight)
    torch.nn.init.normal_(unit.bias)
    x = torch.randn(2, 32, 9, 15, 15)  # odd, so that SAME is symmetric
    for height in (15, 14) if stride == 1 else (15,):
        part = x[:, :, :, :height]
        expected = F.conv3d(part, unit.weight, unit.bias, stride, padding=kernel // 2).relu()
        torch.testing.assert_close(unit(part), expected, rtol=1e-4, atol=1e-3)
