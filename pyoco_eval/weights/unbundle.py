"""Reading a bundle of weight files into the cache, whoever wrote it.

Only what `bundle` writes is read: regular members under the exact names of the index and of the
manifest. Headers are walked here one by one, so that links, devices, extended headers and sparse
files are refused instead of interpreted, and every hash is known before anything is written.
"""

import hashlib
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.weights.bundle_index import (
    INDEX_NAME,
    MOST_INDEX_BYTES,
    BundledFile,
    parse_index,
)
from pyoco_eval.weights.first_use import record_digest, record_path, recorded_digest
from pyoco_eval.weights.manifest import MANIFEST, PublishedFile
from pyoco_eval.weights.resolve import cached_path
from pyoco_eval.weights.verify import archive_fault, digest_like

Action = Literal["added", "kept", "replaced"]

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Unbundled:
    """One file after unbundling.

    Attributes:
        file: as the bundle describes it.
        path: in the cache.
        published: whether it is the published file, by a hash of the manifest.
        action: `added`, `kept` (it was there already) or `replaced` (by force).
    """

    file: BundledFile
    path: Path
    published: bool
    action: Action


@dataclass(frozen=True)
class _Content:
    """A bundled file and where its bytes are in the archive."""

    file: BundledFile
    entry: PublishedFile
    offset: int


def read_bundle(
    path: Path, *, force: bool = False, manifest: Mapping[str, PublishedFile] = MANIFEST
) -> list[Unbundled]:
    """Put the files of a bundle into the cache, each whole and verified or not at all.

    Names, sizes and hashes are checked before the first file is written. A digest recorded at
    first use travels with its file.

    Args:
        path: an archive of `write_bundle`.
        force: replace files of the cache, and digests recorded for them, that differ.
        manifest: the files there are.

    Raises:
        MissingError: no such file.
        UsageError: `path` is a folder.
        PyocoEvalError: not such an archive, damaged, or the cache holds another file.
    """
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; give the archive of `pyoco-eval weights bundle`")
    try:
        with path.open("rb") as archive:
            try:
                contents = _contents(archive, manifest)
            except PyocoEvalError as error:
                raise PyocoEvalError(f"{path}: nothing was unpacked: {error}") from error
            actions = [_action(content, force) for content in contents]
            return [_put(archive, *pair) for pair in zip(contents, actions, strict=True)]
    except FileNotFoundError as error:
        raise MissingError(f"{path}: no such file") from error
    except OSError as error:
        raise PyocoEvalError(f"{path}: {error.strerror or error}") from error


def _contents(archive: IO[bytes], manifest: Mapping[str, PublishedFile]) -> list[_Content]:
    """The files of the archive, every one of them compared with its hashes."""
    members = _members(archive)
    index, offset = next(members)
    if index.name != INDEX_NAME:
        raise PyocoEvalError(
            f"its first member is {index.name[:80]!r}, not {INDEX_NAME}; unbundle reads what "
            "`pyoco-eval weights bundle` wrote"
        )
    if index.size > MOST_INDEX_BYTES:
        raise PyocoEvalError(f"{INDEX_NAME} claims {index.size:,} bytes")
    archive.seek(offset)
    files = {file.name: file for file in parse_index(archive.read(index.size), manifest)}
    found: dict[str, _Content] = {}
    for member, offset in members:
        file = files.get(member.name)
        if file is None or member.name in found:
            kind = "twice" if member.name in found else "but not in the index"
            raise PyocoEvalError(f"{member.name[:80]!r} is in the archive {kind}")
        if member.size != file.size:
            raise PyocoEvalError(
                f"{file.name} has {member.size:,} bytes, and {file.size:,} in the index"
            )
        found[file.name] = _Content(file, manifest[file.key], offset)
    if absent := [name for name in files if name not in found]:
        raise PyocoEvalError(f"{', '.join(absent)}: in the index, but not in the archive")
    for content in found.values():
        _check_hashes(archive, content)
    return list(found.values())


