"""The Fréchet distance against closed forms, 60-digit arithmetic, and three other tools."""

from functools import partial

import numpy as np
import pytest
import torch
from mpmath import mp

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.statistics.moments import Moments

approx = partial(pytest.approx, abs=0)
"""Without pytest's absolute tolerance, under which any small distance would pass."""


def orthogonal(dim: int, seed: int = 0) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0]


def moments_with(mean: np.ndarray, covariance: np.ndarray, count: int = 1000) -> Moments:
    return Moments(count, np.asarray(mean, float), covariance * (count - 1))


def rows_with_spectrum(count: int, spectrum: np.ndarray, seed: int) -> np.ndarray:
    """(count, D) float32 rows of a rotated Gaussian with these covariance eigenvalues."""
    noise = np.random.default_rng(seed).normal(size=(count, len(spectrum)))
    return np.asarray((noise * np.sqrt(spectrum)) @ orthogonal(len(spectrum)), np.float32)


def true_distance(x: np.ndarray, y: np.ndarray, digits: int = 60) -> float:
    """From feature rows: sum of singular values of the product of both centred sets, exactly."""
    with mp.workdps(digits):
        centred, means = [], []
        for rows in (x, y):
            matrix = mp.matrix(rows.tolist())
            mean = [mp.fsum(matrix[:, j]) / len(rows) for j in range(matrix.cols)]
            for i in range(matrix.rows):
                for j in range(matrix.cols):
                    matrix[i, j] -= mean[j]
            centred.append(matrix / mp.sqrt(len(rows) - 1))
            means.append(mean)
        first, second = centred
        trace = mp.fsum(v * v for v in first) + mp.fsum(v * v for v in second)
        s1, s2 = first.T * first, second.T * second
        root = _psd_root(s1)
        nuclear = mp.fsum(mp.sqrt(max(v, 0)) for v in mp.eigsy(root * s2 * root, eigvals_only=True))
        mean_part = mp.fsum((p - q) ** 2 for p, q in zip(*means, strict=True))
        return float(mean_part + trace - 2 * nuclear)


def _psd_root(matrix: "mp.matrix") -> "mp.matrix":
    values, vectors = mp.eigsy(matrix)
    return vectors * mp.diag([mp.sqrt(max(v, 0)) for v in values]) * vectors.T


def distance(x: np.ndarray, y: np.ndarray) -> float:
    return frechet_distance(Moments.of(x), Moments.of(y)).distance


@pytest.mark.parametrize("dim", [1, 2, 50, 400])
def test_commuting_covariances(dim: int) -> None:
    """With common eigenvectors the covariance part is the sum of (√p - √q)²."""
    rng = np.random.default_rng(dim)
    p, q = rng.uniform(0.1, 5, (2, dim))
    basis, mean = orthogonal(dim), rng.normal(size=dim)
    a = moments_with(mean, basis * p @ basis.T)
    b = moments_with(np.zeros(dim), basis * q @ basis.T)
    terms = frechet_distance(a, b)
    assert terms.mean == approx(mean @ mean, rel=1e-12)
    assert terms.covariance == approx(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2), rel=1e-10)
    assert terms.distance == terms.mean + terms.covariance


@pytest.mark.parametrize("relative", [1e-1, 1e-3, 1e-5, 1e-7])
def test_small_differences_keep_their_digits(relative: float) -> None:
    """Diagonal covariances that differ by 1e-14 in distance still give nine digits of it."""
    p = np.arange(1.0, 41)
    q = p * (1 + relative) ** 2
    found = frechet_distance(moments_with(p, np.diag(p)), moments_with(p, np.diag(q)))
    expected = np.sum((np.sqrt(q) - np.sqrt(p)) ** 2)
    assert found.covariance == approx(expected, rel=max(1e-9, 4e-16 / relative))


@pytest.mark.parametrize("power", [0, 2, 8, 20])
def test_features_of_any_scale(power: int) -> None:
    """Variances from 1 to 40**-power, axis-aligned: no digit is lost to the largest."""
    p = np.arange(1.0, 41) ** -power
    q = np.roll(p, 3)
    expected = np.sum((np.sqrt(p) - np.sqrt(q)) ** 2)
    found = frechet_distance(moments_with(p, np.diag(p)), moments_with(p, np.diag(q)))
    assert found.covariance == approx(expected, rel=1e-12)
    found = frechet_distance(moments_with(p, np.diag(p)), moments_with(p, 4 * np.diag(p)))
    assert found.covariance == approx(p.sum(), rel=1e-12)


