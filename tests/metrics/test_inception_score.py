"""Inception Score: closed forms, and the formulas of the tools whose conventions are offered."""

import math

import numpy as np
import pytest
import torch

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.metrics import inception_score as module
from pyoco_eval.metrics.inception_score import (
    SplitRule,
    inception_score,
    score_of_sets,
    softmax,
)

ONE = SplitRule(1)


def random_logits(num_samples: int, classes: int = 101, scale: float = 4) -> np.ndarray:
    rng = np.random.default_rng(num_samples)
    return (scale * rng.normal(size=(num_samples, classes))).astype(np.float32)


@pytest.mark.parametrize("classes", [1, 2, 101])
def test_knowing_nothing_scores_one(classes: int) -> None:
    found = inception_score(np.full((40, classes), -3.5, np.float32), SplitRule(4))
    assert found.per_split == pytest.approx([1] * 4, rel=1e-14)
    assert found.mean == pytest.approx(1, rel=1e-14)
    assert found.std == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("classes", [2, 7, 101])
def test_certain_and_balanced_scores_the_number_of_classes(classes: int) -> None:
    logits = np.tile(1e4 * np.eye(classes, dtype=np.float32), (3, 1))
    for eps in (0, 1e-20):
        assert inception_score(logits, ONE, eps).mean == pytest.approx(classes, rel=1e-12)


def test_every_sample_alike_scores_one() -> None:
    logits = np.tile(random_logits(1), (30, 1))
    assert inception_score(logits, ONE).mean == pytest.approx(1, rel=1e-12)


def test_two_classes_by_hand() -> None:
    # Half the samples say (0.9, 0.1), half (0.1, 0.9): KL to (0.5, 0.5) is the same for all.
    logits = np.log(np.array([[0.9, 0.1], [0.1, 0.9]] * 5))
    kl = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
    assert inception_score(logits, ONE).mean == pytest.approx(math.exp(kl), rel=1e-14)


def test_a_shift_of_the_logits_and_huge_logits_do_not_matter() -> None:
    logits = random_logits(20).astype(np.float64)
    shifts = np.linspace(-1e3, 1e3, 20)[:, None]
    expected = inception_score(logits, ONE).mean
    assert inception_score(logits + shifts, ONE).mean == pytest.approx(expected, rel=1e-10)
    assert np.isfinite(inception_score(1e30 * random_logits(20), ONE).mean)


def test_softmax_rows_are_float64_and_sum_to_one() -> None:
    found = softmax(random_logits(9, scale=100))
    assert found.dtype == np.float64
    assert found.sum(axis=1) == pytest.approx(np.ones(9), rel=1e-14)


@pytest.mark.parametrize("num_samples", [100, 107, 1000])
@pytest.mark.parametrize("seed", [2020, 0])
def test_equals_torch_fidelity(num_samples: int, seed: int) -> None:
    metric_isc = pytest.importorskip("torch_fidelity.metric_isc")
    logits = random_logits(num_samples)
    expected = metric_isc.isc_features_to_metric(torch.from_numpy(logits), 10, True, seed)
    found = inception_score(logits, SplitRule.parse(f"10-permute{seed}"))
    assert found.mean == pytest.approx(expected["inception_score_mean"], rel=1e-12)
    assert found.std == pytest.approx(expected["inception_score_std"], rel=1e-9)


def loop_score(probabilities: list[list[float]], eps: float) -> float:
    """The definition, one number at a time, in exactly rounded sums."""
    probabilities = [[p + eps for p in row] for row in probabilities]
    marginal = [math.fsum(column) / len(probabilities) for column in zip(*probabilities)]  # noqa: B905
    divergences = [
        math.fsum(p * (math.log(p) - math.log(m)) for p, m in zip(row, marginal, strict=True))
        for row in probabilities
    ]
    return math.exp(math.fsum(divergences) / len(divergences))


def exact_softmax(logits: np.ndarray) -> list[list[float]]:
    exponentials = [[math.exp(float(x) - float(max(row))) for x in row] for row in logits]
    return [[e / math.fsum(row) for e in row] for row in exponentials]


def test_equals_the_definition_with_epsilon_in_one_split() -> None:
    """TGANv2's form: 1e-20 on every probability, one split; some probabilities underflow to 0."""
    logits = random_logits(30, 11)
    logits[3, 2] = -1e4
    expected = loop_score(exact_softmax(logits), 1e-20)
    assert inception_score(logits, ONE, 1e-20).mean == pytest.approx(expected, rel=1e-12)


