"""Precision, recall, density and coverage against a direct computation and torch-fidelity."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.metrics import manifold
from pyoco_eval.metrics.manifold import Prdc, has_open_balls, neighbours, prdc
from pyoco_eval.metrics.sample_floor import SmallSampleError


def draw(count: int, dim: int = 6, shift: float = 0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([count, seed]).normal(size=(count, dim)) + shift


def directly(generated: np.ndarray, reference: np.ndarray, k: int) -> Prdc:
    """All distances from differences, in rational arithmetic."""
    ours, theirs = (
        [[Fraction(float(v)) for v in row] for row in x] for x in (generated, reference)
    )

    def squared(a: list[Fraction], b: list[Fraction]) -> Fraction:
        return sum(((p - q) ** 2 for p, q in zip(a, b, strict=True)), Fraction(0))

    def radius(rows: list[list[Fraction]], i: int) -> Fraction:
        return sorted(squared(rows[i], other) for j, other in enumerate(rows) if j != i)[k - 1]

    our_radii = [radius(ours, i) for i in range(len(ours))]
    their_radii = [radius(theirs, j) for j in range(len(theirs))]
    d = [[squared(a, b) for b in theirs] for a in ours]
    n, m = range(len(ours)), range(len(theirs))
    return Prdc(
        precision=sum(any(d[i][j] <= their_radii[j] for j in m) for i in n) / len(ours),
        recall=sum(any(d[i][j] <= our_radii[i] for i in n) for j in m) / len(theirs),
        density=sum(d[i][j] < their_radii[j] for i in n for j in m) / (k * len(ours)),
        coverage=sum(any(d[i][j] < their_radii[j] for i in n) for j in m) / len(theirs),
    )


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("counts", [(6, 6), (40, 31), (20, 60)])
def test_equals_the_direct_computation(counts: tuple[int, int], k: int) -> None:
    x, y = draw(counts[0], shift=0.4), 1.2 * draw(counts[1], seed=1)
    assert prdc(x, y, k) == directly(x, y, k)
    assert prdc(x.astype(np.float32), y.astype(np.float32), k) == directly(
        x.astype(np.float32), y.astype(np.float32), k
    )


def by_package_formula(generated: np.ndarray, reference: np.ndarray, k: int) -> Prdc:
    """What the package `prdc` computes, in whole numbers: every comparison is <."""
    ours, theirs = generated.astype(int), reference.astype(int)

    def squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return ((a[:, None] - b[None]) ** 2).sum(-1)

    our_radii, their_radii = (np.sort(squared(x, x), axis=1)[:, k] for x in (ours, theirs))
    d = squared(ours, theirs)
    inside = d < their_radii
    return Prdc(
        precision=inside.any(1).mean(),
        recall=(d < our_radii[:, None]).any(0).mean(),
        density=inside.sum() / (k * len(ours)),
        coverage=inside.any(0).mean(),
    )


def repeated_clips() -> tuple[np.ndarray, np.ndarray]:
    """Rows on a grid of whole numbers, each two times: distances tie everywhere."""
    grid = np.random.default_rng(3).integers(0, 4, (2, 30, 3))
    first, second = (np.repeat(rows, 2, axis=0).astype(float) for rows in grid)
    return first, second + np.array([1, 0, 0])


@pytest.mark.parametrize("k", [1, 3, 5])
def test_open_balls_are_those_of_the_package(k: int) -> None:
    x, y = repeated_clips()
    found = prdc(x, y, k, open_balls=True)
    assert found == by_package_formula(x, y, k)
    closed = prdc(x, y, k)
    assert closed == directly(x, y, k)
    assert (closed.precision, closed.recall) > (found.precision, found.recall), "ties decide here"
    assert (closed.density, closed.coverage) == (found.density, found.coverage)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_open_balls_against_the_package_itself(k: int) -> None:
    package = pytest.importorskip("prdc")
    x, y = draw(40, shift=0.4), draw(40, seed=1)
    expected = package.compute_prdc(real_features=y, fake_features=x, nearest_k=k)
    found = prdc(x, y, k, open_balls=True)
    assert vars(found) == pytest.approx(expected)


def test_names_of_neighbourhoods() -> None:
    assert (neighbours("k5"), neighbours("k12-open")) == (5, 12)
    assert (has_open_balls("k5"), has_open_balls("k5-open")) == (False, True)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = draw(50, shift=0.4), draw(37, seed=1)
    expected = prdc(x, y, 5)
    for block in (3, 8, 37):
        monkeypatch.setattr(manifold, "_BLOCK", block)
        assert prdc(x, y, 5) == expected


@pytest.mark.parametrize("k", [1, 3])
def test_ties_are_exact(k: int) -> None:
    """Rows of small integers, far from the origin: most distances are shared by many pairs."""
    rng = np.random.default_rng(k)
    x, y = (rng.integers(3, size=(count, 4)) + 1000.0 for count in (40, 30))
    assert prdc(x, y, k) == directly(x, y, k)


def test_repeated_rows_have_balls_without_extent() -> None:
    """All radii are 0: a row is on the surface of its copies' balls, inside none."""
    rows = np.repeat(draw(7, 40) * 1e3 + 1e6, 4, axis=0)
    assert prdc(rows, rows, 3) == Prdc(precision=1, recall=1, density=0, coverage=0)