def _members(archive: IO[bytes]) -> Iterator[tuple[tarfile.TarInfo, int]]:
    """Header and data offset of each member up to the end mark."""
    length = archive.seek(0, os.SEEK_END)
    position, number = 0, 0
    while True:
        archive.seek(position)
        block = archive.read(_BLOCK)
        if number and block == bytes(_BLOCK):
            return
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeError) as error:
            what = f"it is cut off or damaged after {number} members"
            raise PyocoEvalError(what if number else "it is not a tar archive") from error
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise PyocoEvalError(f"{member.name[:80]!r} is not a regular file")
        start = position + _BLOCK
        if member.size < 0 or start + member.size > length:
            raise PyocoEvalError(
                f"{member.name[:80]!r} claims {member.size:,} bytes, more than the archive has; "
                "it may be cut off"
            )
        yield member, start
        position = start + -(-member.size // _BLOCK) * _BLOCK
        number += 1


def _check_hashes(archive: IO[bytes], content: _Content) -> None:
    """Compare the bytes with the index, and with the published hash where there is one."""
    file = content.file
    states = {
        "sha256": hashlib.sha256(),
        "gitblob": hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False),
    }
    for chunk in _chunks(archive, content):
        for state in states.values():
            state.update(chunk)
    for expected in (file.sha256, content.entry.digest):
        if expected is None:
            continue
        kind = expected.partition(":")[0]
        found = f"{kind}:{states[kind].hexdigest()}"
        if found != expected:
            raise PyocoEvalError(f"{file.name}: wrong content: expected {expected}, got {found}")
    if file.first_use not in (None, file.sha256):
        raise PyocoEvalError(f"{file.name}: is not the file recorded at first use with it")


def _chunks(archive: IO[bytes], content: _Content) -> Iterator[bytes]:
    archive.seek(content.offset)
    left = content.file.size
    while left:
        chunk = archive.read(min(_CHUNK, left))
        if not chunk:
            raise PyocoEvalError(f"{content.file.name}: the archive is cut off")
        left -= len(chunk)
        yield chunk


def _action(content: _Content, force: bool) -> Action:
    """What is to be done with the file.

    Raises:
        PyocoEvalError: the cache holds another file, or remembers one, and `force` is not given.
    """
    path, file = cached_path(content.entry), content.file
    recorded = recorded_digest(path) if content.entry.digest is None else None
    if not path.exists():
        if recorded in (None, file.sha256) or force:
            return "added"
        raise PyocoEvalError(
            f"{record_path(path)} holds {recorded}, the hash of the {file.key} weights first used "
            f"on this machine; the bundle has {file.sha256}. --force takes it all the same"
        )
    found = digest_like(path, "sha256") if path.is_file() else "not a file"
    if found == file.sha256 and recorded in (None, found):
        return "kept"
    if force and path.is_file():
        return "replaced"
    raise PyocoEvalError(
        f"{path}: another file is there ({found}; in the bundle {file.sha256}). "
        "--force replaces it; nothing was unpacked"
    )


def _put(archive: IO[bytes], content: _Content, action: Action) -> Unbundled:
    path, file, entry = cached_path(content.entry), content.file, content.entry
    if action != "kept":
        with atomic_path(path) as temporary:
            with temporary.open("wb") as target:
                for chunk in _chunks(archive, content):
                    target.write(chunk)
            if digest_like(temporary, "sha256") != file.sha256:
                raise PyocoEvalError(f"{file.name}: the archive changed while it was read")
            if entry.digest is None:
                _check_unpinned(temporary, file)
                if recorded_digest(path) not in (None, file.sha256):
                    record_path(path).unlink()
    if entry.digest is None and file.first_use is not None and recorded_digest(path) is None:
        record_digest(path, file.first_use)
    return Unbundled(file, path, entry.digest is not None, action)


def _check_unpinned(path: Path, file: BundledFile) -> None:
    fault = archive_fault(path) if file.name.endswith(".npz") else None
    if fault is not None:
        raise PyocoEvalError(f"{file.name}: {fault}")
