"""Extrapolation to infinitely many samples: exact lines, Gaussians of known distance, grouping."""

import numpy as np
import pytest

from pyoco_eval.errors import UsageError
from pyoco_eval.metrics.extrapolation import extrapolate, extrapolate_frechet
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.sample_floor import SmallSampleError
from pyoco_eval.statistics.moments import Moments

DIM = 8
SHIFT = 0.5
EXACT = Moments(10**9, np.zeros(DIM), np.eye(DIM) * 10**9)


def draw(seed: int, count: int, shift: float = 0, scale: float = 1) -> np.ndarray:
    return np.random.default_rng([seed, count]).normal(size=(count, DIM)) * scale + shift


def test_a_straight_line_is_found_exactly() -> None:
    found = extrapolate(lambda x, _: 3 + 70 / len(x), np.zeros((200, 1)), None, floor=10)
    assert found.sizes[0] == 50
    assert found.sizes[-1] == 200
    assert found.infinity == pytest.approx(3, rel=1e-12)
    assert found.slope == pytest.approx(70, rel=1e-11)
    assert found.standard_error < 1e-12
    assert found.mean == pytest.approx([3 + 70 / n for n in found.sizes], rel=1e-15)
    assert found.std == pytest.approx([0] * 15, abs=1e-14)
    assert found.spec() == "15x3-seed0-refexact"


def test_the_standard_error_is_that_of_least_squares() -> None:
    def score(x: np.ndarray, _: np.ndarray | None) -> float:
        return float(np.sin(len(x)))

    found = extrapolate(score, np.zeros((90, 1)), None, floor=9, num_sizes=7, repeats=1)
    x = 1 / np.array(found.sizes)
    coefficients, covariance = np.polyfit(x, found.mean, 1, cov=True)
    assert found.slope == pytest.approx(coefficients[0], rel=1e-9)
    assert found.infinity == pytest.approx(coefficients[1], rel=1e-9)
    assert found.standard_error == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-9)


@pytest.mark.parametrize("fixed", [True, False])
def test_the_limit_of_gaussians_is_several_times_nearer_to_their_distance(fixed: bool) -> None:
    dim, count, trials = 32, 160, 30
    truth = dim * (0.1**2 + 0.2**2)
    exact = Moments(10**9, np.zeros(dim), np.eye(dim) * 10**9)
    limits, plain = [], []
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        x = rng.normal(size=(count, dim)) * 1.2 + 0.1
        y = exact if fixed else rng.normal(size=(count, dim))
        found = extrapolate_frechet(x, y, num_sizes=8)
        limits.append(found.infinity - truth)
        plain.append(found.mean[-1] - truth)
        assert found.fixed_reference == fixed
    # Every plain value is too large, by far more than the limits scatter.
    scatter = float(np.std(limits))
    assert min(plain) > 3 * scatter
    assert np.mean(np.abs(plain)) > 3.5 * np.mean(np.abs(limits))
    # What is left of the bias is the curvature of the score in 1/N.
    assert abs(np.mean(limits)) < 0.25 * np.mean(plain) + 4 * scatter / np.sqrt(trials)


def test_the_last_size_is_the_plain_score_and_none_is_below_the_floor() -> None:
    x, y = draw(0, 30, SHIFT), draw(1, 60)
    found = extrapolate_frechet(x, y, num_sizes=6)
    assert found.mean[-1] == pytest.approx(frechet_distance(x, y).distance, rel=1e-12)
    assert found.std[-1] == 0 < min(found.std[:-1])
    assert found.sizes[0] == DIM + 1
    assert found.mean == tuple(sorted(found.mean, reverse=True))


def test_both_sides_shrink_in_proportion() -> None:
    seen = []

    def score(x: np.ndarray, y: np.ndarray | None) -> float:
        assert y is not None
        seen.append((len(x), len(y)))
        return 1.0

    found = extrapolate(score, np.zeros((40, 1)), np.zeros((120, 1)), floor=20, num_sizes=3)
    assert sorted(set(seen)) == [(20, 60), (30, 90), (40, 120)]
    assert not found.fixed_reference
    assert found.spec() == "3x3-seed0"
    # The side with fewer rows decides how far down both may go.
    seen.clear()
    extrapolate(score, np.zeros((120, 1)), np.zeros((40, 1)), floor=20, num_sizes=3)
    assert min(seen) == (60, 20)


def test_groups_stay_together() -> None:
    rows = np.repeat(np.arange(30), 4)[:, None]
    order = np.random.default_rng(0).permutation(120)
    sizes = []

    def score(x: np.ndarray, _: np.ndarray | None) -> float:
        _, counts = np.unique(x, return_counts=True)
        assert set(counts) == {4}
        sizes.append(len(x))
        return 1.0

    extrapolate(score, rows[order], None, floor=50, groups_generated=rows[order, 0])
    assert min(sizes) == 52
    assert max(sizes) == 120


def test_subsets_repeat_no_row_and_the_seed_decides() -> None:
    def subsets(seed: int) -> list[tuple[int, ...]]:
        seen: list[tuple[int, ...]] = []

        def score(x: np.ndarray, _: np.ndarray | None) -> float:
            seen.append(tuple(x))
            return 1.0

        extrapolate(score, np.arange(60), None, floor=5, num_sizes=4, seed=seed)
        return seen

    first = subsets(3)
    assert all(len(set(subset)) == len(subset) for subset in first)
    assert subsets(3) == first != subsets(4)
    assert len(first) == 3 * 3 + 1


def test_what_cannot_be_extrapolated() -> None:
    x = draw(0, 40)
    for few in (draw(1, DIM + 1), draw(1, DIM + 2)):  # one or two sizes above the floor
        for sides in ((few, x), (x, few), (few, EXACT)):
            with pytest.raises(SmallSampleError, match="too few to extrapolate"):
                extrapolate_frechet(*sides)
    found = extrapolate_frechet(draw(1, DIM + 3), draw(0, DIM + 3), num_sizes=3)
    assert found.sizes == (DIM + 1, DIM + 2, DIM + 3)
    for arguments in ({"num_sizes": 2}, {"repeats": 0}, {"groups_generated": np.arange(39)}):
        with pytest.raises(UsageError):
            extrapolate_frechet(x, x, **arguments)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no rows to belong to"):
        extrapolate_frechet(x, EXACT, groups_reference=np.arange(40))
