"""Intervals: coverage where the truth is known, grouping, determinism, refusals."""

import numpy as np
import pytest

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.metrics.division import Division
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.frechet_interval import frechet_interval
from pyoco_eval.metrics.inception_score import SplitRule, inception_score
from pyoco_eval.metrics.kernel import KernelRule, kernel_distance
from pyoco_eval.metrics.resampling import (
    inception_interval,
    kernel_interval,
    mean_interval,
)
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


def test_bounds_are_never_negative_and_a_cut_is_told() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 30))
    order = rng.permutation(400)
    same = frechet_interval(x, x[order])
    assert same.centre is not None
    assert same.centre < 0
    assert same.low == same.high == 0
    warning = same.warnings[-1]
    assert "cut off to [0, 0]" in warning
    assert "more alike than samples of one population" in warning


def test_of_the_same_rows_in_the_same_places_there_is_no_error() -> None:
    x = draw(np.random.default_rng(0), 40)
    assert frechet_interval(x, x).deviation == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("count", [DIM, DIM + 1, 2 * DIM + 1])
def test_where_halves_are_below_the_floor_bounds_are_given(count: int) -> None:
    rng = np.random.default_rng(0)
    few, enough = draw(rng, count), draw(rng, 2 * (DIM + 1))
    for sets in ((few, enough), (enough, few)):
        found = frechet_interval(*sets)
        assert found.target == "bounds"
        assert found.centre is None
        assert 0 <= found.low <= frechet_distance(*sets).distance <= found.high
    assert frechet_interval(enough, draw(rng, 18)).target == "limit"
    with pytest.raises(SmallSampleError, match="7 independent videos"):
        frechet_interval(few[:7], enough)


def test_halves_have_the_moments_of_their_rows() -> None:
    """Halves are merged from quarters; far from the origin, with unequal means."""
    rng = np.random.default_rng(0)
    x, y = draw(rng, 40, 1e3), draw(rng, 41, 1e3, SCALE)
    x[:20] += 5
    found = frechet_interval(x, y, num_resamples=20, seed=5)
    pairs = []
    for draw_number in range(4):
        quarters = [Division(len(rows), None).parts(4, draw_number, 5) for rows in (x, y)]
        for first in ((0, 1), (0, 2), (0, 3)):
            masks = [np.isin(labels, first) for labels in quarters]
            halves = ((x[masks[0]], y[masks[1]]), (x[~masks[0]], y[~masks[1]]))
            pairs.append([frechet_distance(*half).distance for half in halves])
    pairs = pairs[:10]
    deviation = np.sqrt(np.mean(np.diff(pairs) ** 2)) / 2
    assert found.deviation == pytest.approx(deviation, rel=1e-8)
    whole = frechet_distance(x, y).distance
    assert found.limits is not None
    assert found.limits[0] == pytest.approx(2 * whole - np.mean(pairs), rel=1e-8)
    half = abs(found.limits[0] - found.limits[1]) / 2
    # Student's quantile of ten degrees of freedom, for ten pairs.
    assert found.high - found.centre == pytest.approx(half + 2.2281389 * deviation, rel=2e-3)


def test_heavy_tails_are_told() -> None:
    rng = np.random.default_rng(0)
    x, y, flat = (rng.normal(size=(240, 40)) for _ in range(3))
    heavy = x * np.sqrt(3 / rng.chisquare(5, size=(len(x), 1)))
    exact = Moments(10**9, np.zeros(40), np.eye(40) * 10**9)
    assert not any("falls as" in text for text in frechet_interval(y, flat).warnings)
    for sets in ((heavy, y), (y, heavy), (heavy, exact)):
        found = frechet_interval(*sets)
        assert any("heavy tails" in warning for warning in found.warnings)
        # The truth is sought between the limits of both laws of the bias.
        assert found.limits is not None
        assert found.limits[1] < found.centre < found.limits[0]  # type: ignore[operator]


def class_logits(rng: np.random.Generator, count: int) -> np.ndarray:
    """Four classes with probabilities .4 .3 .2 .1, each seen with the same certainty."""
    labels = rng.choice(4, size=count, p=[0.4, 0.3, 0.2, 0.1])
    return np.log(np.where(np.eye(4)[labels] == 1, 0.85, 0.05))


def test_intervals_hold_the_inception_score_of_the_population() -> None:
    conditional = 0.85 * np.log(0.85) + 3 * 0.05 * np.log(0.05)
    marginal = 0.05 + 0.8 * np.array([0.4, 0.3, 0.2, 0.1])
    truth = np.exp(conditional - np.sum(marginal * np.log(marginal)))
    held, centres, reported = 0, [], []
    for trial in range(TRIALS):
        logits = class_logits(np.random.default_rng(trial), 60)
        interval = inception_interval(logits, num_resamples=40)
        held += interval.low <= truth <= interval.high
        centres.append(interval.centre)
        reported.append(inception_score(logits, SplitRule(1)).mean)
    assert held >= FEWEST
    error = np.std(centres) / np.sqrt(TRIALS)
    assert abs(np.mean(centres) - truth) < 4 * error
    assert 0.6 < np.mean(np.abs(np.array(centres) - truth)) / np.mean(interval.deviation) < 1.6
    assert np.mean(reported) < truth


