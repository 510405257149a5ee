"""Intervals of Fréchet distances: coverage on known Gaussians, grouping, determinism, refusals."""

import numpy as np
import pytest

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.resampling import frechet_interval
from pyoco_eval.metrics.sample_floor import SmallSampleError
from pyoco_eval.statistics.moments import Moments

DIM = 8
SHIFT, SCALE = 0.5, 1.3
TRUTH = DIM * (SHIFT**2 + (SCALE - 1) ** 2)
TRIALS = 100
# Of 100 intervals at 95 %, fewer than 88 or more than 99.9 would be a sign of a wrong width.
FEWEST = 88


def draw(rng: np.random.Generator, count: int, shift: float = 0, scale: float = 1) -> np.ndarray:
    return rng.normal(size=(count, DIM)) * scale + shift


def test_intervals_hold_the_distance_of_the_populations() -> None:
    held, reported, centres = 0, [], []
    for trial in range(TRIALS):
        rng = np.random.default_rng(trial)
        x, y = draw(rng, 48, SHIFT, SCALE), draw(rng, 48)
        interval = frechet_interval(x, y, num_resamples=40)
        held += interval.low <= TRUTH <= interval.high
        centres.append(interval.centre)
        reported.append(frechet_distance(Moments.of(x), Moments.of(y)).distance)
    assert held >= FEWEST
    # The reported distance is biased upwards; the centre is not.
    error = np.std(centres) / np.sqrt(TRIALS)
    assert np.mean(reported) > TRUTH + 10 * error
    assert abs(np.mean(centres) - TRUTH) < 4 * error


def test_a_narrower_level_holds_it_less_often() -> None:
    held = 0
    for trial in range(TRIALS):
        rng = np.random.default_rng(trial)
        x, y = draw(rng, 48, SHIFT, SCALE), draw(rng, 48)
        interval = frechet_interval(x, y, num_resamples=40, level=0.5)
        held += interval.low <= TRUTH <= interval.high
    assert 35 <= held <= 70


def test_exact_moments_of_the_reference() -> None:
    exact = Moments(10**9, np.zeros(DIM), np.eye(DIM) * 10**9)
    held = 0
    for trial in range(TRIALS):
        x = draw(np.random.default_rng(trial), 48, SHIFT, SCALE)
        interval = frechet_interval(x, exact, num_resamples=40)
        held += interval.low <= TRUTH <= interval.high
    assert held >= FEWEST


def test_frames_of_one_video_are_not_independent() -> None:
    """With each row four times, groups give the coverage back that counting rows alone loses."""
    held = {"grouped": 0, "ungrouped": 0}
    widths = {"grouped": 0.0, "ungrouped": 0.0}
    groups = np.repeat(np.arange(48), 4)
    exact = Moments(10**9, np.zeros(DIM), np.eye(DIM) * 10**9)
    for trial in range(TRIALS):
        x = np.repeat(draw(np.random.default_rng(trial), 48, SHIFT, SCALE), 4, axis=0)
        for name, labels in (("grouped", groups), ("ungrouped", None)):
            interval = frechet_interval(x, exact, groups_generated=labels, num_resamples=40, ddof=0)
            held[name] += interval.low <= TRUTH <= interval.high
            widths[name] += interval.high - interval.low
    assert held["ungrouped"] < FEWEST <= held["grouped"]
    assert 1.5 < widths["grouped"] / widths["ungrouped"] < 2.5


def test_groups_are_labels_in_any_order() -> None:
    rng = np.random.default_rng(0)
    x, y = draw(rng, 60, SHIFT), draw(rng, 60)
    names = np.array([f"video {i // 3:02d}" for i in range(60)])
    expected = frechet_interval(x, y, groups_generated=names)
    assert frechet_interval(x, y, groups_generated=np.arange(60) // 3) == expected
    order = rng.permutation(60)
    shuffled = frechet_interval(x[order], y, groups_generated=names[order])
    assert shuffled.low == pytest.approx(expected.low, rel=1e-9)
    assert shuffled.high == pytest.approx(expected.high, rel=1e-9)
    assert frechet_interval(x, y, groups_generated=np.arange(60)) == frechet_interval(x, y)


def test_the_seed_decides() -> None:
    rng = np.random.default_rng(0)
    x, y = draw(rng, 40, SHIFT), draw(rng, 44)
    first = frechet_interval(x, y, seed=3)
    assert frechet_interval(x, y, seed=3) == first
    assert frechet_interval(x, y, seed=4) != first
    assert (first.level, first.num_resamples, first.seed) == (0.95, 100, 3)
    assert 0 <= first.low < first.centre < first.high


def test_scaling_features_scales_the_interval() -> None:
    rng = np.random.default_rng(0)
    x, y = draw(rng, 40, SHIFT), draw(rng, 44)
    one, two = frechet_interval(x, y), frechet_interval(2 * x + 5, 2 * y + 5)
    assert (two.low, two.high) == pytest.approx((4 * one.low, 4 * one.high), rel=1e-9)


def test_bounds_are_never_negative() -> None:
    x = draw(np.random.default_rng(0), 40)
    same = frechet_interval(x, x)
    assert same.centre < 0
    assert same.low == same.high == 0


@pytest.mark.parametrize("count", [DIM + 1, 2 * DIM + 1])
def test_halves_must_stay_above_the_floor(count: int) -> None:
    rng = np.random.default_rng(0)
    few, enough = draw(rng, count), draw(rng, 2 * (DIM + 1))
    for sets in ((few, enough), (enough, few)):
        with pytest.raises(SmallSampleError, match=f"{count} rows of 8 features"):
            frechet_interval(*sets)
    assert frechet_interval(enough, enough[::-1]).high >= 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"level": 0.0},
        {"level": 1.0},
        {"level": 95},
        {"num_resamples": 0},
        {"num_resamples": 18},
        {"num_resamples": 21},
        {"groups_generated": np.arange(39)},
        {"groups_reference": np.zeros((40, 1))},
    ],
)
def test_arguments_out_of_range(arguments: dict[str, object]) -> None:
    x = draw(np.random.default_rng(0), 40)
    with pytest.raises(UsageError):
        frechet_interval(x, x, **arguments)  # type: ignore[arg-type]


def test_what_has_no_interval() -> None:
    x = draw(np.random.default_rng(0), 40)
    bad = x.copy()
    bad[3, 3] = np.nan
    for sets in ((bad, x), (x, bad), (x[0], x)):
        with pytest.raises(PyocoEvalError, match="NaN or infinity"):
            frechet_interval(*sets)
    with pytest.raises(PyocoEvalError, match="dimensions"):
        frechet_interval(x, x[:, :3])
    with pytest.raises(UsageError, match="no rows to belong to"):
        frechet_interval(x, Moments.of(x), groups_reference=np.arange(40))
