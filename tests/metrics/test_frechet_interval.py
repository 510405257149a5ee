"""Intervals of Fréchet distances where the bias is large, tails heavy, or rows few."""

import numpy as np
import pytest

from pyoco_eval.metrics.division import Division
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.frechet_bounds import _distance_of_blocks
from pyoco_eval.metrics.frechet_interval import _exponent, frechet_interval
from pyoco_eval.metrics.interval import (
    deviation_of_difference,
    deviation_of_halves,
    student_quantile,
)
from pyoco_eval.metrics.interval_text import headline_text
from pyoco_eval.statistics.moments import Moments

DIM = 24
DEVIATIONS = np.arange(1.0, DIM + 1) ** -0.5
SHIFT, SCALE = 0.1, 1.2
TRUTH = float(np.sum((SHIFT**2 + (SCALE - 1) ** 2) * DEVIATIONS**2))
TRIALS = 60


def pair(
    trial: int, rows: int, *, heavy: bool = False, groups_of: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Generated and reference rows at the distance TRUTH; groups share 0.7 of their variance."""
    rng = np.random.default_rng([trial, rows])
    found = []
    for _ in range(2):
        x = rng.normal(size=(rows, DIM))
        if groups_of > 1:
            shared = np.repeat(rng.normal(size=(rows // groups_of, DIM)), groups_of, axis=0)
            x = np.sqrt(0.7) * shared + np.sqrt(0.3) * x
        if heavy:
            x *= np.sqrt(3 / rng.chisquare(5, size=(rows, 1)))
        found.append(x)
    return (found[0] * SCALE + SHIFT) * DEVIATIONS, found[1] * DEVIATIONS


@pytest.mark.parametrize(
    "law", [{}, {"heavy": True}, {"groups_of": 4}], ids=["gaussian", "heavy", "sources"]
)
def test_five_rows_a_dimension_suffice(law: dict[str, bool | int]) -> None:
    """Of heavy tails and of sources, taking the bias off as 1/N alone leaves a fifth of it."""
    rows, held, centres, reported, simple = 5 * DIM // 4 * 4, 0, [], [], []
    groups = np.arange(rows) // 4 if "groups_of" in law else None
    for trial in range(TRIALS):
        x, y = pair(trial, rows, **law)  # type: ignore[arg-type]
        found = frechet_interval(
            x, y, groups_generated=groups, groups_reference=groups, num_resamples=40
        )
        assert found.target == "limit"
        assert found.limits is not None
        held += found.low <= TRUTH <= found.high
        centres.append(found.centre)
        simple.append(found.limits[0])
        reported.append(frechet_distance(x, y).distance)
    assert held >= 0.88 * TRIALS
    bias = np.mean(reported) - TRUTH
    assert bias > 0.5 * TRUTH
    assert abs(np.mean(centres) - TRUTH) < 0.2 * bias
    if law:
        assert np.mean(simple) - TRUTH > 0.08 * bias
        # The limit for 1/N alone lies above, beyond chance; the centre is nearer or beneath.
        assert np.mean(centres) < np.mean(simple)


@pytest.mark.parametrize("rows", [12, 24, 40])
def test_bounds_hold_the_distance_below_the_floor(rows: int) -> None:
    held, lows = 0, []
    for trial in range(TRIALS):
        x, y = pair(trial, rows)
        found = frechet_interval(x + 1.5 * DEVIATIONS, y, num_resamples=20)
        truth = TRUTH + float(np.sum(((SHIFT + 1.5) ** 2 - SHIFT**2) * DEVIATIONS**2))
        assert found.target == "bounds"
        score = frechet_distance(x + 1.5 * DEVIATIONS, y).distance
        assert found.low <= score <= found.high
        held += found.low <= truth <= found.high
        lows.append(found.low)
    assert held >= 0.93 * TRIALS
    assert np.mean(lows) > 0.3 * truth, "the lower bound says something"


@pytest.mark.parametrize("rows", [12, 24, 40])
def test_the_error_of_a_score_of_few_rows_is_that_from_sample_to_sample(rows: int) -> None:
    scores, deviations = [], []
    for trial in range(TRIALS):
        x, y = pair(trial, rows)
        scores.append(frechet_distance(x, y).distance)
        deviations.append(frechet_interval(x, y, num_resamples=20).deviation)
    assert 0.85 < np.sqrt(np.mean(np.square(deviations))) / np.std(scores) < 1.7


def test_the_bounds_are_bounds() -> None:
    """For known moments: blocks apart are never further than the whole, samples never nearer."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        mixing = rng.normal(size=(2, DIM, DIM))
        a, b = (Moments(2, rng.normal(size=DIM), m @ m.T) for m in mixing)
        whole = frechet_distance(Moments(2, a.mean, a.m2), b)
        # Moments of two rows have rank 1 by count, so the whole is that of the matrices as given.
        exact = _distance_of_blocks(a, b, DIM)
        previous = 0.0
        for block in (1, 3, 6, 12, DIM):
            found = _distance_of_blocks(a, b, block)
            assert found >= previous - 1e-9
            previous = found
        assert previous == pytest.approx(exact)
        assert whole.mean == pytest.approx(float(np.sum((a.mean - b.mean) ** 2)))
    mean_of_samples = np.mean([frechet_distance(*pair(trial, 12)).distance for trial in range(40)])
    assert mean_of_samples > TRUTH


def test_the_exponent_of_a_power_law_is_found() -> None:
    for power in (0.5, 0.8, 1.0, 1.3):
        excess = [(1 / share) ** power - 1 for share in (1 / 2, 3 / 4)]
        assert _exponent(*excess) == pytest.approx(power, abs=1e-3)
    assert _exponent(0.0, 0.0) == _exponent(-1.0, 1.0) == 1


def test_division_depends_on_names_alone() -> None:
    names = np.array([f"clip {k}" for k in range(40)])
    division = Division(40, names)
    parts = division.parts(4, draw=3, seed=1)
    assert np.bincount(parts).tolist() == [10] * 4
    order = np.random.default_rng(0).permutation(40)
    assert Division(40, names[order]).parts(4, 3, 1).tolist() == parts[order].tolist()
    assert division.parts(4, 4, 1).tolist() != parts.tolist() != division.parts(4, 3, 2).tolist()
    assert division.names_hash() == Division(40, names[order]).names_hash()
    assert division.names_hash() != Division(40, None).names_hash()
    grouped = Division(40, np.repeat(names[:10], 4)).parts(2, 0, 0).reshape(10, 4)
    assert (grouped == grouped[:, :1]).all()
    # Over draws every pair of rows is together as often as chance has it.
    together = np.mean([division.parts(2, draw, 0)[0] == division.parts(2, draw, 0)[1]
                        for draw in range(2000)])  # fmt: skip
    assert together == pytest.approx(19 / 39, abs=0.04)


def test_the_error_of_a_difference_leaves_out_the_quadratic_part_counted_twice() -> None:
    """Of |mean|² of centred rows, which is quadratic alone, halves differ by √2 too much."""
    estimates, values = [], []
    for trial in range(200):
        x = np.random.default_rng(trial).normal(size=(64, 10))
        division = Division(64, None)
        halves = []
        for draw in range(20):
            first = division.parts(2, draw, 0) == 0
            halves.append([np.sum(x[half].mean(axis=0) ** 2) for half in (first, ~first)])
        estimates.append(
            [deviation_of_halves(np.array(halves)), deviation_of_difference(np.array(halves))]
        )
        values.append(np.sum(x.mean(axis=0) ** 2))
    plain, corrected = np.sqrt(np.mean(np.square(estimates), axis=0)) / np.std(values)
    assert plain == pytest.approx(np.sqrt(2), rel=0.15)
    assert corrected == pytest.approx(1, rel=0.15)


def test_quantiles_are_students() -> None:
    for freedom, expected in ((10, 2.228139), (20, 2.085963), (50, 2.008559)):
        assert student_quantile(0.95, freedom) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(
    ("interval", "extras", "ci", "text"),
    [
        (
            (0.0, 1.007),
            {"interval_target": "limit", "interval_centre": 0.62},
            "quarters100",
            ", at N → ∞ 0.62 [0, 1.007]",
        ),
        ((0.0, 0.0), {"interval_centre": -0.3}, "quarters100", ", at N → ∞ 0 [0, 0], cut off at 0"),
        ((0.5, 1.4), {"interval_target": "bounds"}, "b", ", at N → ∞ between 0.5 and 1.4"),
        ((1.2, 1.4), {"interval_target": "rows", "interval_centre": 1.319}, "h", " [1.2, 1.4]"),
        ((1.2, 1.4), {}, "boot100", " [1.2, 1.4]"),
        (
            (2.0, 2.4),
            {"interval_target": "rows", "interval_centre": 2.2},
            "h",
            ", of all rows 2.2 [2, 2.4]",
        ),
    ],
)
def test_no_interval_looks_as_if_it_belonged_to_a_score_outside(
    interval: tuple[float, float], extras: dict[str, float | str], ci: str, text: str
) -> None:
    assert headline_text(1.319, interval, extras, ci) == text