def test_equals_the_definition_in_ten_sequential_splits() -> None:
    """The form of improved-gan: file order, split bounds i N // 10, divisor N for the deviation."""
    logits = random_logits(57, 11)
    rows = exact_softmax(logits)
    expected = [loop_score(rows[i * 57 // 10 : (i + 1) * 57 // 10], 0) for i in range(10)]
    found = inception_score(logits, SplitRule.parse("10-sequential"))
    assert found.per_split == pytest.approx(expected, rel=1e-12)
    assert found.mean == pytest.approx(sum(expected) / 10, rel=1e-12)
    assert found.std**2 == pytest.approx(sum((x - found.mean) ** 2 for x in expected) / 10)


def test_shuffle_is_that_of_the_sample_rows_in_place() -> None:
    """StyleGAN-V's form: the rows themselves are shuffled by RandomState(42), then cut."""
    logits = random_logits(64)
    shuffled = logits.copy()
    np.random.RandomState(42).shuffle(shuffled)
    expected = inception_score(shuffled, SplitRule(10)).per_split
    assert inception_score(logits, SplitRule.parse("10-shuffle42")).per_split == expected


def test_a_probability_of_zero_counts_nothing_without_epsilon() -> None:
    logits = np.array([[0, -1e5], [0, -1e5], [0, 0]], np.float64)
    marginal = np.array([2.5, 0.5]) / 3
    divergences = [-math.log(marginal[0])] * 2
    divergences += [0.5 * (math.log(0.5 / marginal[0]) + math.log(0.5 / marginal[1]))]
    expected = math.exp(sum(divergences) / 3)
    assert inception_score(logits, ONE).mean == pytest.approx(expected, rel=1e-14)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, rule = random_logits(107), SplitRule.parse("10-permute2020")
    expected = inception_score(logits, rule, 1e-20)
    monkeypatch.setattr(module, "_BLOCK", 4)
    found = inception_score(logits, rule, 1e-20)
    assert found.per_split == pytest.approx(expected.per_split, rel=1e-13)


@pytest.mark.parametrize("eps", [0, 1e-20, 0.01])
def test_many_sets_in_one_pass(eps: float) -> None:
    logits = random_logits(90, 11)
    members = np.random.default_rng(0).random((90, 5)) < 0.4
    members[:, 0] = True
    expected = [inception_score(logits[chosen], ONE, eps).mean for chosen in members.T]
    assert score_of_sets(logits, members, eps) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(
    "name", ["1", "10-sequential", "10-shuffle42", "10-permute2020", "2-permute0"]
)
def test_names_come_back(name: str) -> None:
    assert SplitRule.parse(name).spec() == name
    assert SplitRule.parse(SplitRule.parse(name).spec()) == SplitRule.parse(name)


def test_one_split_in_order_has_one_name() -> None:
    assert SplitRule.parse("1-sequential") == SplitRule.parse("1")
    assert SplitRule.parse("10") == SplitRule.parse("10-sequential")


OTHER_NAMES = ["", "0", "-1", "ten", "1.5", " 10", "10\n", "10-", "10-shuffle", "10-sequential3"]
OTHER_NAMES += ["10-random1", "10-permute-1", "10-shuffle4294967296"]


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--splits"):
        SplitRule.parse(name)


@pytest.mark.parametrize("name", ["1", "7-sequential", "7-shuffle42", "7-permute2020"])
@pytest.mark.parametrize("num_samples", [7, 20, 103])
def test_splits_are_a_partition_of_nearly_equal_parts(name: str, num_samples: int) -> None:
    rule = SplitRule.parse(name)
    splits = rule.split(num_samples)
    sizes = [len(split) for split in splits]
    assert len(splits) == rule.count
    assert max(sizes) - min(sizes) <= 1
    assert sorted(np.concatenate(splits)) == list(range(num_samples))
    assert all(np.array_equal(a, b) for a, b in zip(splits, rule.split(num_samples), strict=True))


def test_fewer_samples_than_splits_are_refused() -> None:
    with pytest.raises(PyocoEvalError, match="9 samples cannot be divided into 10"):
        inception_score(random_logits(9), SplitRule(10))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused(value: float) -> None:
    logits = random_logits(5)
    logits[2, 3] = value
    with pytest.raises(PyocoEvalError, match="NaN or infinity"):
        inception_score(logits, ONE)


@pytest.mark.parametrize("shape", [(5,), (0, 3), (3, 0), (2, 3, 4)])
def test_logits_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(PyocoEvalError, match="must be"):
        inception_score(np.zeros(shape), ONE)
