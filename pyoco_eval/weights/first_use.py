"""Trust on first use, for files whose hash was never published.

The first fetch, or the first use of a file copied into the cache, records the sha256 in
`FILE.sha256` beside the file; later uses and fetches must match it. That catches damage and silent
replacement, not a wrong first file, so such weights stay unverified. Nothing is recorded before the
file has passed its own checks: those of the archive after a fetch, those of the network that reads
it after a copy.
"""

from contextlib import suppress
from pathlib import Path

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.weights.manifest import MANIFEST, WeightFile


def record_path(path: Path) -> Path:
    """Where the digest of `path` is recorded."""
    return path.with_name(path.name + ".sha256")


def recorded_digest(path: Path) -> str | None:
    """The digest recorded when `path` was first fetched or used, if it was."""
    record = record_path(path)
    return record.read_text(encoding="ascii").strip() if record.is_file() else None


def record_digest(path: Path, digest: str) -> None:
    """Remember the hash of the file at `path`."""
    with atomic_path(record_path(path)) as temporary:
        temporary.write_text(digest + "\n", encoding="ascii")


def remember_first_use(file: WeightFile, folder: Path) -> None:
    """Record `file`, which its network has read, if it lies in the cache and nothing is recorded.

    A cache that cannot be written stays without a record.
    """
    entry = MANIFEST.get(file.key)
    if entry is None or entry.digest is not None or file.path != folder / entry.name:
        return
    if recorded_digest(file.path) is None:
        with suppress(PyocoEvalError):
            record_digest(file.path, file.digest)
