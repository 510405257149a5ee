"""mu and sigma of other tools: what is a mean and a covariance comes in, nothing else does."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.references.mu_sigma import load_mu_sigma

ROWS = np.random.default_rng(0).normal(size=(30, 4))
MU, SIGMA = ROWS.mean(axis=0), np.cov(ROWS, rowvar=False)


class Armed:
    """Leaves a trace if it is ever unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


def test_a_mean_and_a_covariance_come_back(tmp_path: Path) -> None:
    path = tmp_path / "stats.npz"
    np.savez(path, mu=MU, sigma=SIGMA, mu_s=1)
    mu, sigma = load_mu_sigma(path)
    np.testing.assert_array_equal(mu, MU)
    np.testing.assert_array_equal(sigma, (SIGMA + SIGMA.T) / 2)
    np.savez_compressed(path, mu=MU.astype(np.float16), sigma=SIGMA.astype(np.float32))
    mu, sigma = load_mu_sigma(path)
    assert mu.dtype == sigma.dtype == np.float64
    np.testing.assert_allclose(sigma, SIGMA, rtol=1e-6)
    assert (sigma == sigma.T).all()


def test_a_singular_covariance_spoilt_by_rounding_is_one(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(5, 40)).astype(np.float32)
    sigma = np.cov(rows, rowvar=False).astype(np.float32)
    assert np.linalg.eigvalsh(sigma)[0] < 0
    np.savez(tmp_path / "s.npz", mu=rows.mean(axis=0), sigma=sigma)
    assert load_mu_sigma(tmp_path / "s.npz")[1].shape == (40, 40)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"mu": MU[:3], "sigma": SIGMA}, r"mu \(3,\) and sigma \(4, 4\) are no mean"),
        ({"mu": MU[None], "sigma": SIGMA}, "are no mean"),
        ({"mu": MU[:0], "sigma": SIGMA[:0, :0]}, "are no mean"),
        ({"mu": MU * np.nan, "sigma": SIGMA}, "NaN or infinity"),
        ({"mu": MU, "sigma": SIGMA + np.inf}, "NaN or infinity"),
        ({"mu": MU, "sigma": SIGMA + np.triu(np.full((4, 4), 0.1), 1)}, "not symmetric"),
        ({"mu": MU, "sigma": SIGMA - 0.9 * np.eye(4)}, "none may be negative"),
        ({"mu": MU.astype(str), "sigma": SIGMA}, "mu holds <U"),
        ({"mu": MU, "sigma": SIGMA.astype(int)}, "sigma holds int64"),
    ],
)
def test_what_is_no_mean_and_covariance_is_refused(
    arrays: dict[str, np.ndarray], message: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "stats.npz", **arrays)
    with pytest.raises(PyocoEvalError, match=message) as raised:
        load_mu_sigma(tmp_path / "stats.npz")
    assert "stats.npz" in str(raised.value)


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    plain, inside = tmp_path / "stats.pkl", tmp_path / "objects.npz"
    plain.write_bytes(pickle.dumps(Armed(trace)))
    with pytest.raises(UsageError, match="pickles"):
        load_mu_sigma(plain)
    np.savez(inside, mu=np.array([Armed(trace)], dtype=object), sigma=SIGMA)
    with pytest.raises(PyocoEvalError, match="cannot be read"):
        load_mu_sigma(inside)
    assert not trace.exists()


def test_other_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "stats.npz"
    np.savez(path, features=ROWS, mu=MU)
    with pytest.raises(UsageError, match="has not both mu and sigma; it holds features, mu"):
        load_mu_sigma(path)
    np.savez(path, mu=MU, sigma=SIGMA)
    whole = bytearray(path.read_bytes())
    whole[whole.index(SIGMA.tobytes()) + 5] ^= 255
    path.write_bytes(whole)
    with pytest.raises(PyocoEvalError, match="cannot be read"):
        load_mu_sigma(path)
