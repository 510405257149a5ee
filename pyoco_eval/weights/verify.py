"""Telling whether a file is the published one, or at least undamaged."""

import hashlib
import zipfile
import zlib
from pathlib import Path

from pyoco_eval.weights.manifest import PublishedFile, WeightFile

_BLOCK = 1 << 20


def digest_like(path: Path, kind: str) -> str:
    """`sha256:<hex>`, or `gitblob:<hex>` as git names the content of a file."""
    if kind == "gitblob":
        state = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    else:
        state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            state.update(block)
    return f"{kind}:{state.hexdigest()}"


def identify(entry: PublishedFile, path: Path) -> WeightFile:
    """Hash `path` and compare it with the manifest.

    A file that is not the published one is named by its sha256, whatever kind the manifest pins.
    """
    kind = entry.digest.partition(":")[0] if entry.digest else "sha256"
    found = digest_like(path, kind)
    if found == entry.digest:
        return WeightFile(entry.key, path, found, published=True)
    if kind != "sha256":
        found = digest_like(path, "sha256")
    return WeightFile(entry.key, path, found, published=False)


def archive_fault(path: Path) -> str | None:
    """What is wrong with an array archive (`.npz`); None if its members match their CRC-32."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        return f"not a whole array archive ({error})"
    return None if damaged is None else f"damaged array archive (CRC-32 of {damaged})"
