"""Find the videos under a folder: files by their suffix, and folders that hold frames."""

import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.decode import (
    ANIMATION_SUFFIXES,
    ARRAY_SUFFIXES,
    FRAME_SUFFIXES,
    VIDEO_SUFFIXES,
)

FILE_SUFFIXES = VIDEO_SUFFIXES | ANIMATION_SUFFIXES | ARRAY_SUFFIXES

LOOKED_FOR = (
    f"video files ({' '.join(sorted(VIDEO_SUFFIXES | ANIMATION_SUFFIXES))}), "
    f"array files ({' '.join(sorted(ARRAY_SUFFIXES))}) "
    f"and folders of frames ({' '.join(sorted(FRAME_SUFFIXES))})"
)


@dataclass(frozen=True)
class FolderEntry:
    """A file, or a folder with its frames.

    Attributes:
        id: POSIX path relative to the folder searched; its own name if it was given itself.
        frames: the image files in natural order (frame2 before frame10); empty for a file.
        item: the one video of an array file that is meant, such as `#7`; empty for all of them.
        caption: as a manifest states it; so is `label`.
    """

    id: str
    path: Path
    frames: tuple[Path, ...] = ()
    item: str = ""
    caption: str | None = None
    label: str | None = None


def list_videos(path: Path) -> tuple[list[FolderEntry], int]:
    """All videos at or under `path`, sorted by id, and the number of files that are none.

    Hidden files and folders are passed over. Links are followed, except to a folder that
    contains them. A folder is one video if it holds PNG or JPEG files and no video files.

    Raises:
        UsageError: `path` does not exist or holds no video; says what was looked for.
    """
    if path.is_file():
        if path.suffix.lower() not in FILE_SUFFIXES:
            raise UsageError(f"{path} is no video; looked for {LOOKED_FOR}")
        return [FolderEntry(path.name, path)], 0
    if not path.is_dir():
        raise UsageError(f"{path}: no such file or folder")
    search = _Search(path)
    search.enter(path, "", frozenset())
    if not search.entries:
        beside = f" ({search.ignored} other files are there)" if search.ignored else ""
        raise UsageError(f"no videos in {path}{beside}; looked for {LOOKED_FOR}")
    return sorted(search.entries, key=lambda entry: entry.id), search.ignored


class _Search:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.entries: list[FolderEntry] = []
        self.ignored = 0

    def enter(self, folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> None:
        """Collect what is in `folder`; `above` identifies the folders that contain it."""
        try:
            status = folder.stat()
            paths = sorted(folder.iterdir())
        except OSError as error:
            raise UsageError(f"{folder} cannot be listed: {error.strerror}") from error
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            return
        frames: list[Path] = []
        found_videos = False
        for path in paths:
            name = path.name
            if name.startswith("."):
                continue
            kind = _kind(path)
            suffix = path.suffix.lower()
            if kind == "folder":
                self.enter(path, f"{prefix}{name}/", above | {identity})
            elif kind == "file" and suffix in FILE_SUFFIXES:
                self.entries.append(FolderEntry(prefix + name, path))
                found_videos = True
            elif kind == "file" and suffix in FRAME_SUFFIXES:
                frames.append(path)
            else:
                self.ignored += 1
        if frames and not found_videos:
            own_id = prefix.removesuffix("/") or self.root.resolve().name
            self.entries.append(FolderEntry(own_id, folder, in_natural_order(frames)))
        else:
            self.ignored += len(frames)


def _kind(path: Path) -> str:
    """`folder`, `file` or `other`. A dangling link is a file: one that turns out unreadable."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "other"


def in_natural_order(frames: Iterable[Path]) -> tuple[Path, ...]:
    """Image files as the frames of one video."""
    return tuple(sorted(frames, key=lambda path: (_natural(path.name), path.name)))


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key that compares runs of digits as numbers."""
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)]
