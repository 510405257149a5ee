"""Manifests: tables that list videos.

Paths are text here rather than `Path` objects, which take most of the time for 60,000 rows.
"""
# ruff: noqa: PTH100, PTH116, PTH118, PTH120, PTH122, PTH208

import os
import posixpath
import stat
from collections import defaultdict
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.listing.entry import FolderEntry, Listing
from pyoco_eval.videos.listing.frame_series import frame_series
from pyoco_eval.videos.listing.kinds import EITHER_SUFFIXES, FILE_SUFFIXES, is_passed_over, kind_of
from pyoco_eval.videos.listing.left_out import LeftOut
from pyoco_eval.videos.listing.manifest_rows import (
    MANIFEST_SUFFIXES,
    ManifestRow,
    count_rows,
    listed,
    read_rows,
)
from pyoco_eval.videos.listing.pictures import Decision, PictureRule, could_be_either
from pyoco_eval.videos.readers.choose import ARRAY_SUFFIXES, FRAME_SUFFIXES, SHARD_SUFFIXES
from pyoco_eval.videos.readers.stored_file import LocalFile, StoredFile


def is_manifest(path: Path) -> bool:
    """Whether the name of the file is that of a manifest."""
    return path.suffix.lower() in MANIFEST_SUFFIXES and path.is_file()


def list_manifest(path: Path, rule: PictureRule | None = None) -> Listing:
    """The samples of a manifest, sorted by id; items of one array file by number, of one shard by
    name.

    A row names a video file, an array file, one item of it (`clips.npz#7`), one sample of a tar
    shard (`shard.tar#0007`), a folder of frames or, for metrics of images, a picture; relative to
    the manifest's folder or absolute. The id is the path relative to that folder, or absolute for a
    file outside it that is given so.

    Raises:
        UsageError: malformed rows, files that are missing or no samples (all of them at once), or
            two rows with one id.
    """
    folder = os.path.dirname(os.path.abspath(path))
    return _Rows(str(path), "line", folder, rule or PictureRule()).listing(
        path.name, read_rows(path)
    )


def list_paths(paths: Sequence[str | PathLike[str]], rule: PictureRule) -> Listing:
    """The samples of a list of paths, as if a manifest named them; relative to this folder.

    Ids are relative to the folder that holds them all.

    Raises:
        UsageError: as for a manifest.
    """
    empty = [number for number, path in enumerate(paths) if not os.fspath(path)]
    if empty:
        raise UsageError(f"the list of paths: item {empty[0]} is empty")
    whole = [os.path.abspath(os.fspath(path)) for path in paths]
    folder = os.path.commonpath([os.path.dirname(path) for path in whole])
    rows = [ManifestRow(number, path, None, None) for number, path in enumerate(whole)]
    return _Rows("the list of paths", "item", folder, rule).listing(
        posixpath.basename(folder) or "paths", rows
    )


