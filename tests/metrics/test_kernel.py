"""Kernel distances against the definition, closed forms, and three other tools."""

import numpy as np
import pytest
import torch

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.metrics import kernel
from pyoco_eval.metrics.kernel import KernelRule, kernel_distance, kernel_distances
from pyoco_eval.metrics.sample_floor import SmallSampleError

ALL = KernelRule.parse("poly3-unbiased")


def draw(count: int, dim: int = 12, shift: float = 0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([count, seed]).normal(size=(count, dim)) + shift


def by_definition(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased MMD² of the cubic kernel, one pair at a time."""

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    n, m = len(x), len(y)
    among = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    among += sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return among - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


def test_two_rows_by_hand() -> None:
    """x = 0, 2; y = 1, 1 of one feature: k(0, 2) = 1, k(1, 1) = 8, k(0, 1) = 1, k(2, 1) = 27."""
    x, y = np.array([[0.0], [2.0]]), np.array([[1.0], [1.0]])
    assert kernel_distance(x, y, ALL).value == 1 + 8 - 2 * (1 + 27) / 2
    assert kernel_distance(x, y, ALL).std is None


@pytest.mark.parametrize("counts", [(2, 2), (7, 5), (30, 41)])
def test_equals_the_definition(counts: tuple[int, int]) -> None:
    x, y = draw(counts[0]), draw(counts[1], shift=0.5, seed=1)
    expected = by_definition(x, y)
    assert kernel_distance(x, y, ALL).value == pytest.approx(expected, rel=1e-12)
    assert kernel_distance(y, x, ALL).value == pytest.approx(expected, rel=1e-12)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = draw(50), draw(37, shift=0.5, seed=1)
    rules = [KernelRule.parse(name) for name in ("poly3-unbiased", "poly3-9x20-seed3", "rbf10")]
    whole = [kernel_distance(x, y, rule) for rule in rules]
    monkeypatch.setattr(kernel, "_BLOCK", 8)
    for rule, expected in zip(rules, whole, strict=True):
        found = kernel_distance(x, y, rule)
        assert found.value == pytest.approx(expected.value, rel=1e-12)
        assert found.per_subset == pytest.approx(expected.per_subset, rel=1e-11)


def test_negative_values_are_possible_and_the_mean_is_zero_for_one_distribution() -> None:
    values = [kernel_distance(draw(20, seed=2 * s), draw(25, seed=2 * s + 1), ALL).value
              for s in range(200)]  # fmt: skip
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


def test_the_expected_value_of_two_gaussians() -> None:
    """Of one feature: E (xy + 1)³ = 1 + 3 m m' + 3 q q' + c c', of the moments 1 to 3."""
    shift, scale = 0.7, 1.3
    first = [shift, shift**2 + scale**2, shift**3 + 3 * shift * scale**2]
    second = [0.0, 1.0, 0.0]

    def mean_kernel(a: list[float], b: list[float]) -> float:
        return 1 + 3 * a[0] * b[0] + 3 * a[1] * b[1] + a[2] * b[2]

    truth = mean_kernel(first, first) + mean_kernel(second, second)
    truth -= 2 * mean_kernel(first, second)
    values = [
        kernel_distance(scale * draw(40, 1, seed=2 * s) + shift, draw(40, 1, seed=2 * s + 1), ALL)
        for s in range(400)
    ]
    found = [value.value for value in values]
    assert abs(np.mean(found) - truth) < 4 * np.std(found) / np.sqrt(len(found))


@pytest.mark.parametrize("counts", [(300, 260), (60, 55)])
@pytest.mark.parametrize("seed", [2020, 0])
def test_equals_torch_fidelity(counts: tuple[int, int], seed: int) -> None:
    """With many rows per subset by one pass over all kernels, with few by each subset's own."""
    metric_kid = pytest.importorskip("torch_fidelity.metric_kid")
    x, y = draw(counts[0]), draw(counts[1], shift=0.3, seed=1)
    expected = metric_kid.kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y),
        kid_subsets=10, kid_subset_size=50, rng_seed=seed, verbose=False,
    )  # fmt: skip
    found = kernel_distance(x, y, KernelRule.parse(f"poly3-10x50-seed{seed}"))
    assert found.value == pytest.approx(expected["kernel_inception_distance_mean"], rel=1e-11)
    assert found.std == pytest.approx(expected["kernel_inception_distance_std"], rel=1e-10)
    assert len(found.per_subset) == 10


