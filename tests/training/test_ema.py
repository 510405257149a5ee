"""The average against its closed form."""

import pytest
import torch

from pyoco_eval.training.ema import ema_weight, update_ema


def test_after_a_half_life_the_first_weights_count_half() -> None:
    """Weights 0, then 1 for ever: the average is 1 - 2^(-samples / half-life)."""
    average, weight = [torch.zeros(3, dtype=torch.float64)], [torch.ones(3, dtype=torch.float64)]
    for step in range(1, 101):
        update_ema(average, weight, ema_weight(step * 8, 8, 400, None))
        expected = 1 - 0.5 ** (step * 8 / 400)
        assert average[0] == pytest.approx([expected] * 3, rel=1e-12)


def test_the_warm_up_bounds_the_half_life_by_a_share_of_what_was_seen() -> None:
    assert ema_weight(1000, 10, 500_000, 0.05) == pytest.approx(0.5 ** (10 / 50))
    assert ema_weight(10**9, 10, 500_000, 0.05) == ema_weight(10**9, 10, 500_000, None)


def test_averages_in_float32_keep_small_changes() -> None:
    """One step of a half-life of 10^7 samples moves 1.0 by 7e-8 of the way to 1.5."""
    average = [torch.ones(1)]
    for _ in range(1000):
        update_ema(average, [torch.full((1,), 1.5)], ema_weight(10**9, 100, 10**7, None))
    assert float(average[0]) == pytest.approx(1 + 0.5 * (1 - 0.5 ** (100_000 / 10**7)), rel=1e-5)
