"""Find videos behind a URL, by the rules of `folder`."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.videos.listing.entry import Listing
from pyoco_eval.videos.listing.found import Found, single
from pyoco_eval.videos.listing.kinds import FILE_SUFFIXES, is_compressed_shard, is_passed_over
from pyoco_eval.videos.listing.manifest_rows import MANIFEST_SUFFIXES
from pyoco_eval.videos.listing.patterns import (
    expand_braces,
    is_pattern,
    is_wild,
    require_all,
    root_of,
)
from pyoco_eval.videos.listing.pictures import PictureRule
from pyoco_eval.videos.listing.remote import RemoteFile, RemoteFiles, name_of, reason_of, shown
from pyoco_eval.videos.readers.choose import FRAME_SUFFIXES
from pyoco_eval.videos.readers.stored_file import StoredFile

_Infos = Mapping[str, Mapping[str, Any]]


def list_remote(url: str, rule: PictureRule) -> Listing:
    """All that is behind a URL, sorted by id, and what of it is no sample.

    Ids are relative to the folder of the URL; of a pattern, to the last folder before it.

    Raises:
        UsageError: nothing is there, it holds no video, or is a manifest.
        MissingError: fsspec or what it needs is not installed.
        PyocoEvalError: it cannot be listed.
    """
    store = RemoteFiles(url)
    root = store.root
    name = name_of(root) or name_of(url.partition("::")[2]) or shown(url)
    with _listing_told(url), store.asking() as system:
        plain = root.partition("?")[0] if store.is_http() else root
        if is_pattern(plain) and not system.exists(root):
            return _list(store, _matches(store, url), root_of(root), url, name, rule)
        if system.info(root)["type"] == "file" and not _is_page(store, root):
            return _single(store, name, url, rule)
        return _list(store, _below(system, root), root, url, name, rule)


def _single(store: RemoteFiles, name: str, url: str, rule: PictureRule) -> Listing:
    if PurePosixPath(name).suffix.lower() in MANIFEST_SUFFIXES:
        raise UsageError(
            f"{shown(url)}: copy it to this machine; give the folder of its videos as --samples "
            "and the copy as --captions"
        )
    return single(name, RemoteFile(store, store.root), shown(url), rule)


def _is_page(store: RemoteFiles, place: str) -> bool:
    """Whether a web address is that of a folder: servers call everything a file."""
    known = FILE_SUFFIXES | FRAME_SUFFIXES | MANIFEST_SUFFIXES
    name = name_of(place)
    suffix = PurePosixPath(name).suffix.lower()
    return store.is_http() and suffix not in known and not is_compressed_shard(name)


def _below(system: Any, folder: str) -> _Infos:
    """Every file under a folder. Parts that cannot be listed raise, which is not the default."""
    from fsspec.asyn import AsyncFileSystem
    from fsspec.spec import AbstractFileSystem

    generic = (
        type(system)._find is AsyncFileSystem._find
        if isinstance(system, AsyncFileSystem)
        else type(system).find is AbstractFileSystem.find
    )
    found: _Infos = system.find(folder, detail=True, **({"on_error": "raise"} if generic else {}))
    return found


def _matches(store: RemoteFiles, url: str) -> _Infos:
    """The files that a pattern stands for, and those under folders that it stands for."""
    found: dict[str, Mapping[str, Any]] = {}
    missing = []
    names = expand_braces(store.root)
    for name in names:
        if is_wild(name):
            found.update(store.system.glob(name, detail=True))
        else:
            try:
                found[name] = store.system.info(name)
            except FileNotFoundError:
                missing.append(name)
    require_all(shown(url), missing, len(names))
    if not found:
        raise FileNotFoundError
    for name, info in list(found.items()):
        if info["type"] == "directory":
            found.update(_below(store.system, name))
    return found


def _list(
    store: RemoteFiles, infos: _Infos, root: str, url: str, own_name: str, rule: PictureRule
) -> Listing:
    found = Found(rule)
    folders: dict[str, list[tuple[str, StoredFile]]] = defaultdict(list)
    above = f"{root.rstrip('/')}/" if root.rstrip("/") else ""
    for place, info in sorted(infos.items()):
        if info["type"] == "directory" or not place.removeprefix("/").startswith(
            above.removeprefix("/")
        ):
            continue
        path = place.removeprefix("/").removeprefix(above.removeprefix("/")).lstrip("/")
        if store.is_http():
            path = unquote(path.partition("?")[0])
        folder, _, name = path.rpartition("/")
        if not name or any(is_passed_over(part) for part in path.split("/")):
            continue
        folders[folder].append((name, RemoteFile(store, place, info.get("size"))))
    own = name_of(root) or name_of(url.partition("::")[2])
    for folder, files in folders.items():
        at = RemoteFile(store, above + folder)
        found.add_files(f"{folder}/" if folder else "", folder or own, at, files)
    return found.finish(shown(url), own_name)


@contextmanager
def _listing_told(url: str) -> Iterator[None]:
    try:
        yield
    except PyocoEvalError:
        raise
    except FileNotFoundError as error:
        raise UsageError(f"{shown(url)}: no such file or folder") from error
    except PermissionError as error:
        raise PyocoEvalError(f"{shown(url)} may not be listed: access is denied") from error
    except Exception as error:
        raise PyocoEvalError(f"{shown(url)} cannot be listed: {reason_of(error)}") from error
