"""A noise prior measured on real videos: a T×T correlation over frames, read from a file.

Axes: T frames, C channels, H, W.

A file is `.npz` with `frame_covariance` (T, T) and, optionally, `header`, a JSON object as a string
that says where the numbers come from; or a bare matrix as `.npy` or `.csv`. Nothing is unpickled.
A covariance is scaled to unit diagonal and projected to the nearest correlation matrix.

The prior is identified by what the file holds, not by where it lies: `spec` is
`empirical:NAME@sha8`, of the file's stem and the first 8 hexadecimal digits of the sha256 of the
matrix before scaling and projection (`T` as decimal text, a newline, then little-endian float64 row
by row). So the digest is the same on every machine and for every file format, and a checkpoint
that keeps the matrix (`save`) finds it again by its spec.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.parsing import DAMAGED_ARRAYS, parse_json
from pyoco_eval.priors.base import NoisePrior, frame_lags
from pyoco_eval.priors.correlation import nearest_correlation, triangular_factor

_SYMMETRY = 1e-6
"""Largest relative asymmetry taken for rounding."""


@dataclass(frozen=True, eq=False)
class EmpiricalPrior(NoisePrior):
    """Noise whose correlation over frames was measured. Takes up to the T frames of its matrix.

    Attributes:
        name: a word that tells people which one it is.
        matrix: float64 (T, T), the symmetric matrix as measured, with a positive diagonal.
        header: where it comes from.

    Raises:
        UsageError: the matrix is not square, finite and symmetric with a positive diagonal, or
            the name has other characters than letters, digits and `._-`.
    """

    name: str
    matrix: torch.Tensor
    header: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", self.name):
            raise UsageError(
                f"empirical prior {self.name!r}: its name, the stem of its file, may have letters, "
                "digits and ._- only, since it stands in signatures"
            )
        shape, matrix = tuple(self.matrix.shape), self.matrix
        if len(shape) != 2 or shape[0] != shape[1] or not shape[0]:
            raise UsageError(f"empirical prior {self.name!r}: {shape} is no (T, T) matrix")
        if not torch.isfinite(matrix).all() or not (matrix.diagonal() > 0).all():
            raise UsageError(
                f"empirical prior {self.name!r}: a covariance has finite numbers and a positive "
                "diagonal"
            )
        if (matrix - matrix.T).abs().max() > _SYMMETRY * matrix.abs().max():
            raise UsageError(f"empirical prior {self.name!r}: the matrix is not symmetric")

    @classmethod
    def load(cls, file: str, *, folder: Path | None = None) -> "EmpiricalPrior":
        """Read `FILE` or `FILE@sha8`; with `folder`, the `NAME@sha8` that `save` wrote there.

        Raises:
            MissingError: no such file.
            UsageError: it holds no such matrix, or not the one that `@sha8` says.
        """
        match = re.fullmatch(r"(.+)@([0-9a-f]{8})", file)
        base, digest = (match[1], match[2]) if match else (file, None)
        path = Path(base) if folder is None else folder / f"{base}.npz"
        if not path.is_file():
            raise MissingError(
                f"noise prior empirical:{file}: {path} is not there. Give the path of the .npz, "
                ".npy or .csv file, or the folder of the checkpoint that was trained with it"
            )
        matrix, header = _read(path)
        prior = cls(path.stem, torch.from_numpy(matrix), header)
        if digest not in (None, prior.digest):
            raise UsageError(
                f"{path}: holds the correlation @{prior.digest}, not @{digest}: it is another one"
            )
        return prior

    @property
    def spec(self) -> str:
        return f"empirical:{self.name}@{self.digest}"

    @cached_property
    def digest(self) -> str:
        """The first 8 hexadecimal digits of the sha256 of the matrix."""
        matrix = self.matrix.numpy().astype("<f8")
        content = f"{len(matrix)}\n".encode() + np.ascontiguousarray(matrix).tobytes()
        return hashlib.sha256(content).hexdigest()[:8]

    @cached_property
    def correlation(self) -> torch.Tensor:
        """The nearest correlation to the matrix scaled to unit diagonal: float64 (T, T)."""
        return nearest_correlation(self._scaled())

    @property
    def projection_distance(self) -> float:
        """How far the measured correlation is from a valid one, per frame (Frobenius norm / T)."""
        return float(torch.linalg.norm(self.correlation - self._scaled())) / len(self.matrix)

    def frame_covariance(self, num_frames: int) -> torch.Tensor:
        frame_lags(num_frames)
        lower = self._factor(num_frames)
        covariance = lower @ lower.T
        return (covariance + covariance.T) / 2

    def save(self, folder: Path) -> None:
        """Write `folder/NAME.npz`, from which `parse_prior(spec, folder=folder)` reads it back."""
        with atomic_path(folder / f"{self.name}.npz") as path, path.open("wb") as file:
            header = json.dumps(dict(self.header), sort_keys=True)
            np.savez(file, frame_covariance=self.matrix.numpy(), header=np.array(header))

    def _fill(self, frames: torch.Tensor, generator: torch.Generator) -> None:
        for frame in frames:
            frame.normal_(generator=generator)
        lower = self._factor(len(frames)).float()
        torch.matmul(lower, frames.flatten(1).clone(), out=frames.flatten(1))

    @cached_property
    def _lower(self) -> torch.Tensor:
        return triangular_factor(self.correlation)

    def _factor(self, num_frames: int) -> torch.Tensor:
        if num_frames > len(self.matrix):
            raise UsageError(
                f"noise prior {self.spec}: measured over {len(self.matrix)} frames, it cannot "
                f"make {num_frames}. Measure it on longer videos, or ask for fewer frames"
            )
        return self._lower[:num_frames, :num_frames]

    def _scaled(self) -> torch.Tensor:
        symmetric = (self.matrix + self.matrix.T) / 2
        std = symmetric.diagonal().sqrt()
        return symmetric / (std[:, None] * std[None])


def _read(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """The float64 matrix and header of a file."""
    try:
        if path.suffix == ".npz":
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                matrix = archive["frame_covariance"]
                header = parse_json(str(archive["header"]), nan=True) if "header" in archive else {}
        elif path.suffix == ".npy":
            with path.open("rb") as file:
                matrix, header = np.load(file, allow_pickle=False), {}
        elif path.suffix == ".csv":
            matrix, header = np.loadtxt(path, delimiter=",", ndmin=2), {}
        else:
            raise UsageError(f"{path}: a noise prior is read from .npz, .npy or .csv")
        if not isinstance(header, dict):
            raise ValueError("its header is no JSON object")
        return np.asarray(matrix, np.float64), header
    except DAMAGED_ARRAYS as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(
            f"{path}: holds no noise prior: {error}. Expected a (T, T) matrix of numbers, in an "
            ".npz under the key frame_covariance"
        ) from error
