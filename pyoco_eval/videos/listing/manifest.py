"""Manifests: tables that list videos, or that say what the videos of a source show.

Paths are text here rather than `Path` objects, which take most of the time for 60,000 rows.
"""
# ruff: noqa: PTH100, PTH116, PTH118, PTH120, PTH122, PTH208

import os
import posixpath
import stat
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.listing.folder import FILE_SUFFIXES, FolderEntry, in_natural_order
from pyoco_eval.videos.listing.manifest_rows import (
    CAPTION_COLUMNS,
    MANIFEST_SUFFIXES,
    ManifestRow,
    listed,
    read_rows,
)
from pyoco_eval.videos.readers.choose import ARRAY_SUFFIXES, FRAME_SUFFIXES, SHARD_SUFFIXES
from pyoco_eval.videos.readers.stored_file import LocalFile, StoredFile

if TYPE_CHECKING:
    from pyoco_eval.videos.source import VideoSource


def is_manifest(path: Path) -> bool:
    """Whether the name of the file is that of a manifest."""
    return path.suffix.lower() in MANIFEST_SUFFIXES and path.is_file()


def list_manifest(path: Path) -> list[FolderEntry]:
    """The videos of a manifest, sorted by id; items of one array file by number.

    A row names a video file, an array file, one item of it (`clips.npz#7`) or a folder of frames,
    relative to the manifest's folder or absolute. The id is the path relative to that folder, or
    absolute for a file outside it that is given so.

    Raises:
        UsageError: malformed rows, files that are missing or no videos (all of them at once), or
            two rows with one id.
    """
    folder = os.path.dirname(os.path.abspath(path))
    found: list[tuple[ManifestRow, FolderEntry]] = []
    problems = []
    for row in read_rows(path):
        try:
            found.append((row, _entry(row, folder)))
        except (ValueError, OSError) as error:
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            problems.append(f"line {row.line}: {row.file}: {reason}")
    if problems:
        count = len(problems)
        raise UsageError(f"{path}: {_rows(count)} cannot be used:{listed(problems)}")
    _refuse_repeated(path, found)
    return sorted((entry for _, entry in found), key=_order)


def attach_captions(source: "VideoSource", path: Path) -> "VideoSource":
    """The same videos with the captions, and labels if any, of a manifest.

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
        (chosen[video.id].caption, chosen[video.id].label or video.label) for video in source
    )


def _entry(row: ManifestRow, folder: str) -> FolderEntry:
    path = os.path.join(folder, row.file)
    item = ""
    mode = _mode(path)
    if not mode:
        path, mark, number = path.rpartition("#")
        if not (mark and number.isdecimal() and _suffix(path) in ARRAY_SUFFIXES):
            raise ValueError("no such file or folder")
        mode, item = _mode(path), f"#{int(number)}"
        if not mode:
            raise ValueError("no such file")
    frames: tuple[StoredFile, ...] = ()
    if stat.S_ISDIR(mode):
        frames = _frames(path)
    elif not stat.S_ISREG(mode):
        raise ValueError("is a pipe or device")
    elif _suffix(path) in SHARD_SUFFIXES:
        raise ValueError("is a shard with a list of its own; give it as --samples itself")
    elif _suffix(path) not in FILE_SUFFIXES:
        kinds = " ".join(sorted(FILE_SUFFIXES - SHARD_SUFFIXES))
        raise ValueError(f"is no video; a row names one of {kinds}")
    file = LocalFile(Path(path))
    return FolderEntry(_id(path, folder), file, frames, item, row.caption, row.label)


def _mode(path: str) -> int:
    """What is at `path`, 0 if nothing is."""
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _frames(folder: str) -> tuple[StoredFile, ...]:
    pictures = (
        LocalFile(Path(folder, name))
        for name in os.listdir(folder)
        if _suffix(name) in FRAME_SUFFIXES and not name.startswith(".")
    )
    frames = in_natural_order(pictures)
    if not frames:
        raise ValueError("is a folder without frames; list its videos one by one")
    return frames


def _id(path: str, folder: str) -> str:
    plain = os.path.normpath(path)
    inside = plain.removeprefix(folder.rstrip(os.sep) + os.sep)
    return inside.replace(os.sep, "/")


def _order(entry: FolderEntry) -> tuple[str, int]:
    return entry.id, int(entry.item.removeprefix("#") or 0)


def _refuse_repeated(path: Path, found: Iterable[tuple[ManifestRow, FolderEntry]]) -> None:
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
        f"{video_id}: lines {', '.join(str(row.line) for row in rows)}"
        for video_id, rows in lines.items()
        if len(rows) > 1
    ]
    if problems:
        raise UsageError(f"{path}: {len(problems)} videos are listed twice:{listed(problems)}")


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
