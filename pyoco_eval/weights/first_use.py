"""Trust on first use, for files whose hash was never published.

The first fetch records the sha256 in `FILE.sha256` beside the file; later uses and fetches must
match it. That catches damage and silent replacement, not a wrong first download, so such weights
stay unverified. An array archive is recorded only if it is whole by its own checksums.
"""

from pathlib import Path

from pyoco_eval.atomic import atomic_path


def _record_path(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def recorded_digest(path: Path) -> str | None:
    """The digest recorded when `path` was first fetched, if it was."""
    record = _record_path(path)
    return record.read_text(encoding="ascii").strip() if record.is_file() else None


def record_digest(path: Path, digest: str) -> None:
    with atomic_path(_record_path(path)) as temporary:
        temporary.write_text(digest + "\n", encoding="ascii")
