"""The bare mean and covariance that other tools store: npz members `mu` and `sigma`.

Written by pytorch-fid, clean-fid, TTUR and many repositories. Such a file does not say which
network, resizing or number of images it stands for; this module only checks that it is what its
names promise.
"""

import zipfile
from pathlib import Path
from typing import Final

import numpy as np

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.statistics.files import UNREADABLE, read_member

TOLERANCE: Final = 1e-5
"""Share of the largest value by which float32 arithmetic may spoil symmetry or eigenvalues."""


def load_mu_sigma(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and covariance (D, D), float64, exactly symmetric.

    Nothing is unpickled.

    Raises:
        UsageError: no npz file with `mu` and `sigma`.
        PyocoEvalError: damaged, pickled, of shapes that do not fit, not finite, or no covariance:
            asymmetric or with negative eigenvalues beyond rounding.
    """
    if not zipfile.is_zipfile(path):
        raise UsageError(
            f"{path}: is no npz file with mu and sigma; pickles (.pkl, .pt) are never opened, "
            "because opening one runs whatever it holds"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            held = sorted(name.removesuffix(".npy") for name in archive.namelist())
            found = [read_member(archive, name) for name in ("mu", "sigma") if name in held]
    except UNREADABLE as error:
        raise PyocoEvalError(f"{path}: mu and sigma cannot be read: {error}") from error
    if len(found) < 2:
        raise UsageError(f"{path}: has not both mu and sigma; it holds {', '.join(held)}")
    mu, sigma = found
    for name, array in (("mu", mu), ("sigma", sigma)):
        if array.dtype.kind != "f":
            raise PyocoEvalError(f"{path}: {name} holds {array.dtype}, not floating-point numbers")
    if mu.ndim != 1 or not mu.size or sigma.shape != 2 * mu.shape:
        raise PyocoEvalError(
            f"{path}: mu {mu.shape} and sigma {sigma.shape} are no mean (D,) and covariance (D, D)"
        )
    mu, sigma = mu.astype(np.float64), sigma.astype(np.float64)
    if not (np.isfinite(mu).all() and np.isfinite(sigma).all()):
        raise PyocoEvalError(f"{path}: mu or sigma holds NaN or infinity")
    largest = float(np.abs(sigma).max())
    skew = float(np.abs(sigma - sigma.T).max())
    if skew > TOLERANCE * largest:
        raise PyocoEvalError(
            f"{path}: sigma is no covariance: it is not symmetric (by {skew:.3g}, its largest "
            f"value is {largest:.3g})"
        )
    sigma = (sigma + sigma.T) / 2
    eigenvalues = np.linalg.eigvalsh(sigma)
    if eigenvalues[0] < -TOLERANCE * eigenvalues[-1]:
        raise PyocoEvalError(
            f"{path}: sigma is no covariance: its eigenvalues reach from {eigenvalues[0]:.3g} to "
            f"{eigenvalues[-1]:.3g}, and none may be negative"
        )
    return mu, sigma
