"""Manifests: tables that list videos, or that say what the videos of a source show."""

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.decode import ARRAY_SUFFIXES, FRAME_SUFFIXES, SHARD_SUFFIXES
from pyoco_eval.videos.folder import FILE_SUFFIXES, FolderEntry, in_natural_order
from pyoco_eval.videos.manifest_rows import (
    CAPTION_COLUMNS,
    MANIFEST_SUFFIXES,
    ManifestRow,
    listed,
    read_rows,
)
from pyoco_eval.videos.stored_file import LocalFile, StoredFile

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
    folder = Path(os.path.abspath(path)).parent  # noqa: PTH100 - links are not resolved
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
    names = _Names(source, Path(os.path.abspath(path)).parent)  # noqa: PTH100
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


def _entry(row: ManifestRow, folder: Path) -> FolderEntry:
    path = folder / row.file
    item = ""
    if not path.exists():
        base, mark, number = row.file.rpartition("#")
        whole = folder / base
        if not (mark and number.isdecimal() and whole.suffix.lower() in ARRAY_SUFFIXES):
            raise ValueError("no such file or folder")
        path, item = whole, f"#{int(number)}"
        if not path.is_file():
            raise ValueError("no such file")
    frames: tuple[StoredFile, ...] = ()
    if path.is_dir():
        pictures = (
            LocalFile(p)
            for p in path.iterdir()
            if p.suffix.lower() in FRAME_SUFFIXES and p.name[0] != "."
        )
        frames = in_natural_order(pictures)
        if not frames:
            raise ValueError("is a folder without frames; list its videos one by one")
    elif path.suffix.lower() in SHARD_SUFFIXES:
        raise ValueError("is a shard with a list of its own; give it as --samples itself")
    elif path.suffix.lower() not in FILE_SUFFIXES:
        kinds = " ".join(sorted(FILE_SUFFIXES - SHARD_SUFFIXES))
        raise ValueError(f"is no video; a row names one of {kinds}")
    return FolderEntry(_id(path, folder), LocalFile(path), frames, item, row.caption, row.label)


def _id(path: Path, folder: Path) -> str:
    plain = Path(os.path.normpath(path))
    if plain.is_relative_to(folder):
        return plain.relative_to(folder).as_posix()
    return plain.as_posix()


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

    def __init__(self, source: "VideoSource", folder: Path) -> None:
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
                self._paths[os.path.abspath(video.path)].append(video.id)  # noqa: PTH100

    def find(self, file: str) -> str:
        """The id of the one video that `file` names.

        Raises:
            ValueError: there is none, or several.
        """
        plain = os.path.normpath(file)
        if file in self._ids or plain in self._ids:
            return file if file in self._ids else plain
        name = PurePosixPath(plain).name
        for known, key in (
            (self._paths, os.path.normpath(self._folder / file)),
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
        item = PurePosixPath(item).name
        return item, item
    name = PurePosixPath(video_id).name
    return name, name if mark else PurePosixPath(name).stem


def _rows(count: int) -> str:
    return f"{count} row" + "s" * (count != 1)
