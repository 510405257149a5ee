"""Files appear whole or not at all."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyoco_eval.errors import PyocoEvalError, UsageError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without an error.

    The folder is made if need be; permissions follow the umask as for any new file; a link keeps
    pointing where it did.

    Raises:
        PyocoEvalError: the system refuses to write.
    """
    path = path.resolve() if path.is_symlink() else path
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise PyocoEvalError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


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
