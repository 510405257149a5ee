"""Measured priors: what is read, what it is projected to, and how it is told apart."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.priors import EmpiricalPrior, ProgressivePrior, parse_prior
from pyoco_eval.priors.correlation import nearest_correlation, triangular_factor
from pyoco_eval.seeding import torch_generator

MEASURED = np.array([[1.0, 0.8, 0.5], [0.8, 1.0, 0.8], [0.5, 0.8, 1.0]])


def write(path: Path, matrix: np.ndarray, header: object = None) -> Path:
    if path.suffix == ".npz":
        extra = {} if header is None else {"header": np.array(json.dumps(header))}
        np.savez(path, frame_covariance=matrix, **extra)
    elif path.suffix == ".npy":
        np.save(path, matrix)
    else:
        np.savetxt(path, matrix, delimiter=",", fmt="%.17g")
    return path


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".csv"])
def test_files_of_every_kind_hold_the_same_prior(tmp_path: Path, suffix: str) -> None:
    prior = parse_prior(f"empirical:{write(tmp_path / f'ucf{suffix}', MEASURED)}")
    assert prior.spec == EmpiricalPrior("ucf", torch.from_numpy(MEASURED)).spec
    expected = torch.from_numpy(MEASURED)
    assert torch.allclose(prior.frame_covariance(3), expected, rtol=0, atol=1e-12)
    assert torch.allclose(prior.frame_covariance(2), expected[:2, :2], rtol=0, atol=1e-12)


def test_more_frames_than_measured_is_an_error() -> None:
    prior = EmpiricalPrior("short", torch.from_numpy(MEASURED))
    for ask in (
        lambda: prior.frame_covariance(4),
        lambda: prior.sample((1, 2, 2), 4, [torch_generator(0)]),
    ):
        with pytest.raises(UsageError, match="measured over 3 frames, it cannot make 4"):
            ask()


def test_the_matrix_of_the_progressive_prior_makes_the_same_law() -> None:
    """And the same noise: its Cholesky factor is the recursion."""
    progressive = ProgressivePrior(2)
    prior = EmpiricalPrior("same", progressive.frame_covariance(6))
    assert torch.allclose(
        prior.frame_covariance(6), progressive.frame_covariance(6), rtol=0, atol=1e-12
    )
    noise = [p.sample((3, 4, 4), 6, [torch_generator(0)]) for p in (prior, progressive)]
    assert torch.allclose(*noise, rtol=0, atol=1e-5)


def test_a_covariance_is_scaled() -> None:
    std = np.array([0.5, 2.0, 3.0])
    scaled = EmpiricalPrior("scaled", torch.from_numpy(MEASURED * std * std[:, None]))
    expected = torch.from_numpy(MEASURED)
    assert torch.allclose(scaled.frame_covariance(3), expected, rtol=0, atol=1e-12)
    assert scaled.projection_distance < 1e-12


def test_nearest_correlation_of_higham_s_example() -> None:
    """Higham (2002), §4: the nearest correlation to [[1, 1, 0], [1, 1, 1], [0, 1, 1]] has 0.7607
    beside the diagonal and 0.1573 in the corner, at a distance of 0.5278."""
    matrix = torch.tensor([[1.0, 1, 0], [1, 1, 1], [0, 1, 1]], dtype=torch.float64)
    found = nearest_correlation(matrix)
    assert float(found[0, 1]) == pytest.approx(0.7607, abs=5e-5)
    assert float(found[0, 2]) == pytest.approx(0.1573, abs=5e-5)
    assert float(torch.linalg.norm(found - matrix)) == pytest.approx(0.5278, abs=5e-5)
    prior = EmpiricalPrior("higham", matrix)
    assert prior.projection_distance == pytest.approx(0.5278 / 3, abs=2e-5)
    assert torch.allclose(prior.frame_covariance(3), found, rtol=0, atol=1e-9)


def test_no_other_correlation_is_nearer() -> None:
    """scipy over all factors with rows of unit length, from the projection and from elsewhere."""
    rng = np.random.default_rng(3)
    matrix = np.clip(MEASURED_5 + 0.5 * rng.normal(size=(5, 5)), -1, 1)
    matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(matrix, 1)
    assert np.linalg.eigvalsh(matrix).min() < -0.05

    def distance(flat: np.ndarray) -> float:
        rows = flat.reshape(5, 5)
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return float(((rows @ rows.T - matrix) ** 2).sum())

    found = nearest_correlation(torch.from_numpy(matrix)).numpy()
    best = min(minimize(distance, rng.normal(size=25)).fun for _ in range(3))
    assert ((found - matrix) ** 2).sum() == pytest.approx(best, abs=1e-6)


MEASURED_5 = np.exp(-np.abs(np.subtract.outer(range(5), range(5))) / 2)


def test_a_valid_correlation_is_left_alone() -> None:
    matrix = torch.from_numpy(MEASURED_5)
    assert torch.allclose(nearest_correlation(matrix), matrix, rtol=0, atol=1e-12)


def test_the_factor_is_cholesky_s_and_takes_singular_matrices() -> None:
    matrix = torch.from_numpy(MEASURED_5)
    found = triangular_factor(matrix)
    assert torch.allclose(found, torch.linalg.cholesky(matrix), rtol=0, atol=1e-12)
    frozen = triangular_factor(torch.ones(4, 4, dtype=torch.float64))
    assert torch.allclose(frozen @ frozen.T, torch.ones(4, 4).double(), rtol=0, atol=1e-12)
    assert torch.equal(frozen, frozen.tril())


def test_the_spec_identifies_the_content(tmp_path: Path) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
    first = parse_prior(f"empirical:{write(tmp_path / 'a' / 'ucf.npz', MEASURED, {'x': 1})}")
    moved = parse_prior(f"empirical:{write(tmp_path / 'b' / 'ucf.npz', MEASURED)}")
    other = parse_prior(f"empirical:{write(tmp_path / 'c' / 'ucf.npz', MEASURED**2)}")
    assert first.spec == moved.spec != other.spec
    assert first.spec.startswith("empirical:ucf@")


def test_a_checkpoint_finds_its_prior_again(tmp_path: Path) -> None:
    header = {"model": "shapes", "videos": 36}
    prior = parse_prior(f"empirical:{write(tmp_path / 'ucf.npz', MEASURED, header)}")
    folder = tmp_path / "checkpoint"
    prior.save(folder)
    again = parse_prior(prior.spec, folder=folder)
    assert isinstance(again, EmpiricalPrior)
    assert again.spec == prior.spec
    assert again.header == header
    noise = [p.sample((3, 4, 4), 3, [torch_generator(0)]) for p in (prior, again)]
    assert torch.equal(*noise)
    parse_prior("independent").save(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_pinned_file_with_other_content_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "ucf.npz", MEASURED)
    prior = parse_prior(f"empirical:{path}")
    digest = prior.spec[-8:]
    assert parse_prior(f"empirical:{path}@{digest}").spec == prior.spec
    write(path, MEASURED**2)
    with pytest.raises(UsageError, match=f"not @{digest}"):
        parse_prior(f"empirical:{path}@{digest}")


def test_missing_files(tmp_path: Path) -> None:
    for spec, folder in ((f"empirical:{tmp_path / 'no.npz'}", None), ("empirical:no", tmp_path)):
        with pytest.raises(MissingError, match=r"no\.npz is not there"):
            parse_prior(spec, folder=folder)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 3)), "no .T, T. matrix"),
        (np.ones(3), "no .T, T. matrix"),
        (np.array([[1.0, 0.5], [0.4, 1.0]]), "not symmetric"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), "finite numbers"),
        (np.array([[1.0, 0.0], [0.0, 0.0]]), "positive diagonal"),
    ],
)
def test_unusable_matrices(tmp_path: Path, matrix: np.ndarray, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_prior(f"empirical:{write(tmp_path / 'bad.npy', matrix)}")


def test_unusable_files(tmp_path: Path) -> None:
    objects = tmp_path / "objects.npz"
    np.savez(objects, frame_covariance=np.array([{"pickled": 1}], dtype=object))
    nothing = tmp_path / "nothing.npz"
    np.savez(nothing, cov=MEASURED)
    text, damaged, kind = (tmp_path / name for name in ("text.csv", "damaged.npz", "matrix.txt"))
    text.write_text("a,b\nc,d\n")
    damaged.write_bytes(b"PK\x03\x04 not an archive")
    kind.write_text("1")
    header = write(tmp_path / "header.npz", MEASURED, ["a list"])
    for path in (objects, nothing, text, damaged, kind, header):
        with pytest.raises(UsageError, match=path.name):
            parse_prior(f"empirical:{path}")
    with pytest.raises(UsageError, match="letters, digits"):
        parse_prior(f"empirical:{write(tmp_path / 'a b.npz', MEASURED)}")
