"""Features and statistics on disk: npz files that say what they are and how they were made.

No pickles. Members are stored uncompressed, so that the same content gives the same bytes whatever
zlib is installed; floating-point features would hardly shrink. The header holds a sha256 of the
arrays, checked whenever they are read; files of earlier versions have none.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.parsing import DAMAGED_ARRAYS, parse_json
from pyoco_eval.statistics.moments import Moments

FEATURES_FORMAT = "pyoco-eval/features/1"
STATISTICS_FORMAT = "pyoco-eval/statistics/1"

CHECKSUM = "sha256"
"""Header key: of the stored arrays."""

Kind = Literal["features", "statistics", "mu-sigma"]

_EPOCH = (1980, 1, 1, 0, 0, 0)

UNREADABLE = DAMAGED_ARRAYS
"""What reading a damaged or foreign file may raise."""


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Feature rows with the ids they belong to.

    Attributes:
        features: (N, D) float32.
        ids: one per row.
        header: how they were made; any JSON object.
    """

    features: np.ndarray
    ids: tuple[str, ...]
    header: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or len(self.features) != len(self.ids):
            raise PyocoEvalError(
                f"features {self.features.shape} do not fit {len(self.ids)} ids; (N, D) expected"
            )

    def save(self, path: Path) -> None:
        """Write npz keys `features`, `ids`, `signature`, `header`, `format`, atomically."""
        arrays = {
            "features": self.features.astype(np.float32, copy=False),
            "ids": np.array(self.ids, dtype=np.str_),
            "signature": np.array(str(self.header.get("signature", ""))),
        }
        _write(path, FEATURES_FORMAT, arrays, self.header)

    @classmethod
    def load(cls, path: Path) -> "FeatureSet":
        """Raises PyocoEvalError if the file is damaged or something else."""
        arrays, header = _read(path, FEATURES_FORMAT, ("features", "ids"))
        features, ids = arrays["features"], arrays["ids"]
        if (
            features.dtype != np.float32
            or features.ndim != 2
            or ids.dtype.kind != "U"
            or ids.shape != features.shape[:1]
        ):
            raise _damaged(path, f"features {features.shape} {features.dtype}, ids {ids.shape}")
        return cls(features, tuple(ids.tolist()), header)


@dataclass(frozen=True, eq=False)
class StatisticsFile:
    """Moments with the header that says how they were made."""

    moments: Moments
    header: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write npz keys `count`, `mean`, `m2`, `header`, `format`, atomically."""
        arrays = {
            "count": np.array(self.moments.count),
            "mean": self.moments.mean,
            "m2": self.moments.m2,
        }
        _write(path, STATISTICS_FORMAT, arrays, self.header)

    @classmethod
    def load(cls, path: Path) -> "StatisticsFile":
        """Raises PyocoEvalError if the file is damaged or something else."""
        arrays, header = _read(path, STATISTICS_FORMAT, ("count", "mean", "m2"))
        count, mean, m2 = arrays["count"], arrays["mean"], arrays["m2"]
        if (
            count.dtype.kind != "i"
            or count.ndim != 0
            or int(count) < 0
            or mean.dtype != np.float64
            or m2.dtype != np.float64
            or mean.ndim != 1
            or m2.shape != 2 * mean.shape
        ):
            raise _damaged(path, f"count {count.shape}, mean {mean.shape}, m2 {m2.shape}")
        return cls(Moments(int(count), mean, m2), header)


def kind_of(path: Path) -> Kind | None:
    """What an npz holds, told from its member names and format key; None for anything else.

    `mu-sigma` is the bare pair that other FID tools store.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if "format.npy" not in names:
                return "mu-sigma" if {"mu.npy", "sigma.npy"} <= names else None
            kinds: dict[str, Kind] = {
                FEATURES_FORMAT: "features",
                STATISTICS_FORMAT: "statistics",
            }
            return kinds.get(str(read_member(archive, "format")))
    except UNREADABLE:
        return None


def looks_stored(path: Path) -> bool:
    """Whether an npz, whatever its state, holds members that only our files have."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except UNREADABLE:
        return False
    return {"format.npy", "header.npy"} <= names


def read_header(path: Path) -> dict[str, Any]:
    """The header of a features or statistics file as stored, without its arrays.

    Raises:
        PyocoEvalError: the file is damaged or something else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            header = parse_json(str(read_member(archive, "header")), nan=True)
    except UNREADABLE as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(header, dict):
        raise _damaged(path, "its header is no JSON object")
    return header


def _write(
    path: Path, kind: str, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]
) -> None:
    whole = {**header, CHECKSUM: _checksum(arrays)}
    text = json.dumps(whole, ensure_ascii=False, sort_keys=True)
    members = {"format": np.array(kind), "header": np.array(text), **arrays}
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in members.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
            archive.writestr(member, buffer.getbuffer(), zipfile.ZIP_STORED)


def _read(
    path: Path, kind: str, names: tuple[str, ...]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            if str(read_member(archive, "format")) != kind:
                raise PyocoEvalError(f"{path}: not a {kind} file")
            arrays = {name: read_member(archive, name) for name in names}
    except UNREADABLE as error:
        raise _damaged(path, str(error)) from error
    header = read_header(path)
    stated = header.pop(CHECKSUM, None)
    if stated is not None and stated != _checksum(arrays):
        raise _damaged(path, "its arrays do not have the sha256 that its header states")
    return arrays, header


def _checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """sha256 over names, types, shapes and content, in order of names."""
    whole = hashlib.sha256()
    for name in sorted(set(arrays) - {"signature"}):
        array = np.ascontiguousarray(arrays[name])
        whole.update(f"{name} {array.dtype.str} {arrays[name].shape}\n".encode())
        if array.size:
            whole.update(array.view(np.uint8).data)
    return whole.hexdigest()


def read_member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array of an npz file; a pickled one is refused. May raise any of `UNREADABLE`."""
    with archive.open(f"{name}.npy") as member:
        return np.asarray(np.lib.format.read_array(member, allow_pickle=False))


def _damaged(path: Path, reason: str) -> PyocoEvalError:
    return PyocoEvalError(
        f"{path}: damaged or incomplete ({reason}); write it again with `pyoco-eval features`"
    )
