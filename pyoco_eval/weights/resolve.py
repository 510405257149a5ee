"""Finding a weight file on this machine. Nothing here opens a socket."""

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.resources import user_folder
from pyoco_eval.weights.lock import recorded_digest
from pyoco_eval.weights.manifest import MANIFEST, PublishedFile, WeightFile
from pyoco_eval.weights.verify import identify


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
        PyocoEvalError: the cached file is damaged.
        MissingError: nothing there; the message says the three ways to get it.
    """
    entry = entry_of(key, manifest)
    named = {f"--weights {key}=": (overrides or {}).get(key)}
    named[f"{variable_of(key)}="] = _from_environment(key)
    for argument, path in named.items():
        if path is not None:
            if not path.is_file():
                raise UsageError(f"{argument}{path}: no such file")
            return identify(entry, path)
    cached = weights_folder() / entry.name
    if not cached.is_file():
        raise MissingError(how_to_get(entry))
    found = identify(entry, cached)
    expected = entry.digest or recorded_digest(cached)
    if expected not in (None, found.digest):
        raise PyocoEvalError(
            f"{cached}: damaged or not the right file ({found.digest}, expected {expected}); "
            f"delete it and run `pyoco-eval weights fetch {key}`"
        )
    return found


def how_to_get(entry: PublishedFile) -> str:
    """The three ways to a missing weight file."""
    size = f", {entry.size:,} bytes" if entry.size else ""
    return (
        f"the {entry.key} weights are not on this machine: {entry.name} ({entry.about}{size}).\n"
        "Three ways to get them:\n"
        f"  1. fetch:  pyoco-eval weights fetch {entry.key}\n"
        f"  2. copy:   download {entry.addresses[0]}\n"
        f"             elsewhere and copy it to {weights_folder() / entry.name}\n"
        f"  3. name:   pass --weights {entry.key}=FILE (or set {variable_of(entry.key)}=FILE)"
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


def _from_environment(key: str) -> Path | None:
    value = os.environ.get(variable_of(key))
    return Path(value).expanduser() if value else None
