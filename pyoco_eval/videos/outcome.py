"""What a pass over a set of videos comes to: which could not be used, and which were."""

import hashlib
from collections.abc import Iterable

from pyoco_eval.errors import UnusableVideosError


def set_digest(contents: Iterable[tuple[str, str]]) -> str:
    """sha256 over a set of videos: equal for equal names and contents in one order.

    Args:
        contents: (id, sha256 of the content) of each video.
    """
    lines = (f"{digest} {name}" for name, digest in contents)
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def settle(
    skipped: dict[str, str],
    failures: dict[str, str],
    *,
    num_usable: int,
    total: int,
    on_error: str,
) -> None:
    """Decide about the failures of a pass, once all its videos were seen.

    Args:
        skipped: id -> reason, of videos left out by rule; failures join them if they are skipped.
        failures: id -> reason, of videos that cannot be used.
        num_usable: of the `total` videos.
        on_error: `error` or `skip`.

    Raises:
        UnusableVideosError: with `error`, naming every unusable video; also when no usable video is
            left.
    """
    if failures and on_error == "error":
        raise UnusableVideosError(failures, total)
    skipped.update(failures)
    if not num_usable:
        raise UnusableVideosError(skipped, total, already_skipping=True)
