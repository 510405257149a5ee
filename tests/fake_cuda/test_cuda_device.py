"""The device that is not there refuses what a real one refuses."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fake_device import Machine
from torch import nn


def test_tensors_of_two_devices_do_not_meet(cuda: Machine) -> None:
    with pytest.raises(RuntimeError, match="same device"):
        torch.ones(3, device="cuda") + torch.ones(3)


def test_dtypes_of_a_product_must_be_alike(cuda: Machine) -> None:
    layer = nn.Conv2d(4, 4, 1).to("cuda")
    with pytest.raises(RuntimeError, match="type"):
        layer(torch.ones(1, 4, 2, 2, device="cuda", dtype=torch.bfloat16))


def test_arrays_are_of_the_cpu(cuda: Machine) -> None:
    there = torch.zeros(2, device="cuda")
    with pytest.raises(RuntimeError, match="numpy"):
        there.numpy()
    assert np.array_equal(there.cpu().numpy(), [1, 1])


def test_the_cpu_keeps_its_numbers(cuda: Machine) -> None:
    assert (torch.tensor([1.0, 2]) * 3).tolist() == [3, 6]


def test_gradients_are_on_the_device_under_autocast(cuda: Machine) -> None:
    layer = nn.Linear(8, 8).to("cuda")
    with torch.autocast("cuda", torch.bfloat16):
        y = layer(torch.ones(2, 8, device="cuda"))
        assert y.dtype == torch.bfloat16
        normed = F.group_norm(y, 2)
    normed.sum().backward()
    assert normed.dtype == torch.float32
    assert layer.weight.grad is not None
    assert layer.weight.grad.device.type == "cuda"


def test_written_bytes_are_counted_and_views_are_not(cuda: Machine) -> None:
    x = torch.ones(4, 4, device="cuda")
    before = cuda.written
    x.view(16)[:8].transpose(0, 0)
    assert cuda.written == before
    x.bfloat16()
    assert cuda.written == before + 32
    x.add_(1)
    assert cuda.written == before + 32 + 64


def test_reading_a_number_is_noted(cuda: Machine) -> None:
    assert float(torch.zeros(1, device="cuda")) == 1
    assert bool(torch.zeros(2, device="cuda").isfinite().all())
    assert cuda.reads == 2


def test_nothing_of_it_is_left() -> None:
    assert not torch.cuda.is_available()
    assert torch.accelerator.current_accelerator(check_available=False) is None
    weight = torch.ones(2, requires_grad=True)
    weight.sum().backward()
    assert weight.grad is not None
