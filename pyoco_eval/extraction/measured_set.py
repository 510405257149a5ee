"""One side of a comparison: feature statistics together with the recipe that made them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.extraction.grouping import Grouping
from pyoco_eval.extraction.pixel_recipes import with_pixels
from pyoco_eval.metrics.signature import Signature, token
from pyoco_eval.statistics.files import FeatureSet, StatisticsFile
from pyoco_eval.statistics.moments import Moments, MomentsAccumulator
from pyoco_eval.version import __version__

RECIPE_KEYS = ("net", "clip", "sel", "rgb", "frames", "scale", "prec")
"""Signature keys on which both sides of a Fréchet distance must agree."""


@dataclass(frozen=True)
class MeasuredSet:
    """What is known of one set of videos under one network.

    Attributes:
        name: of the source, as a user would recognise it.
        digest: sha256 over the source's files.
        recipe: signature keys that describe how the features were made.
        count: feature rows.
        num_videos: videos they come from.
        moments: mean and covariance, if they were accumulated or stored.
        features: the rows, if they were kept.
        rows_per_video: rows each video brought, in order (zero where skipped), if rows were kept.
        skipped: id -> reason.
        files: id -> sha256.
        captions: of every video in order, empty where none has any; None for a video without.
        notes: what was decided about its files without the user's word, in sentences.
        groups: likewise, as manifests name them.
        grouping: what counts as one, once that is decided.
        imported: its moments come from another tool and its recipe from what a user said.
    """

    name: str
    digest: str
    recipe: Mapping[str, str]
    count: int
    num_videos: int
    moments: Moments | None = None
    features: FeatureSet | None = None
    rows_per_video: tuple[int, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    captions: tuple[str | None, ...] = ()
    notes: tuple[str, ...] = ()
    imported: bool = False
    groups: tuple[str | None, ...] = ()
    grouping: Grouping = field(default_factory=Grouping)

    def label(self) -> str:
        """Name and hash in one signature token."""
        return f"{token(self.name)}@{self.digest[:8]}" + ("-imported" if self.imported else "")

    def dim(self) -> int:
        """D."""
        if self.moments is not None:
            return len(self.moments.mean)
        assert self.features is not None
        return int(self.features.features.shape[1])

    def to_moments(self) -> Moments:
        """The stored moments, or those of the kept rows, grouped as a pass groups them."""
        if self.moments is not None:
            return self.moments
        assert self.features is not None
        rows = self.features.features
        accumulator = MomentsAccumulator(rows.shape[1])
        start = 0
        for index, count in enumerate(self.rows_per_video):
            accumulator.add(index, rows[start : start + count])
            start += count
        return accumulator.finish(len(self.rows_per_video))

    def gaussian(self) -> Moments | np.ndarray:
        """What a Fréchet distance needs: the rows where they are fewer than their dimensions."""
        if self.features is not None and self.count <= self.dim():
            return self.features.features
        return self.to_moments()

    def row_groups(self) -> np.ndarray:
        """(N,) which video each kept row comes from."""
        return np.repeat(np.arange(len(self.rows_per_video)), self.rows_per_video)

    def video_names(self) -> list[str]:
        """The ids of the videos, in order, from those of their rows; of one left out its place."""
        names, row = [], 0
        ids = () if self.features is None else self.features.ids
        for place, count in enumerate(self.rows_per_video):
            name = ids[row] if count else f"left out {place}"
            if count and "sel" in self.recipe and self.recipe["clip"] != "images":
                name = name.rpartition(":")[0]
            if count and "-all(" in self.recipe["clip"]:
                name = name.rpartition("@")[0]
            names.append(name)
            row += count
        return names

    def video_units(self) -> list[str]:
        """What each video counts as: its group, or else itself, by a name other sets share.

        Videos of two models that answer one prompt are called alike but for the name of the array
        file they are in, or the suffix: both are left out.
        """
        if self.grouping.rule is not None:
            return list(self.grouping.labels)
        names = self.video_names()
        plain = [_plain(name) for name in names]
        return plain if len(set(plain)) == len(plain) else names

    def row_units(self) -> np.ndarray:
        """(N,) `video_units` of the video each kept row comes from."""
        return np.repeat(np.array(self.video_units(), dtype=np.str_), self.rows_per_video)

    def header(self) -> dict[str, Any]:
        """What features and statistics files say about themselves."""
        return {
            "name": self.name,
            "digest": self.digest,
            "recipe": dict(self.recipe),
            "count": self.count,
            "num_videos": self.num_videos,
            "rows_per_video": list(self.rows_per_video),
            "skipped": dict(self.skipped),
            "files": dict(self.files),
            "captions": list(self.captions),
            "notes": list(self.notes),
            "groups": list(self.groups),
            "version": __version__,
        }

    def save_statistics(self, path: Path) -> None:
        """Write mean and covariance with the header, without rows and file hashes."""
        header = self.header() | {"rows_per_video": [], "files": {}, "captions": []}
        header["groups"] = []
        signature = {"signature": str(self.signature())}
        StatisticsFile(self.to_moments(), header | signature).save(path)

    def signature(self) -> Signature:
        """Recipe of the features alone, as written into files."""
        values = {**self.recipe, "n": str(self.count), "v": __version__}
        return Signature.of(values)


def rows_of(side: MeasuredSet, purpose: str) -> np.ndarray:
    """Feature rows (N, D).

    Raises:
        UsageError: the side holds statistics only.
    """
    if side.features is None:
        raise UsageError(
            f"{side.name} holds statistics, {purpose} needs features: keep them with "
            "`pyoco-eval features`, or give the videos"
        )
    return side.features.features


def _plain(name: str) -> str:
    """A video's id without its suffix, or without the file it is in: `#7` for `clips.npz#7`."""
    _, mark, item = name.rpartition("#")
    if mark:
        return f"#{item}"
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and "/" not in suffix else name


