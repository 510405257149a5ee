"""Files appear whole or not at all, and stay through a power cut once they are there.

A process that is killed while it writes leaves a hidden `.NAME.….part`. The writer holds a lock on
it; a part that nobody locks is of a dead process, and is removed when somebody writes beside it.
"""

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyoco_eval.errors import PyocoEvalError, UsageError

if sys.platform != "win32":  # there, parts of killed runs stay
    import fcntl

_PART = re.compile(r"\..+\.\d+-\d+\.part")
_swept: set[Path] = set()


@contextmanager
def atomic_path(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without an error.

    The folder is made if need be; permissions follow the umask as for any new file; a link keeps
    pointing where it did.

    Args:
        durable: wait until the disk has it. For caches, which can be made again, that is not worth
            the time.

    Raises:
        PyocoEvalError: the system refuses to write.
    """
    path = path.resolve() if path.is_symlink() else path
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    with writing(path):
        handle = -1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _sweep(path.parent)
            handle = _locked(temporary)
            yield temporary
            if durable:
                flush(temporary)
            temporary.replace(path)
            if durable:
                flush(path.parent)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            if handle >= 0:
                os.close(handle)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Whatever the system says against writing becomes an error that names `path`.

    Raises:
        PyocoEvalError: an OSError came up, such as of a full disk.
    """
    try:
        yield
    except OSError as error:
        raise PyocoEvalError(f"{path}: cannot be written: {error.strerror or error}") from error


def flush(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk."""
    if sys.platform == "win32" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _locked(temporary: Path) -> int:
    """A new file, locked as long as the handle is open."""
    while True:
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        if sys.platform == "win32":
            return handle
        with suppress(OSError):  # a file system without locks, whose parts are never swept
            fcntl.flock(handle, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if temporary.stat().st_ino == os.fstat(handle).st_ino:
                return handle
        os.close(handle)  # swept between the two calls


def _sweep(folder: Path) -> None:
    """Remove what killed processes left in `folder`; looked for once by each process."""
    if sys.platform == "win32" or folder in _swept:
        return
    _swept.add(folder)
    for path in folder.iterdir():
        if not _PART.fullmatch(path.name):
            continue
        with suppress(OSError):  # locked: its writer lives; or gone meanwhile
            handle = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(handle)


def check_writable(path: Path, argument: str) -> None:
    """Find out before the work whether its result can be kept.

    Raises:
        UsageError: `path` is a folder or a device, or its folder cannot be made or written.
    """
    if path.is_dir():
        raise UsageError(f"{argument} {path}: is a folder; give the name of a file")
    if path.exists() and not path.is_file():
        raise UsageError(f"{argument} {path}: is not an ordinary file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UsageError(f"{argument} {path}: cannot be written: {error.strerror}") from error