def test_only_the_means_differ() -> None:
    x = rows_with_spectrum(60, np.ones(8), seed=0).astype(np.float64)
    terms = frechet_distance(Moments.of(x), Moments.of(x + 3))
    assert terms.mean == approx(9 * 8, rel=1e-12)
    assert 0 <= terms.covariance < 1e-13 * 8


def test_constant_features() -> None:
    a, b = (Moments.of(np.full((5, 3), value)) for value in (2.0, 4.0))
    assert frechet_distance(a, b).distance == approx(12, rel=1e-14)
    assert frechet_distance(a, a).distance == 0
    spread = Moments.of(rows_with_spectrum(50, np.ones(3), seed=1))
    terms = frechet_distance(a, spread)
    assert terms.covariance == approx(np.trace(spread.cov()), rel=1e-14)


CASES = {
    "well conditioned": (60, 50, np.ones(20)),
    "as many rows as features": (20, 21, np.ones(20)),
    "spectrum i^-2": (60, 50, np.arange(1.0, 21) ** -2),
    "spectrum i^-4": (60, 50, np.arange(1.0, 21) ** -4),
    "spectrum i^-8": (60, 50, np.arange(1.0, 21) ** -8),
    "clusters": (60, 50, np.repeat([1, 1e-6], 10)),
    "one tiny": (60, 50, np.append(np.ones(19), 1e-10)),
    "N < D": (8, 11, np.ones(20)),
    "N < D, spectrum i^-4": (8, 11, np.arange(1.0, 21) ** -4),
    "N < D on one side": (60, 11, np.ones(20)),
    "two rows": (2, 2, np.ones(20)),
    "one feature": (9, 7, np.ones(1)),
}


@pytest.mark.parametrize("case", CASES)
def test_nine_digits_of_the_truth(case: str) -> None:
    first, second, spectrum = CASES[case]
    x = rows_with_spectrum(first, spectrum, seed=1)
    y = 1.25 * rows_with_spectrum(second, spectrum, seed=2) + 0.1
    truth = true_distance(x, y)
    assert distance(x, y) == approx(truth, rel=1e-9)
    assert distance(y, x) == approx(distance(x, y), rel=1e-9)
    assert frechet_distance(x, y).distance == approx(truth, rel=1e-9)


@pytest.mark.parametrize("case", ["well conditioned", "spectrum i^-4", "N < D"])
@pytest.mark.parametrize("difference", [1e-2, 1e-4])
def test_nine_digits_of_nearly_identical_sets(case: str, difference: float) -> None:
    count, _, spectrum = CASES[case]
    x = rows_with_spectrum(count, spectrum, seed=1).astype(np.float64)
    y = x * (1 + difference * np.random.default_rng(3).normal(size=x.shape))
    truth = true_distance(x, y)
    # Rounding of the covariance moves its root by this; the distance is a squared difference.
    moved = rounding_bound(np.sqrt(spectrum)) / 2
    assert distance(x, y) == approx(truth, rel=1e-9 + 2 * moved / np.sqrt(truth))


@pytest.mark.parametrize("case", CASES)
def test_identical_sets_are_at_zero_and_never_below(case: str) -> None:
    x = rows_with_spectrum(CASES[case][0], CASES[case][2], seed=1)
    trace = np.trace(Moments.of(x).cov())
    halves = Moments.of(x[1:]).merge(Moments.of(x[:1]))
    for other in (Moments.of(x), Moments.of(x[::-1]), halves):
        assert 0 <= frechet_distance(Moments.of(x), other).distance <= 1e-12 * trace
    assert 0 <= frechet_distance(x, x).distance <= 1e-12 * trace


