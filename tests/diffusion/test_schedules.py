"""Grids of noise levels."""

import math
from collections.abc import Callable

import pytest
import torch

from pyoco_eval.diffusion.schedules import GRIDS, cosine, exponential, karras, linear
from pyoco_eval.errors import UsageError

WARPS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "karras": lambda s: s ** (1 / 7),
    "exponential": torch.log,
    "linear": lambda s: s,
    "cosine": torch.atan,
}


@pytest.mark.parametrize("name", GRIDS)
def test_levels_are_even_after_their_warp(name: str) -> None:
    sigmas = GRIDS[name](18, 0.002, 80)
    assert sigmas.dtype == torch.float64
    assert sigmas.shape == (19,)
    assert sigmas[[0, -2, -1]].tolist() == [80, 0.002, 0]
    steps = WARPS[name](sigmas[:-1]).diff()
    assert (steps < 0).all()
    assert torch.allclose(steps, steps.mean().expand(17), rtol=1e-9, atol=0)


def test_karras_of_the_paper() -> None:
    """EDM, Eq. 5, at i = 5 of N = 18."""
    expected = (80 ** (1 / 7) + 5 / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    assert float(karras(18)[5]) == pytest.approx(expected, rel=1e-12)


def test_limits_of_karras() -> None:
    assert torch.allclose(karras(9, rho=1), linear(9))
    assert torch.allclose(karras(9, rho=1e6), exponential(9), rtol=1e-4, atol=0)


def test_cosine_steps_through_the_angle() -> None:
    """alpha = cos² of an angle halfway between: sigma = 1 lies halfway from 1 / s to s."""
    assert float(cosine(3, 1 / 50, 50)[1]) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("name", GRIDS)
def test_unusable_grids(name: str) -> None:
    for num_steps, low, high in ((1, 0.1, 1), (4, 0, 1), (4, 1, 1), (4, 2, 1), (4, 1, math.inf)):
        with pytest.raises(UsageError):
            GRIDS[name](num_steps, low, high)
    with pytest.raises(UsageError, match="rho"):
        karras(4, rho=0)
