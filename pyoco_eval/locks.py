"""One process at a time in a folder; whoever is kept out is told who is inside."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pyoco_eval.atomic import writing
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.visible import one_line

WAIT_VARIABLE: Final = "PYOCO_EVAL_LOCK_TIMEOUT"
"""Environment variable: seconds to wait for a process that does the same work."""
DEFAULT_WAIT: Final = 3600.0

LOCK: Final = ".lock"


class LockedError(PyocoEvalError):
    """Another process is at work there."""


@contextmanager
def locked(
    path: Path,
    doing: str,
    *,
    wait: float = 0,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Hold the lock file `path`, which is made if need be. It dies with its process.

    Args:
        doing: what is done while it is held, for others: "is training here".
        wait: seconds to wait for another process; 0 to refuse at once.
        on_wait: called once, with who holds it, if there is something to wait for.

    Raises:
        LockedError: another process holds it, and still does after `wait` seconds.
        PyocoEvalError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(path), path.with_name(f"{path.name}-holder")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if on_wait is not None and wait > 0:
            on_wait(_read(holder))
        try:
            lock.acquire(timeout=wait)
        except Timeout as error:
            waited = f" for {wait:.0f} s" if wait else " right now"
            raise LockedError(
                f"{path.parent}: another process {doing}{waited}: {_read(holder)}. Wait for it, or "
                "end it"
            ) from error
    except OSError as error:
        raise PyocoEvalError(f"{path}: cannot be locked: {error.strerror or error}") from error
    try:
        with suppress(OSError):
            holder.write_text(_me(), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def longest_wait() -> float:
    """Seconds to wait for a process that does the same work, from the environment or an hour.

    Raises:
        UsageError: the variable holds no such number.
    """
    text = os.environ.get(WAIT_VARIABLE)
    if text is None:
        return DEFAULT_WAIT
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 1e7:
        raise UsageError(f"{WAIT_VARIABLE}={text}: a number of seconds, 0 or more")
    return seconds


def _me() -> str:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return f"process {os.getpid()} on {socket.gethostname()}, since {since}"


def _read(holder: Path) -> str:
    for _ in range(3):  # it writes a moment after it has the lock
        with suppress(OSError, UnicodeDecodeError):
            if text := holder.read_text(encoding="utf-8"):
                return one_line(text[:200])
        time.sleep(0.05)
    return "it has not said which"
