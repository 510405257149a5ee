"""Every folder under a folder once, however deep, and however links go round.

Real folders come first, so that what a link leads to has its own name where it has one. A link to
a folder that was seen is not followed again: nine folders that link to each other hold the files of
nine folders, not of all ways through them.
"""

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from pyoco_eval.videos.listing.kinds import is_passed_over


def walk(
    *roots: Path, on_repeat: Callable[[Path], None] = lambda _: None
) -> Iterator[tuple[Path, list[Path]]]:
    """Folders at and under `roots` with what is in each, by name; not the hidden ones.

    Args:
        on_repeat: called with a link to a folder that was found elsewhere, unless it contains the
            link.

    Raises:
        OSError: a folder cannot be listed; its `filename` says which.
    """
    seen: set[tuple[int, int]] = set()
    Above = frozenset[tuple[int, int]]  # the folders that contain one
    nothing: Above = frozenset()
    folders, links = deque([(root, nothing) for root in roots]), deque[tuple[Path, Above]]()
    while folders or links:
        folder, above = (folders or links).popleft()
        status = folder.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in seen:
            if identity not in above:
                on_repeat(folder)
            continue
        seen.add(identity)
        inside = sorted(path for path in folder.iterdir() if not is_passed_over(path.name))
        for path in inside:
            if _is_folder(path):
                (links if path.is_symlink() else folders).append((path, above | {identity}))
        yield folder, inside


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a link to itself
        return False