class _Rows:
    """Turns rows into entries."""

    def __init__(self, where: str, unit: str, folder: str, rule: PictureRule) -> None:
        self.where = where
        self.unit = unit
        self.folder = folder
        self.rule = rule
        self.images = rule.sees == "pictures" and rule.stated != "frames"
        self.left = LeftOut()

    def listing(self, name: str, rows: Sequence[ManifestRow]) -> Listing:
        found: list[tuple[ManifestRow, FolderEntry]] = []
        problems = []
        for row in rows:
            try:
                found.append((row, self._entry(row)))
            except (ValueError, OSError) as error:
                reason = (
                    (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
                )
                problems.append(f"{self.unit} {row.line}: {row.file}: {reason}")
        if problems:
            count = len(problems)
            raise UsageError(f"{self.where}: {count_rows(count)} cannot be used:{listed(problems)}")
        _refuse_repeated(self.where, self.unit, found)
        entries = sorted((entry for _, entry in found), key=_order)
        return Listing(name, entries, self.left, self._decision(entries))

    def _decision(self, entries: Sequence[FolderEntry]) -> Decision:
        pictures = sum(entry.kind == "picture" and not entry.frames for entry in entries)
        videos = sum(entry.kind != "array" for entry in entries) - pictures
        if pictures and videos:
            raise could_be_either(
                self.where,
                f"names {pictures:,} pictures and {videos:,} videos",
                "score pictures (and list no videos)",
                "score videos (and list folders of frames)",
            )
        frames = any(entry.frames for entry in entries)
        return Decision(images=pictures > 0, folders_of_frames=frames)

    def _entry(self, row: ManifestRow) -> FolderEntry:
        path = os.path.join(self.folder, row.file)
        item = ""
        mode = _mode(path)
        if not mode:
            path, item = _item_of(path)
            mode = _mode(path)
            if not mode:
                raise ValueError("no such file")
        file, own_id = LocalFile(Path(path)), _id(path, self.folder)
        if stat.S_ISDIR(mode):
            series = frame_series(_pictures(path))
            for picture, what in series.left:
                self.left.add(picture.name, what)
            return FolderEntry(
                own_id,
                file,
                "picture",
                series.frames,
                series.problem,
                caption=row.caption,
                label=row.label,
                group=row.group,
            )
        if not stat.S_ISREG(mode):
            raise ValueError("is a pipe or device")
        kind = kind_of(file.name, file, still_gifs=self.images).kind
        if kind == "picture" and not self.images and _suffix(path) in EITHER_SUFFIXES:
            kind = "animation"
        if kind == "picture" and not self.images:
            raise ValueError("is one picture, no video; a row names the folder of its frames")
        if kind == "shard" and not item:
            raise ValueError(
                "is a shard with a list of its own; give it as --samples itself, or name one "
                "sample of it (shard.tar#KEY)"
            )
        if kind in ("other", "compressed"):
            kinds = " ".join(sorted(FILE_SUFFIXES - SHARD_SUFFIXES))
            raise ValueError(f"is no video; a row names one of {kinds}")
        return FolderEntry(
            own_id,
            file,
            kind,
            item=item,
            caption=row.caption,
            label=row.label,
            group=row.group,
        )


def _item_of(path: str) -> tuple[str, str]:
    """The file and the item of `clips.npz#7` or `shard.tar#0007`; raises ValueError for others."""
    shard, mark, key = path.partition(".tar#")
    if mark and key:
        return f"{shard}.tar", f"#{key}"
    file, mark, number = path.rpartition("#")
    if not (mark and number.isdecimal() and _suffix(file) in ARRAY_SUFFIXES):
        raise ValueError("no such file or folder")
    return file, f"#{int(number)}"


def _mode(path: str) -> int:
    """What is at `path`, 0 if nothing is."""
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _pictures(folder: str) -> list[StoredFile]:
    pictures: list[StoredFile] = [
        LocalFile(Path(folder, name))
        for name in sorted(os.listdir(folder))
        if _suffix(name) in FRAME_SUFFIXES and not is_passed_over(name)
    ]
    if not pictures:
        raise ValueError("is a folder without frames; list its videos one by one")
    return pictures


def _id(path: str, folder: str) -> str:
    plain = os.path.normpath(path)
    inside = plain.removeprefix(folder.rstrip(os.sep) + os.sep)
    return inside.replace(os.sep, "/")


def _order(entry: FolderEntry) -> tuple[str, int, str]:
    number = 0 if entry.kind == "shard" else int(entry.item.removeprefix("#") or 0)
    return entry.id, number, entry.item


def _refuse_repeated(
    where: str, unit: str, found: Iterable[tuple[ManifestRow, FolderEntry]]
) -> None:
    lines: dict[str, list[ManifestRow]] = defaultdict(list)
    whole = set()
    for row, entry in found:
        lines[entry.id + entry.item].append(row)
        if not entry.item:
            whole.add(entry.id)
    for row, entry in found:
        if entry.item and entry.id in whole:
            lines[entry.id].append(row)
    problems = [
        f"{video_id}: {unit}s {', '.join(str(row.line) for row in rows)}"
        for video_id, rows in lines.items()
        if len(rows) > 1
    ]
    if problems:
        raise UsageError(f"{where}: {len(problems)} videos are listed twice:{listed(problems)}")
