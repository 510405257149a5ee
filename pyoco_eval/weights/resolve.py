"""Finding a weight file on this machine. Nothing here opens a socket."""

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.resources import user_folder
from pyoco_eval.weights.first_use import record_path, recorded_digest, remember_first_use
from pyoco_eval.weights.manifest import MANIFEST, PublishedFile, WeightFile
from pyoco_eval.weights.verify import identify


class DamagedError(PyocoEvalError):
    """The cached file is not the one it should be."""


def weights_folder() -> Path:
    """Where fetched weights are kept."""
    return user_folder() / "weights"


def variable_of(key: str) -> str:
    """Environment variable that names a file for `key`: `PYOCO_EVAL_WEIGHTS_C3D_MEAN`."""
    return f"PYOCO_EVAL_WEIGHTS_{key.upper().replace('-', '_')}"


def entry_of(key: str, manifest: Mapping[str, PublishedFile] = MANIFEST) -> PublishedFile:
    """Raises UsageError for an unknown key, with the nearest match."""
    if key not in manifest:
        near = difflib.get_close_matches(key, manifest, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"unknown weights {key!r}.{hint} Known: {', '.join(manifest)}")
    return manifest[key]


def resolve(
    key: str,
    overrides: Mapping[str, Path] | None = None,
    manifest: Mapping[str, PublishedFile] = MANIFEST,
) -> WeightFile:
    """The file for `key`: the user's own, the environment variable's, or the cached one.

    A file the user names is taken whatever it holds; `published` then says whether it is the
    published one. A cached file must be whole.

    Raises:
        UsageError: unknown key, or a named file that does not exist.
        DamagedError: the cached file is damaged.
        MissingError: nothing there; the message says the three ways to get it.
    """
    entry = entry_of(key, manifest)
    if (named := _named(key, overrides or {})) is not None:
        return identify(entry, named)
    cached = cached_file(entry)
    if cached is None:
        raise MissingError(how_to_get(entry))
    return cached


def located_path(key: str, manifest: Mapping[str, PublishedFile] = MANIFEST) -> Path | None:
    """Where `resolve` would look at a file for `key`, None if nothing is there. Reads nothing."""
    path = _from_environment(key) or cached_path(entry_of(key, manifest))
    return path if path.is_file() else None


def cached_path(entry: PublishedFile) -> Path:
    """Where `entry` is kept, whether it is there or not."""
    return weights_folder() / entry.name


def expected_digest(entry: PublishedFile) -> str | None:
    """What the cached file must match: the published hash, else that of the first fetch."""
    return entry.digest or recorded_digest(cached_path(entry))


def cached_file(entry: PublishedFile) -> WeightFile | None:
    """The file in the cache, None if there is none.

    Raises:
        DamagedError: it is there, and is not the file it should be.
    """
    path = cached_path(entry)
    if not path.is_file():
        return None
    found = identify(entry, path)
    expected = expected_digest(entry)
    if expected not in (None, found.digest):
        raise DamagedError(
            f"{path}: damaged or not the right file ({found.digest}, expected {expected}); "
            f"replace it with `pyoco-eval weights fetch {entry.key}`" + _or_accept(entry)
        )
    return found


def remember(file: WeightFile) -> None:
    """Make `file`, which its network has just read, the measure of later uses on this machine.

    Only a file in the cache whose hash was never published, and of which nothing is recorded yet.
    """
    remember_first_use(file, weights_folder())


def _or_accept(entry: PublishedFile) -> str:
    if entry.digest is not None:
        return ""
    record = record_path(cached_path(entry))
    return f", or, if you trust it, delete {record}, which holds the hash of the first file"


def how_to_get(entry: PublishedFile) -> str:
    """The three ways to a missing weight file."""
    size = f", {entry.size:,} bytes" if entry.size else ""
    return (
        f"the {entry.key} weights are not on this machine: {entry.name} ({entry.about}{size}).\n"
        "Three ways to get them:\n"
        f"  fetch: pyoco-eval weights fetch {entry.key}\n{other_ways(entry)}"
    )


def other_ways(entry: PublishedFile) -> str:
    """The two ways that need no connection from this machine."""
    return (
        f"  copy:  download {entry.addresses[0]}\n"
        f"         elsewhere and copy it to {cached_path(entry)}\n"
        f"  name:  pass --weights {entry.key}=FILE or set {variable_of(entry.key)}=FILE"
    )


def parse_overrides(pairs: Sequence[str]) -> dict[str, Path]:
    """`("i3d=/a", "clip=/b")` as a mapping.

    Raises:
        UsageError: not KEY=FILE, an unknown key, or a key given twice.
    """
    found: dict[str, Path] = {}
    for pair in pairs:
        key, separator, path = pair.partition("=")
        if not separator or not path:
            raise UsageError(f"--weights {pair!r}: write KEY=FILE, e.g. i3d=model.ckpt.data")
        entry_of(key)
        if key in found:
            raise UsageError(f"--weights {key}= is given twice")
        found[key] = Path(path).expanduser()
    return found


def _named(key: str, overrides: Mapping[str, Path]) -> Path | None:
    """The file the user names for `key`."""
    named = {
        f"--weights {key}=": overrides.get(key),
        f"{variable_of(key)}=": _from_environment(key),
    }
    for argument, path in named.items():
        if path is not None:
            if not path.is_file():
                raise UsageError(f"{argument}{path}: no such file")
            return path
    return None


def _from_environment(key: str) -> Path | None:
    value = os.environ.get(variable_of(key))
    return Path(value).expanduser() if value else None
