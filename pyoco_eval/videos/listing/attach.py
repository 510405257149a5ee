"""What a manifest says of the videos of a source: captions, labels, groups.

Paths are text here rather than `Path` objects, which take most of the time for 60,000 rows.
"""
# ruff: noqa: PTH100, PTH118, PTH120

import os
import posixpath
from collections import defaultdict
from pathlib import Path

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.listing.manifest_rows import (
    CAPTION_COLUMNS,
    ManifestRow,
    count_rows,
    listed,
    read_rows,
)
from pyoco_eval.videos.source import VideoSource


def attach_captions(source: VideoSource, path: Path) -> VideoSource:
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
            f"--captions {path}: {count_rows(len(problems))} cannot be used for "
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


class _Names:
    """What rows may call the videos of a source, from the surest name to the loosest."""

    def __init__(self, source: VideoSource, folder: str) -> None:
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
