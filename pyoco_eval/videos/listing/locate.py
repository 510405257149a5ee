"""What a user's text for a set of videos means: a path, a pattern, a list or a URL."""

import re
from collections import defaultdict
from os import PathLike, fspath
from pathlib import Path

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.listing.entry import Listing
from pyoco_eval.videos.listing.folder import list_videos, search_folder
from pyoco_eval.videos.listing.found import Found
from pyoco_eval.videos.listing.manifest import is_manifest, list_manifest
from pyoco_eval.videos.listing.patterns import is_pattern, match_local, root_of
from pyoco_eval.videos.listing.pictures import PictureRule
from pyoco_eval.videos.listing.remote import is_remote, without_file_protocol
from pyoco_eval.videos.readers.stored_file import LocalFile, StoredFile

_FLATTENED_URL = re.compile(r"[a-z][\w+.-]+:/(?!/)", re.IGNORECASE | re.ASCII)


def list_place(place: str | PathLike[str], rule: PictureRule | None = None) -> Listing:
    """All that is at a place, sorted by id, and what of it is no sample.

    What exists is taken as it is, even if its name could be a pattern.

    Raises:
        UsageError: nothing is there, or it holds no video.
        MissingError: what a URL needs is not installed.
        PyocoEvalError: a URL cannot be listed.
    """
    text = without_file_protocol(fspath(place))
    if not text:
        raise UsageError("an empty path was given; write . for this folder")
    rule = rule or PictureRule()
    if is_remote(text):
        from pyoco_eval.videos.listing.remote_search import list_remote

        return list_remote(text, rule)
    path = Path(text)
    if is_manifest(path):
        return list_manifest(path, rule)
    if is_pattern(text) and not path.exists():
        return _list_pattern(text, path.name, rule)
    if _FLATTENED_URL.match(text) and not path.exists():
        raise UsageError(f"{text}: no such file or folder; a URL is given as text, not as a Path")
    return list_videos(path, rule)


def place_is_there(place: str | PathLike[str]) -> bool:
    """Whether something is at a path or pattern; URLs are not asked for."""
    text = without_file_protocol(fspath(place))
    if is_remote(text) or Path(text).exists():
        return True
    return is_pattern(text) and bool(match_local(text))


def _list_pattern(pattern: str, name: str, rule: PictureRule) -> Listing:
    root = Path(root_of(pattern))
    found = Found(rule)
    folders: dict[str, list[tuple[str, StoredFile]]] = defaultdict(list)
    for path in match_local(pattern):
        own_id = path.relative_to(root).as_posix()
        if path.is_dir():
            search_folder(path, found, f"{own_id}/")
        else:
            folders[own_id.rpartition("/")[0]].append((path.name, LocalFile(path)))
    for folder, files in folders.items():
        place = root / folder
        prefix = f"{folder}/" if folder else ""
        found.add_files(prefix, folder or place.resolve().name, LocalFile(place), files)
    return found.finish(pattern, name)
