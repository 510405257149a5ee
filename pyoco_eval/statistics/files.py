"""Features and statistics on disk: npz files that say what they are and how they were made.

No pickles. The same content gives the same bytes.
"""

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
from pyoco_eval.statistics.moments import Moments

FEATURES_FORMAT = "pyoco-eval/features/1"
STATISTICS_FORMAT = "pyoco-eval/statistics/1"

Kind = Literal["features", "statistics", "mu-sigma"]

_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
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
        return cls(arrays["features"], tuple(arrays["ids"].tolist()), header)


@dataclass(frozen=True)
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
        moments = Moments(int(arrays["count"]), arrays["mean"], arrays["m2"])
        return cls(moments, header)


def kind_of(path: Path) -> Kind | None:
    """What an npz holds, told from its member names and format key; None for anything else.

    `mu-sigma` is the bare pair that other FID tools store.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            names = set(stored.files)
            if "format" in names:
                written = str(stored["format"])
                kinds: dict[str, Kind] = {
                    FEATURES_FORMAT: "features",
                    STATISTICS_FORMAT: "statistics",
                }
                return kinds.get(written)
            return "mu-sigma" if {"mu", "sigma"} <= names else None
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, AttributeError):
        return None


def _write(
    path: Path, kind: str, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]
) -> None:
    text = json.dumps(dict(header), ensure_ascii=False, sort_keys=True)
    members = {"format": np.array(kind), "header": np.array(text), **arrays}
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in members.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
            archive.writestr(member, buffer.getvalue(), zipfile.ZIP_DEFLATED, 1)


def _read(
    path: Path, kind: str, names: tuple[str, ...]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            if "format" not in stored.files or str(stored["format"]) != kind:
                raise PyocoEvalError(f"{path}: not a {kind} file")
            arrays = {name: stored[name] for name in names}
            header = json.loads(str(stored["header"]))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise PyocoEvalError(
            f"{path}: damaged or incomplete ({error}); write it again with `pyoco-eval features`"
        ) from error
    return arrays, header
