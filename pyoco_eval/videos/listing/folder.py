"""Find the videos under a folder: files by their suffix, and folders that hold frames."""

import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.readers.choose import (
    ANIMATION_SUFFIXES,
    ARRAY_SUFFIXES,
    FRAME_SUFFIXES,
    SHARD_SUFFIXES,
    VIDEO_SUFFIXES,
)
from pyoco_eval.videos.readers.stored_file import LocalFile, StoredFile

FILE_SUFFIXES = VIDEO_SUFFIXES | ANIMATION_SUFFIXES | ARRAY_SUFFIXES | SHARD_SUFFIXES
_COMPRESSED_SHARD = re.compile(r"\.(tar\.(gz|bz2|xz|zst|lz4)|tgz|tbz2?|txz|tzst)$", re.IGNORECASE)
COMPRESSED = "is compressed, so that its members cannot be read one by one; unpack it to .tar"

Files = Iterable[tuple[str, StoredFile]]

LOOKED_FOR = (
    f"video files ({' '.join(sorted(VIDEO_SUFFIXES | ANIMATION_SUFFIXES))}), "
    f"array files ({' '.join(sorted(ARRAY_SUFFIXES))}), tar shards (.tar) "
    f"and folders of frames ({' '.join(sorted(FRAME_SUFFIXES))})"
)


@dataclass(frozen=True)
class FolderEntry:
    """A file, or a folder with its frames.

    Attributes:
        id: POSIX path relative to the folder searched; its own name if it was given itself.
        file: the file, or the folder.
        frames: the image files in natural order (frame2 before frame10); empty for a file.
        item: the one video of an array file that is meant, such as `#7`; empty for all of them.
        caption: as a manifest states it; so is `label`.
    """

    id: str
    file: StoredFile
    frames: tuple[StoredFile, ...] = ()
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
        if is_compressed_shard(path.name):
            raise UsageError(f"{path} {COMPRESSED}")
        if path.suffix.lower() not in FILE_SUFFIXES:
            raise UsageError(f"{path} is no video; looked for {LOOKED_FOR}")
        return [FolderEntry(path.name, LocalFile(path))], 0
    if not path.is_dir():
        raise UsageError(f"{path}: no such file or folder")
    found = Found()
    search_folder(path, found)
    return found.finish(str(path))


def search_folder(folder: Path, found: "Found", prefix: str = "") -> None:
    """Add all that is in `folder` and under it; ids start with `prefix`.

    Raises:
        UsageError: a folder cannot be listed.
    """
    _Search(folder, found).enter(folder, prefix, frozenset())


class Found:
    """What a search comes upon. Names of files decide what they are."""

    def __init__(self) -> None:
        self.ignored = 0
        self._entries: list[FolderEntry] = []
        self._compressed: list[FolderEntry] = []

    def add_files(self, prefix: str, own_id: str, folder: StoredFile, files: Files) -> None:
        """Take the visible files of one folder, by name; `prefix` is its id with a slash."""
        frames: list[StoredFile] = []
        found_videos = False
        for name, file in files:
            suffix = PurePosixPath(name).suffix.lower()
            if suffix in FILE_SUFFIXES:
                self._entries.append(FolderEntry(prefix + name, file))
                found_videos = True
            elif suffix in FRAME_SUFFIXES:
                frames.append(file)
            elif is_compressed_shard(name):
                self._compressed.append(FolderEntry(prefix + name, file))
            else:
                self.ignored += 1
        if frames and not found_videos:
            self._entries.append(FolderEntry(own_id, folder, in_natural_order(frames)))
        else:
            self.ignored += len(frames)

    def finish(self, where: str) -> tuple[list[FolderEntry], int]:
        """The entries sorted by id, and the number of files that are none.

        Compressed archives beside tar shards are shards that cannot be read; else they are
        other files.

        Raises:
            UsageError: there is no entry.
        """
        ignored = self.ignored + len(self._compressed)
        if not self._entries:
            if self._compressed:
                raise UsageError(f"{where}: {self._compressed[0].id} {COMPRESSED}")
            beside = f" ({ignored} other files are there)" if ignored else ""
            raise UsageError(f"no videos in {where}{beside}; looked for {LOOKED_FOR}")
        entries = self._entries
        if any(entry.file.suffix in SHARD_SUFFIXES for entry in entries):
            entries, ignored = entries + self._compressed, self.ignored
        return sorted(entries, key=lambda entry: entry.id), ignored


class _Search:
    def __init__(self, root: Path, found: Found) -> None:
        self.root = root
        self.found = found

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
        files: list[tuple[str, StoredFile]] = []
        for path in paths:
            if path.name.startswith("."):
                continue
            kind = _kind(path)
            if kind == "folder":
                self.enter(path, f"{prefix}{path.name}/", above | {identity})
            elif kind == "file":
                files.append((path.name, LocalFile(path)))
            else:
                self.found.ignored += 1
        own_id = prefix.removesuffix("/") or self.root.resolve().name
        self.found.add_files(prefix, own_id, LocalFile(folder), files)


def is_compressed_shard(name: str) -> bool:
    """Whether a name is that of a compressed tar archive."""
    return _COMPRESSED_SHARD.search(name) is not None


def _kind(path: Path) -> str:
    """`folder`, `file` or `other`. A dangling link is a file: one that turns out unreadable."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "other"


def in_natural_order(frames: Iterable[StoredFile]) -> tuple[StoredFile, ...]:
    """Image files as the frames of one video."""
    return tuple(sorted(frames, key=lambda file: (_natural(file.name), file.name)))


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key that compares runs of digits as numbers."""
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)]
