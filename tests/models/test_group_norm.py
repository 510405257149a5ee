"""Norms that stay channels-last: against torch's own, values and gradients, in every dtype."""

import copy

import pytest
import torch
import torch.nn.functional as F

import pyoco_eval.models.group_norm as module
from pyoco_eval.models.group_norm import GroupNorm

TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6, torch.bfloat16: 2e-2, torch.float16: 3e-3}


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs on CUDA, on the CPU."""
    monkeypatch.setattr(module, "_by_hand", lambda x: True)


def norm_of(channels: int, groups: int, dtype: torch.dtype) -> GroupNorm:
    norm = GroupNorm(groups, channels).to(dtype)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        norm.weight.copy_(1 + 0.3 * torch.randn(channels, generator=generator))
        norm.bias.copy_(torch.randn(channels, generator=generator))
    return norm


def frames(dtype: torch.dtype, *, mean: float = 0.0) -> torch.Tensor:
    drawn = torch.randn(3, 24, 5, 7, generator=torch.Generator().manual_seed(0)) * 2 + mean
    return drawn.to(dtype).contiguous(memory_format=torch.channels_last)


def gradients(norm: GroupNorm, x: torch.Tensor, *rows: torch.Tensor) -> list[torch.Tensor]:
    """The result, then gradients of a sum with weights: to x, the parameters, the rows."""
    given = [x.clone().requires_grad_(), *(row.clone().requires_grad_() for row in rows)]
    y = norm.scaled(*given) if rows else norm(*given)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(2)).to(y.dtype)
    found = torch.autograd.grad((y * weights).sum(), [*given, norm.weight, norm.bias])
    return [y.detach(), *found]


def same(found: list[torch.Tensor], expected: list[torch.Tensor], dtype: torch.dtype) -> None:
    for mine, theirs in zip(found, expected, strict=True):
        scale = theirs.double().abs().max()
        assert (mine.double() - theirs.double()).abs().max() <= TOLERANCE[dtype] * scale


@pytest.mark.usefixtures("by_hand")
@pytest.mark.parametrize("mean", [0.0, 5.0])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_values_and_gradients_are_those_of_torch(dtype: torch.dtype, mean: float) -> None:
    x, kept = frames(dtype, mean=mean), torch.float64 if dtype == torch.float64 else torch.float32
    norm = norm_of(24, 6, kept)
    exact = copy.deepcopy(norm).double()
    plain = x.double().requires_grad_()
    y = F.group_norm(plain, 6, exact.weight, exact.bias, norm.eps)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(2)).to(dtype).double()
    expected = torch.autograd.grad((y * weights).sum(), [plain, exact.weight, exact.bias])
    found = gradients(norm, x)
    same(found, [y.detach(), *expected], dtype)
    assert found[0].dtype == found[1].dtype == dtype
    assert found[2].dtype == found[3].dtype == norm.weight.dtype
    assert found[0].is_contiguous(memory_format=torch.channels_last)


def test_a_scale_and_a_shift_are_folded_in(monkeypatch: pytest.MonkeyPatch) -> None:
    norm, x = norm_of(24, 6, torch.float32), frames(torch.float32)
    scale, shift = torch.randn(2, 3, 24, generator=torch.Generator().manual_seed(3))
    expected = gradients(norm, x, scale, shift)
    monkeypatch.setattr(module, "_by_hand", lambda x: True)
    same(gradients(norm, x, scale, shift), expected, torch.float32)


@pytest.mark.usefixtures("by_hand")
def test_gradients_are_the_limits_of_differences() -> None:
    x = frames(torch.float64)[:2, :8, :3, :2].clone().requires_grad_()
    weight, bias = torch.randn(2, 2, 8, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda *given: module._Normalised.apply(*given, 2, 1e-5), (x, weight, bias)
    )


def test_the_cpu_has_torchs_own_bits() -> None:
    norm, x = norm_of(24, 6, torch.float32), frames(torch.float32)
    plain = F.group_norm(x, 6, norm.weight, norm.bias, norm.eps)
    assert torch.equal(norm(x), plain)
    assert torch.equal(norm.silu(x), F.silu(plain))
    scale, shift = torch.randn(2, 3, 24)
    folded = torch.addcmul(shift[..., None, None], plain, 1 + scale[..., None, None])
    assert torch.equal(norm.scaled(x, scale, shift), folded)


def test_parameters_keep_their_names() -> None:
    assert set(GroupNorm(2, 8).state_dict()) == {"weight", "bias"}