def test_one_set_against_itself() -> None:
    x = draw(60, 512) + 100
    found = prdc(x, x, 5)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    # A ball holds its own centre and k - 1 neighbours inside; the k-th is on the surface.
    assert found.density == 1


def test_sets_far_apart() -> None:
    assert prdc(draw(20), draw(20, shift=1e4, seed=1), 5) == Prdc(0, 0, 0, 0)


def test_one_point_by_hand() -> None:
    """Reference 0, 1, 3 with k = 1 reaches 1, 1 and 2; generated 1.5 and 9 reach 7.5."""
    found = prdc(np.array([[1.5], [9.0]]), np.array([[0.0], [1.0], [3.0]]), 1)
    assert found == Prdc(precision=1 / 2, recall=1, density=2 / 2, coverage=2 / 3)


def test_generated_modes_that_the_reference_lacks_cost_precision_and_the_reverse_recall() -> None:
    both = np.concatenate([draw(60), draw(60, shift=50, seed=1)])
    one = draw(70, seed=2)
    spread, narrow = prdc(both, one, 5), prdc(one, both, 5)
    assert spread.precision < 0.55 < 0.8 < spread.recall
    assert narrow.recall < 0.55 < 0.8 < narrow.precision
    assert (spread.precision, spread.recall) == (narrow.recall, narrow.precision)


def test_coverage_of_one_distribution_is_the_expected() -> None:
    """Naeem et al., Lemma 2: 1 - (N - 1) … (N - k) / ((M + N - 1) … (M + N - k)), N reference."""
    k, count = 5, 50
    sizes = np.arange(1, k + 1)
    expected = 1 - np.prod((count - sizes) / (2 * count - sizes))
    found = [prdc(draw(count, seed=2 * s), draw(count, seed=2 * s + 1), k) for s in range(60)]
    coverage = [f.coverage for f in found]
    assert abs(np.mean(coverage) - expected) < 4 * np.std(coverage) / np.sqrt(60)
    density = [f.density for f in found]
    assert abs(np.mean(density) - 1) < 4 * np.std(density) / np.sqrt(60)


@pytest.mark.parametrize("k", [3, 5])
def test_equals_torch_fidelity(k: int) -> None:
    metric_prc = pytest.importorskip("torch_fidelity.metric_prc")
    x, y = draw(150, shift=0.6), 1.2 * draw(130, seed=1)
    expected = metric_prc.prc_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y),
        prc_neighborhood=k, prc_batch_size=64, save_cpu_ram=True, verbose=False,
    )  # fmt: skip
    found = prdc(x, y, k)
    assert 0.3 < found.precision < 0.99
    assert found.precision == pytest.approx(expected["precision"], rel=1e-6)
    assert found.recall == pytest.approx(expected["recall"], rel=1e-6)


def test_names() -> None:
    assert neighbours("k5") == 5
    for name in ("", "5", "k0", "k", "k5 ", "k-5", "k5\n"):
        with pytest.raises(UsageError, match="such as k5"):
            neighbours(name)


def test_what_has_no_manifold() -> None:
    x = draw(20)
    with pytest.raises(SmallSampleError, match="20 generated and 5 reference"):
        prdc(x, x[:5], 5)
    with pytest.raises(PyocoEvalError, match="6 and 3 dimensions"):
        prdc(x, x[:, :3], 5)
    for bad in (np.full((20, 6), np.nan), x[0]):
        with pytest.raises(PyocoEvalError, match="NaN or infinity"):
            prdc(x, bad, 5)