def test_equals_torch_fidelity_in_its_float32() -> None:
    metric_kid = pytest.importorskip("torch_fidelity.metric_kid")
    x, y = (draw(200, 64, shift=s, seed=1 + (s > 0)).astype(np.float32) for s in (0, 0.3))
    expected = metric_kid.kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y),
        kid_subsets=10, kid_subset_size=100, rng_seed=2020, verbose=False,
    )  # fmt: skip
    found = kernel_distance(x, y, KernelRule.parse("poly3-10x100-seed2020"))
    assert found.value == pytest.approx(expected["kernel_inception_distance_mean"], rel=1e-4)


def test_equals_clean_fid_after_seeding_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    fid = pytest.importorskip("cleanfid.fid")
    x, y = draw(120), draw(110, shift=0.3, seed=1)
    np.random.seed(7)  # noqa: NPY002
    expected = fid.kernel_distance(y, x, num_subsets=10, max_subset_size=50)
    found = kernel_distance(x, y, KernelRule.parse("poly3-10x50-seed7"))
    assert found.value == pytest.approx(expected, rel=1e-11)


def test_equals_torchmetrics_subset_by_subset() -> None:
    kid = pytest.importorskip("torchmetrics.image.kid")
    x, y = draw(60), draw(60, shift=0.3, seed=1)
    expected = kid.poly_mmd(torch.from_numpy(y), torch.from_numpy(x)).item()
    assert kernel_distance(x, y, ALL).value == pytest.approx(expected, rel=1e-12)


def test_many_subsets_of_unequal_size_in_one_pass() -> None:
    rng = np.random.default_rng(0)
    x, y = draw(40), draw(30, shift=0.3, seed=1)
    members = [rng.random((count, 6)) < 0.5 for count in (40, 30)]
    for name in ("poly3-unbiased", "rbf10"):
        rule = KernelRule.parse(name)
        found = kernel_distances(x, y, *members, rule)
        expected = [
            kernel_distance(x[members[0][:, s]], y[members[1][:, s]], rule).value for s in range(6)
        ]
        assert found == pytest.approx(expected, rel=1e-11)


def test_gaussian_kernel_by_the_definition() -> None:
    """CMMD: unit rows, bandwidth 10, pairs with themselves counted, times 1000."""
    x, y = draw(9), draw(11, shift=0.5, seed=1)
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))

    def mean_kernel(p: np.ndarray, q: np.ndarray) -> float:
        return float(np.mean([[np.exp(-np.sum((u - v) ** 2) / 200) for v in q] for u in p]))

    expected = 1000 * (mean_kernel(a, a) + mean_kernel(b, b) - 2 * mean_kernel(a, b))
    found = kernel_distance(x, y, KernelRule.parse("rbf10"))
    assert found.value == pytest.approx(expected, rel=1e-9)
    assert found.value > 0
    assert kernel_distance(3 * x, y, KernelRule.parse("rbf10")).value == pytest.approx(found.value)
    assert kernel_distance(x, x, KernelRule.parse("rbf10")).value == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("name", ["poly3-unbiased", "poly3-100x1000-seed2020", "rbf10"])
def test_names_come_back(name: str) -> None:
    assert KernelRule.parse(name).spec() == name


NOT_RULES = [
    "",
    "poly3",
    "poly2-unbiased",
    "poly3-100x1000",
    "poly3-0x10-seed1",
    "rbf5",
    "poly3-5x1-seed1",
]
NOT_RULES += ["poly3-100x1000-seed", "poly3-1x2-seed4294967296", "rbf10-seed1", "poly3-unbiased\n"]


@pytest.mark.parametrize("name", NOT_RULES)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="poly3-unbiased"):
        KernelRule.parse(name)


def test_what_has_no_kernel_distance() -> None:
    x = draw(20)
    with pytest.raises(SmallSampleError, match="20 generated and 1 reference"):
        kernel_distance(x, x[:1], ALL)
    with pytest.raises(SmallSampleError, match="takes 21 of each side"):
        kernel_distance(x, x, KernelRule.parse("poly3-5x21-seed0"))
    with pytest.raises(PyocoEvalError, match="12 and 5 dimensions"):
        kernel_distance(x, x[:, :5], ALL)
    for bad in (np.full((20, 12), np.nan), x[0]):
        with pytest.raises(PyocoEvalError, match="NaN or infinity"):
            kernel_distance(x, bad, ALL)
