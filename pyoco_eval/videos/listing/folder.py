"""Walk a folder and hand over what is in it."""

import stat
from pathlib import Path

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.listing.entry import Listing
from pyoco_eval.videos.listing.found import Found, single
from pyoco_eval.videos.listing.pictures import PictureRule
from pyoco_eval.videos.listing.walk import walk
from pyoco_eval.videos.readers.stored_file import LocalFile, StoredFile


def list_videos(path: Path, rule: PictureRule | None = None) -> Listing:
    """All that is at or under `path`, and what of it is no sample.

    Hidden files and folders, and those a system makes for itself, are passed over. Links are
    followed, except to a folder that was found already.

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

    def leave(link: Path) -> None:
        found.left.add(link.name, "links to folders found elsewhere")

    try:
        for place, inside in walk(folder, on_repeat=leave):
            inner = "" if place == folder else f"{place.relative_to(folder).as_posix()}/"
            files: list[tuple[str, StoredFile]] = []
            for path in inside:
                kind = _kind(path)
                if kind == "file":
                    files.append((path.name, LocalFile(path)))
                elif kind == "other":
                    found.left.add(path.name, "pipes and devices")
            own_id = (prefix + inner).removesuffix("/") or folder.resolve().name
            found.add_files(prefix + inner, own_id, LocalFile(place), files)
    except OSError as error:
        where = error.filename or folder
        raise UsageError(f"{where} cannot be listed: {error.strerror}") from error


def _kind(path: Path) -> str:
    """`folder`, `file` or `other`. A dangling link is a file: one that turns out unreadable."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "other"