def side_from_file(path: Path, kind: str) -> MeasuredSet:
    """Read a features or statistics file that this package wrote.

    Raises:
        PyocoEvalError: the file is damaged or lacks its header.
    """
    stored = FeatureSet.load(path) if kind == "features" else StatisticsFile.load(path)
    header = stored.header
    try:
        side = MeasuredSet(
            name=str(header["name"]),
            digest=str(header["digest"]),
            recipe=with_pixels({str(key): str(value) for key, value in header["recipe"].items()}),
            count=int(header["count"]),
            num_videos=int(header["num_videos"]),
            moments=stored.moments if isinstance(stored, StatisticsFile) else None,
            features=stored if isinstance(stored, FeatureSet) else None,
            rows_per_video=tuple(int(count) for count in header["rows_per_video"]),
            skipped=dict(header["skipped"]),
            files=dict(header["files"]),
            captions=tuple(header.get("captions", ())),
            notes=tuple(header.get("notes", ())),
            groups=tuple(header.get("groups", ())),
            imported=bool(header.get("imported")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _foreign(path, f"its header lacks or garbles {error}") from error
    lacking = [key for key in ("net", "size", "clip", "frames", "dec") if key not in side.recipe]
    if lacking:
        raise _foreign(path, f"its recipe lacks {', '.join(lacking)}")
    numbers = side.moments.m2 if side.moments is not None else side.features.features  # type: ignore[union-attr]
    if not np.isfinite(numbers).all():
        raise _foreign(path, "it holds NaN or infinity")
    counts = {side.count}
    if side.features is not None:
        counts |= {len(side.features.ids), sum(side.rows_per_video)}
    if side.moments is not None:
        counts.add(side.moments.count)
    if len(counts) > 1:
        raise _foreign(path, f"its counts of rows contradict each other: {sorted(counts)}")
    return side


def _foreign(path: Path, reason: str) -> PyocoEvalError:
    return PyocoEvalError(
        f"{path}: {reason}; it was not written by `pyoco-eval features`, or is damaged: extract "
        "the features again"
    )
