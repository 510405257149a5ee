"""Folders, weight files and named references of this user."""

import os
import shutil
from pathlib import Path
from typing import Final

from pyoco_eval.doctor.finding import Finding
from pyoco_eval.errors import MissingError, PyocoEvalError
from pyoco_eval.resources import is_offline, resource_folder, user_folder
from pyoco_eval.weights.fetch import MIRROR_VARIABLE
from pyoco_eval.weights.manifest import MANIFEST, PublishedFile
from pyoco_eval.weights.resolve import cached_path, located_path, resolve, variable_of
from pyoco_eval.weights.transfer import without_secrets

SECTION: Final = "files"
WEIGHTS: Final = "weights"
REFERENCES: Final = "references"
_ROOM: Final = 1 << 30


def examine_storage(*, verify: bool) -> list[Finding]:
    """Missing weights are notes; what is there and wrong is a problem."""
    return [
        _cache(user_folder()),
        _network(),
        *(_weights(entry, verify) for entry in MANIFEST.values()),
        *_references(),
    ]


def _cache(folder: Path) -> Finding:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir():
        text = f"{folder}: {existing} is no folder"
        remedy = "name a folder in PYOCO_EVAL_CACHE"
        return Finding(SECTION, "cache", "problem", text, remedy)
    free = shutil.disk_usage(existing).free
    text = f"{folder}, {free / 1e9:,.1f} GB free"
    if existing != folder:
        text += " (made when needed)"
    if not os.access(existing, os.W_OK):
        remedy = "to fetch weights or keep references, name a folder in PYOCO_EVAL_CACHE"
        return Finding(SECTION, "cache", "note", f"{text}, read-only", remedy)
    if free < _ROOM:
        remedy = "make room, or name a folder in PYOCO_EVAL_CACHE"
        return Finding(SECTION, "cache", "note", text, remedy)
    return Finding(SECTION, "cache", "ok", text)


def _network() -> Finding:
    if is_offline():
        return Finding(SECTION, "network", "ok", "offline: no connection is opened")
    text = "used by `weights fetch` only"
    if mirror := os.environ.get(MIRROR_VARIABLE):
        text += f"; mirror {without_secrets(mirror)}"
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        text += "; through a proxy"
    return Finding(SECTION, "network", "ok", text)


def _weights(entry: PublishedFile, verify: bool) -> Finding:
    named = os.environ.get(variable_of(entry.key))
    path = located_path(entry.key)
    if path is None and named:
        text = f"{variable_of(entry.key)}={named}: no such file"
        return Finding(WEIGHTS, entry.key, "problem", text, f"unset {variable_of(entry.key)}")
    if path is None:
        remedy = f"pyoco-eval weights fetch {entry.key}"
        return Finding(WEIGHTS, entry.key, "note", f"missing: {entry.about}", remedy)
    if verify:
        return _verified(entry)
    size = path.stat().st_size
    if path == cached_path(entry) and entry.size not in (None, size):
        text = f"{path}: {size:,} bytes instead of {entry.size:,}"
        return Finding(WEIGHTS, entry.key, "problem", text, f"pyoco-eval weights fetch {entry.key}")
    return Finding(WEIGHTS, entry.key, "ok", f"{path}, not hashed (--verify)")


def _verified(entry: PublishedFile) -> Finding:
    try:
        file = resolve(entry.key)
    except MissingError as error:
        return Finding(WEIGHTS, entry.key, "note", str(error))
    except PyocoEvalError as error:
        return Finding(
            WEIGHTS, entry.key, "problem", str(error), f"pyoco-eval weights fetch {entry.key}"
        )
    if file.published:
        return Finding(WEIGHTS, entry.key, "ok", f"{file.path}, verified: the published file")
    reason = "not the published file" if entry.digest else "no hash was ever published for it"
    text = f"{file.path}, {file.digest}: {reason}; scores say -unverified"
    return Finding(WEIGHTS, entry.key, "note", text)


def _references() -> list[Finding]:
    try:
        from pyoco_eval.references.find import KNOWN_REFERENCES
    except ImportError as error:
        return [Finding(REFERENCES, "all", "problem", f"cannot be looked for: {error}")]
    return [_reference(name, about) for name, about in KNOWN_REFERENCES.items()]


def _reference(name: str, about: str) -> Finding:
    folders = [user_folder() / "references" / name]
    try:
        folders.insert(0, resource_folder("reference_stats") / name)
    except MissingError as error:
        if name == "shapes":
            return Finding(REFERENCES, name, "problem", str(error))
    count = sum(len(list(folder.glob("*.npz"))) for folder in folders)
    if count:
        return Finding(REFERENCES, name, "ok", f"{count} files of statistics")
    remedy = "score with it once (`pyoco-eval fvd --samples DIR`): the error is the command"
    return Finding(REFERENCES, name, "note", f"none here: {about}", remedy)
