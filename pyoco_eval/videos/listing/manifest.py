"""Manifests: tables that list videos, or that say what the videos of a source show.

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
from typing import TYPE_CHECKING

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.listing.entry import FolderEntry, Listing
from pyoco_eval.videos.listing.frame_series import frame_series
from pyoco_eval.videos.listing.kinds import EITHER_SUFFIXES, FILE_SUFFIXES, is_passed_over, kind_of
from pyoco_eval.videos.listing.left_out import LeftOut
from pyoco_eval.videos.listing.manifest_rows import (
    CAPTION_COLUMNS,
    MANIFEST_SUFFIXES,
    ManifestRow,
    listed,
    read_rows,
)
from pyoco_eval.videos.listing.pictures import Decision, PictureRule, could_be_either
from pyoco_eval.videos.readers.choose import ARRAY_SUFFIXES, FRAME_SUFFIXES, SHARD_SUFFIXES
from pyoco_eval.videos.readers.stored_file import LocalFile, StoredFile

if TYPE_CHECKING:
    from pyoco_eval.videos.source import VideoSource


def is_manifest(path: Path) -> bool:
    """Whether the name of the file is that of a manifest."""
    return path.suffix.lower() in MANIFEST_SUFFIXES and path.is_file()


def list_manifest(path: Path, rule: PictureRule | None = None) -> Listing:
    """The samples of a manifest, sorted by id; items of one array file by number.

    A row names a video file, an array file, one item of it (`clips.npz#7`), a folder of frames or,
    for metrics of images, a picture; relative to the manifest's folder or absolute. The id is the
    path relative to that folder, or absolute for a file outside it that is given so.

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


def attach_captions(source: "VideoSource", path: Path) -> "VideoSource":
    """The same videos with the captions, and labels and groups if any, of a manifest.

    Rows name videos by id or, where only one video has it, by path, file name or file name
    without suffix.

    Raises:
        UsageError: malformed rows, rows without a caption, rows that name no video, several or
            one that another row names, or videos that no row names.
    """
    if not path.is_file():
        raise UsageError(f"--captions {path}: no such file")
    rows = read_rows(path)
    names = _Names(source, os.path.dirname(os.path.abspath(path)))
    chosen: dict[str, ManifestRow] = {}
    problems = []
    for row in rows:
        try:
            video_id = names.find(row.file)
            if row.caption is None:
                raise ValueError(f"has no caption (columns {', '.join(CAPTION_COLUMNS)})")
            if video_id in chosen:
                raise ValueError(f"names {video_id}, as line {chosen[video_id].line} does")
        except ValueError as error:
            problems.append(f"line {row.line}: {row.file}: {error}")
        else:
            chosen[video_id] = row
    if problems:
        raise UsageError(
            f"--captions {path}: {_rows(len(problems))} cannot be used for "
            f"{source.name}:{listed(problems)}"
        )
    lacking = [video.id for video in source if video.id not in chosen]
    if lacking:
        raise UsageError(
            f"--captions {path}: {len(lacking)} of {len(source)} videos have no row:"
            f"{listed(lacking)}"
        )
    return source.described(
        (
            chosen[video.id].caption,
            chosen[video.id].label or video.label,
            chosen[video.id].group or video.group,
        )
        for video in source
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
            raise UsageError(f"{self.where}: {_rows(count)} cannot be used:{listed(problems)}")
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
            path, mark, number = path.rpartition("#")
            if not (mark and number.isdecimal() and _suffix(path) in ARRAY_SUFFIXES):
                raise ValueError("no such file or folder")
            mode, item = _mode(path), f"#{int(number)}"
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
        if kind == "shard":
            raise ValueError("is a shard with a list of its own; give it as --samples itself")
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


def _order(entry: FolderEntry) -> tuple[str, int]:
    return entry.id, int(entry.item.removeprefix("#") or 0)


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


class _Names:
    """What rows may call the videos of a source, from the surest name to the loosest."""

    def __init__(self, source: "VideoSource", folder: str) -> None:
        self._folder = folder
        self._ids = {video.id for video in source}
        self._paths: dict[str, list[str]] = defaultdict(list)
        self._names: dict[str, list[str]] = defaultdict(list)
        self._stems: dict[str, list[str]] = defaultdict(list)
        for video in source:
            name, stem = _file_name(video.id)
            self._names[name].append(video.id)
            if stem != name:
                self._stems[stem].append(video.id)
            if video.path is not None:
                self._paths[os.path.abspath(video.path)].append(video.id)

    def find(self, file: str) -> str:
        """The id of the one video that `file` names.

        Raises:
            ValueError: there is none, or several.
        """
        plain = os.path.normpath(file)
        if file in self._ids or plain in self._ids:
            return file if file in self._ids else plain
        name = posixpath.basename(plain)
        for known, key in (
            (self._paths, os.path.normpath(os.path.join(self._folder, file))),
            (self._names, name),
            (self._stems, name),
        ):
            ids = known.get(key, [])
            if len(ids) == 1:
                return ids[0]
            if ids:
                more = ", …" if len(ids) > 3 else ""
                raise ValueError(f"could be {', '.join(ids[:3])}{more}; write the whole id")
        raise ValueError("names no video")


def _file_name(video_id: str) -> tuple[str, str]:
    """The last part of an id with and without suffix; items and keys have none."""
    base, mark, item = video_id.rpartition("#")
    if mark and base.lower().endswith(".tar"):
        item = posixpath.basename(item)
        return item, item
    name = posixpath.basename(video_id)
    return name, name if mark else posixpath.splitext(name)[0]


def _rows(count: int) -> str:
    return f"{count} row" + "s" * (count != 1)
