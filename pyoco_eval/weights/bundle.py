"""Writing the weight files of this machine into one archive, for machines without a network."""

import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from pyoco_eval.atomic import atomic_path, check_writable
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.weights.bundle_index import INDEX_NAME, BundledFile, index_bytes
from pyoco_eval.weights.first_use import recorded_digest
from pyoco_eval.weights.manifest import MANIFEST, PublishedFile, WeightFile
from pyoco_eval.weights.resolve import cached_path, entry_of, located_path, resolve
from pyoco_eval.weights.verify import digest_like

UNSTATED: Final = "not stated"
"""Start of the licence of files that are bundled only if they are named."""


@dataclass(frozen=True)
class Bundle:
    """What was written.

    Attributes:
        path: of the archive.
        sha256: of its bytes.
        files: in it.
        left_out: key -> why it is not in it, of the files that are on this machine.
    """

    path: Path
    sha256: str
    files: tuple[BundledFile, ...]
    left_out: Mapping[str, str]


def write_bundle(
    path: Path, keys: Sequence[str] = (), manifest: Mapping[str, PublishedFile] = MANIFEST
) -> Bundle:
    """One tar archive of weight files, the same bytes for the same files.

    Args:
        path: of the archive; an earlier bundle is replaced, any other file is not.
        keys: which files; none means every published file that is here and whose licence is
            stated. Those whose licence is not stated are included only by name.
        manifest: the files there are.

    Raises:
        UsageError: unknown key, or `path` cannot be written or is something else.
        MissingError: a file that is named, or every file, is not on this machine.
        PyocoEvalError: a file is damaged, or named and not the published one.
    """
    check_writable(path, "OUT")
    if path.exists() and not looks_like_bundle(path):
        raise UsageError(f"OUT {path}: is not a bundle of weights; choose another name")
    chosen, left_out = _choose(keys, manifest)
    if not chosen:
        here = "".join(f"\n  {key}: {reason}" for key, reason in left_out.items())
        raise MissingError(
            "no weight file to bundle is on this machine; get them with "
            f"`pyoco-eval weights fetch`{here}"
        )
    described = [_describe(file, manifest[file.key]) for file in chosen]
    with atomic_path(path) as temporary:
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as archive:
            content = index_bytes(described)
            archive.addfile(_member(INDEX_NAME, len(content)), io.BytesIO(content))
            for file, entry in zip(chosen, described, strict=True):
                with file.path.open("rb") as stream:
                    copied = _Hashed(stream)
                    archive.addfile(_member(entry.name, entry.size), copied)
                if copied.digest() != entry.sha256:
                    raise PyocoEvalError(f"{file.path}: changed while it was bundled; try again")
        digest = digest_like(temporary, "sha256")
    return Bundle(path, digest, tuple(described), left_out)


def looks_like_bundle(path: Path) -> bool:
    """Whether the first member of a tar archive is an index; nothing else is read."""
    try:
        with path.open("rb") as file:
            first = tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "strict")
    except (OSError, tarfile.HeaderError, UnicodeError):
        return False
    return first.name == INDEX_NAME


class _Hashed(io.RawIOBase):
    """Hashes what is read through it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._state = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(size)
        self._state.update(content)
        return content

    def digest(self) -> str:
        return f"sha256:{self._state.hexdigest()}"


def _choose(
    keys: Sequence[str], manifest: Mapping[str, PublishedFile]
) -> tuple[list[WeightFile], dict[str, str]]:
    for key in keys:
        entry_of(key, manifest)
    chosen: list[WeightFile] = []
    left_out: dict[str, str] = {}
    for key, entry in manifest.items():
        named = key in keys
        if (keys and not named) or (not named and located_path(key, manifest) is None):
            continue
        if not named and entry.licence.startswith(UNSTATED):
            left_out[key] = "its licence is not stated; name it to include it"
            continue
        file = resolve(key, manifest=manifest)
        if entry.digest is not None and not file.published:
            reason = f"{file.path} is not the published file"
            if named:
                raise PyocoEvalError(
                    f"{key}: {reason}, and a cache takes no other; copy it by hand and name it "
                    f"with --weights {key}=FILE"
                )
            left_out[key] = reason
            continue
        chosen.append(file)
    return chosen, left_out


def _describe(file: WeightFile, entry: PublishedFile) -> BundledFile:
    is_sha256 = file.digest.startswith("sha256:")
    cached = file.path == cached_path(entry)
    return BundledFile(
        key=entry.key,
        name=entry.name,
        size=file.path.stat().st_size,
        sha256=file.digest if is_sha256 else digest_like(file.path, "sha256"),
        published_digest=entry.digest,
        first_use=recorded_digest(file.path) if cached and entry.digest is None else None,
        licence=entry.licence,
        source=entry.source,
    )


def _member(name: str, size: int) -> tarfile.TarInfo:
    """A header with nothing of this machine in it; the epoch is that of an unset clock."""
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o644
    return member