def test_inception_intervals_start_at_one_and_keep_videos_whole() -> None:
    logits = np.zeros((20, 3))
    certain = inception_interval(logits)
    assert certain.low == pytest.approx(1, rel=1e-12)
    assert certain.high == pytest.approx(1, rel=1e-12)
    once = class_logits(np.random.default_rng(0), 40)
    four = np.repeat(once, 4, axis=0)
    grouped = inception_interval(four, groups=np.repeat(np.arange(40), 4))
    assert grouped.deviation == pytest.approx(inception_interval(once).deviation, rel=1e-9)
    assert inception_interval(four).deviation < 0.7 * grouped.deviation
    assert inception_interval(four, eps=0.1).centre != grouped.centre


def test_intervals_hold_the_kernel_distance_of_the_populations() -> None:
    """Of one feature: E (xy + 1)³ = 1 + 3 m m' + 3 q q' + c c', of the moments 1 to 3."""
    first = [SHIFT, SHIFT**2 + SCALE**2, SHIFT**3 + 3 * SHIFT * SCALE**2]
    a, b = np.array(first), np.array([0.0, 1.0, 0.0])
    weights = np.array([3, 3, 1])
    truth = float(weights @ (a * a + b * b - 2 * a * b))
    rule = KernelRule.parse("poly3-unbiased")
    held = 0
    for trial in range(TRIALS):
        rng = np.random.default_rng(trial)
        x, y = rng.normal(size=(120, 1)) * SCALE + SHIFT, rng.normal(size=(120, 1))
        interval = kernel_interval(x, y, rule, num_resamples=40)
        assert interval.centre == pytest.approx(kernel_distance(x, y, rule).value, rel=1e-9)
        held += interval.low <= truth <= interval.high
    # Cubes of Gaussians have long tails, so a few more than 5 of 100 fall beside it.
    assert held >= 82


def test_kernel_intervals_of_one_population_hold_zero_and_may_reach_below() -> None:
    rng = np.random.default_rng(0)
    x, y = draw(rng, 40), draw(rng, 50)
    subsets = kernel_interval(x, y, KernelRule.parse("poly3-10x20-seed0"))
    assert subsets == kernel_interval(x, y, KernelRule.parse("poly3-unbiased"))
    assert subsets.low < 0 < subsets.high
    gaussian = kernel_interval(x, y, KernelRule.parse("rbf10"))
    assert 0 <= gaussian.low < gaussian.high
    # The bias of pairs of a row with itself is taken away.
    assert gaussian.centre < kernel_distance(x, y, KernelRule.parse("rbf10")).value
    four = np.repeat(x, 4, axis=0)
    rule = KernelRule.parse("rbf10")
    grouped = kernel_interval(four, y, rule, groups_generated=np.repeat(np.arange(40), 4))
    assert grouped.deviation == pytest.approx(gaussian.deviation, rel=1e-6)


def test_intervals_hold_a_mean_over_videos() -> None:
    held = 0
    for trial in range(TRIALS):
        values = np.random.default_rng(trial).exponential(size=60)
        interval = mean_interval(values, num_resamples=200)
        held += interval.low <= 1 <= interval.high
        assert interval.centre == pytest.approx(values.mean(), rel=1e-12)
        assert interval.deviation == pytest.approx(values.std() / np.sqrt(60), rel=0.3)
    assert held >= FEWEST - 4
    assert mean_interval(values, seed=1) == mean_interval(values, seed=1) != mean_interval(values)
    with pytest.raises(SmallSampleError, match="1 video"):
        mean_interval(values[:1])
    with pytest.raises(UsageError, match="level"):
        mean_interval(values, level=2)
    with pytest.raises(PyocoEvalError, match="NaN or infinity"):
        mean_interval(np.append(values, np.nan))


def test_too_few_rows_for_halves_of_two() -> None:
    three = np.eye(3)
    rule = KernelRule.parse("poly3-unbiased")
    with pytest.raises(SmallSampleError, match="3 rows in 3 groups are too few"):
        inception_interval(three)
    for sets in ((three, np.eye(4, 3)), (np.eye(4, 3), three)):
        with pytest.raises(SmallSampleError, match="3 rows in 3 groups are too few"):
            kernel_interval(*sets, rule)
    with pytest.raises(SmallSampleError, match="6 rows in 1 groups are too few"):
        inception_interval(np.eye(6), groups=np.zeros(6))


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
