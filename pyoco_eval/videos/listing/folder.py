"""Walk a folder and hand over what is in it."""

import stat
from pathlib import Path

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.listing.entry import Listing
from pyoco_eval.videos.listing.found import Found, single
from pyoco_eval.videos.listing.kinds import is_passed_over
from pyoco_eval.videos.listing.pictures import PictureRule
from pyoco_eval.videos.readers.stored_file import LocalFile, StoredFile


def list_videos(path: Path, rule: PictureRule | None = None) -> Listing:
    """All that is at or under `path`, and what of it is no sample.

    Hidden files and folders, and those a system makes for itself, are passed over. Links are
    followed, except to a folder that contains them.

    Raises:
        UsageError: `path` does not exist or holds nothing to score; says what was looked for.
    """
    rule = rule or PictureRule()
    if path.is_file():
        return single(path.name, LocalFile(path), str(path), rule)
    if not path.is_dir():
        raise UsageError(f"{path}: no such file or folder")
    found = Found(rule)
    search_folder(path, found)
    return found.finish(str(path), path.resolve().name)


def search_folder(folder: Path, found: Found, prefix: str = "") -> None:
    """Add all that is in `folder` and under it; ids start with `prefix`.

    Raises:
        UsageError: a folder cannot be listed.
    """
    _Search(folder, found).enter(folder, prefix, frozenset())


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
            if is_passed_over(path.name):
                continue
            kind = _kind(path)
            if kind == "folder":
                self.enter(path, f"{prefix}{path.name}/", above | {identity})
            elif kind == "file":
                files.append((path.name, LocalFile(path)))
            else:
                self.found.left.add(path.name, "pipes and devices")
        own_id = prefix.removesuffix("/") or self.root.resolve().name
        self.found.add_files(prefix, own_id, LocalFile(folder), files)


def _kind(path: Path) -> str:
    """`folder`, `file` or `other`. A dangling link is a file: one that turns out unreadable."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "other"