def test_repeated_rows_are_no_rank() -> None:
    """60 rows of which 9 are distinct: singular, though the count alone does not say so."""
    distinct = rows_with_spectrum(9, np.ones(20), seed=1)
    x = np.repeat(distinct, 7, axis=0)
    y = rows_with_spectrum(60, np.ones(20), seed=2)
    assert distance(x, y) == approx(true_distance(x, y), rel=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_a_feature_given_twice(seed: int) -> None:
    """The last pivot is rounding, of either sign."""
    x, y = (rows_with_spectrum(40, np.ones(8), seed=seed + k) for k in (1, 2))
    x[:, 7] = x[:, 2]
    assert distance(x, y) == approx(true_distance(x, y), rel=1e-9)


def test_dead_and_duplicated_features() -> None:
    x, y = (rows_with_spectrum(60, np.ones(20), seed=seed) for seed in (1, 2))
    x[:, 3] = 7
    x[:, 5] = x[:, 4]
    assert distance(x, y) == approx(true_distance(x, y), rel=1e-9)


@pytest.mark.parametrize("angle", [1.2, 0.9, 0.5])
def test_good_pivots_of_a_badly_conditioned_matrix(angle: float) -> None:
    """Kahan's matrix: no small pivot tells of its tiny singular values."""
    dim = 24
    s, c = np.sin(angle), np.cos(angle)
    kahan = s ** np.arange(dim)[:, None] * (np.eye(dim) - c * np.triu(np.ones((dim, dim)), 1))
    # Rows +-k have mean 0 and scatter 2 KᵀK, so the truth is known from the rows.
    x = np.concatenate([kahan, -kahan])
    y = rows_with_spectrum(60, np.ones(dim), seed=2).astype(np.float64)
    assert distance(x, y) == approx(true_distance(x, y), rel=1e-9)
    assert distance(x.T[:, ::-1].T, y) == approx(true_distance(x, y), rel=1e-9)


def rounding_bound(roots: np.ndarray) -> float:
    """How far rounding of a covariance with these eigenvalue roots moves the sum of the roots.

    A product of length D, and Cholesky's factorisation of it, err by up to D u relative to the
    norm, and by about √D u where errors are independent (Higham and Mary, 2019); u is half of
    epsilon. An eigenvalue moves by as much, its root by that over twice the root. The distance
    holds twice the sum of the roots.
    """
    moved = np.sqrt(len(roots)) * np.finfo(float).eps / 2 * np.max(roots) ** 2
    return float(np.sum(moved / roots))


@pytest.mark.parametrize("smallest", [1e-2, 1e-4, 1e-6, 1e-7])
@pytest.mark.parametrize("dim", [32, 300])
def test_clusters_of_small_eigenvalues_keep_their_digits(dim: int, smallest: float) -> None:
    """Squaring the factors would lose them: eigenvalues of a Gram matrix do not suffice here."""
    roots = np.ones(dim)
    roots[dim // 2 :] = smallest
    basis = orthogonal(dim, 1)
    a = moments_with(np.zeros(dim), np.eye(dim))
    b = moments_with(np.zeros(dim), basis * roots**2 @ basis.T)
    expected = float(np.sum((1 - roots) ** 2))
    tolerance = 1e-9 + rounding_bound(roots) / expected
    assert tolerance < 3e-8
    assert frechet_distance(a, b).distance == approx(expected, rel=tolerance)


SPECTRA = {
    "i^-1": lambda dim: np.arange(1.0, dim + 1) ** -0.5,
    "i^-2": lambda dim: np.arange(1.0, dim + 1) ** -1,
    "i^-4": lambda dim: np.arange(1.0, dim + 1) ** -2,
    "two clusters": lambda dim: np.repeat([1, 1e-3], dim // 2),
    "one direction": lambda dim: np.append(1.0, np.full(dim - 1, 1e-3)),
}


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("dim", [64, 300])
def test_the_fast_form_is_as_exact_as_singular_values(spectrum: str, dim: int) -> None:
    """From the same covariances; eigenvalues are taken only where they cost no digits."""
    deviations = SPECTRA[spectrum](dim)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        bases = orthogonal(dim, seed), orthogonal(dim, seed if seed % 2 else 99)
        moments = [
            Moments.of(scale * rng.normal(size=(3 * dim, dim)) * deviations @ basis)
            for scale, basis in zip((1, 1.2), bases, strict=True)
        ]
        factors = [np.linalg.cholesky(m.cov()) for m in moments]
        roots = np.linalg.svd(factors[0].T @ factors[1], compute_uv=False)
        expected = sum(np.trace(m.cov()) for m in moments) - 2 * roots.sum()
        # The reference itself subtracts: its own rounding counts too.
        tolerance = 2e-9 * expected + 1e-13 * roots.sum()
        assert frechet_distance(*moments).covariance == approx(expected, rel=tolerance / expected)


@pytest.mark.parametrize("counts", [(8, 11), (8, 60), (20, 21), (21, 60), (40, 60)])
@pytest.mark.parametrize("spectrum", [0, 2])
def test_rows_and_moments_in_any_mix(counts: tuple[int, int], spectrum: int) -> None:
    deviations = np.arange(1.0, 21) ** -spectrum
    x = rows_with_spectrum(counts[0], deviations, seed=1)
    y = 1.25 * rows_with_spectrum(counts[1], deviations, seed=2) + 0.1
    truth = true_distance(x, y)
    for a in (x, x.astype(np.float64), Moments.of(x)):
        for b in (y, Moments.of(y)):
            assert frechet_distance(a, b).distance == approx(truth, rel=1e-9)
            assert frechet_distance(b, a).distance == approx(truth, rel=1e-9)


def test_the_given_rows_are_left_alone() -> None:
    x, y = (rows_with_spectrum(9, np.ones(20), seed=seed).astype(float) for seed in (1, 2))
    before = x.copy()
    frechet_distance(x, y)
    assert np.array_equal(x, before)


@pytest.mark.parametrize("ddof", [0, 1])
def test_the_divisor(ddof: int) -> None:
    x, y = (rows_with_spectrum(30, np.ones(6), seed=seed) for seed in (1, 2))
    bessel = frechet_distance(Moments.of(x), Moments.of(y), ddof=1)
    found = frechet_distance(Moments.of(x), Moments.of(y), ddof=ddof)
    assert found.mean == bessel.mean
    assert found.covariance == approx(bessel.covariance * (29 / 30 if ddof == 0 else 1), rel=1e-9)
    few = frechet_distance(x[:4], y[:4], ddof=ddof)
    assert few.distance == approx(
        frechet_distance(Moments.of(x[:4]), Moments.of(y[:4]), ddof=ddof).distance, rel=1e-9
    )


def test_what_has_no_distance() -> None:
    good = Moments.of(np.random.default_rng(0).normal(size=(5, 3)))
    with pytest.raises(PyocoEvalError, match="3 and 4 dimensions"):
        frechet_distance(good, Moments.of(np.ones((5, 4))))
    for ddof in (0, 1):
        with pytest.raises(PyocoEvalError, match="1 feature row has no covariance"):
            frechet_distance(good, Moments.of(np.ones((1, 3))), ddof=ddof)
    for mean, m2 in ((np.nan, 1), (np.inf, 1), (0, np.nan), (0, np.inf)):
        with pytest.raises(PyocoEvalError, match="NaN or infinity"):
            frechet_distance(good, Moments(5, np.full(3, mean), m2 * np.ones((3, 3))))
    rows = np.eye(3)
    for other in (good, rows):
        with pytest.raises(PyocoEvalError, match="1 feature row has no covariance"):
            frechet_distance(other, rows[:1])
        for bad in (np.full((2, 3), np.nan), np.full((9, 3), np.inf)):
            with pytest.raises(PyocoEvalError, match="NaN or infinity"):
                frechet_distance(other, bad)
        with pytest.raises(PyocoEvalError, match="must be"):
            frechet_distance(other, rows[0])
    with pytest.raises(PyocoEvalError, match="have no distance"):
        frechet_distance(rows, np.eye(4))


@pytest.fixture(params=["D < N", "D > N"])
def sets(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    count = 150 if request.param == "D < N" else 20
    spectrum = np.arange(1.0, 65) ** -1
    return tuple(rows_with_spectrum(count, spectrum, seed).astype(float) for seed in (1, 2))  # type: ignore[return-value]


def numpy_statistics(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return rows.mean(axis=0), np.cov(rows, rowvar=False)


@pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning")
def test_agrees_with_pytorch_fid(sets: tuple[np.ndarray, np.ndarray]) -> None:
    fid_score = pytest.importorskip("pytorch_fid.fid_score")
    try:
        first, second = (numpy_statistics(rows) for rows in sets)
        expected = fid_score.calculate_frechet_distance(*first, *second)
    except TypeError as error:
        pytest.skip(f"pytorch-fid does not run with this scipy: {error}")
    assert distance(*sets) == approx(expected, rel=1e-5)


def test_agrees_with_torch_fidelity(sets: tuple[np.ndarray, np.ndarray]) -> None:
    metric_fid = pytest.importorskip("torch_fidelity.metric_fid")
    first, second = (dict(zip(("mu", "sigma"), numpy_statistics(r), strict=True)) for r in sets)
    expected = metric_fid.fid_statistics_to_metric(first, second, verbose=False)
    assert distance(*sets) == approx(expected["frechet_inception_distance"], rel=1e-5)


def test_agrees_with_torchmetrics(sets: tuple[np.ndarray, np.ndarray]) -> None:
    fid = pytest.importorskip("torchmetrics.image.fid")
    first, second = (tuple(map(torch.from_numpy, numpy_statistics(rows))) for rows in sets)
    expected = fid._compute_fid(*first, *second).item()
    assert distance(*sets) == approx(expected, rel=1e-5)
