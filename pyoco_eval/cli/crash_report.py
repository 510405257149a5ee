"""What is said and kept when pyoco-eval itself fails: an exception that no message foresaw."""

import os
import platform
import re
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from pyoco_eval.version import __version__
from pyoco_eval.visible import one_line, visible

OUR_FAULT: Final = 70
"""Exit code: EX_SOFTWARE of sysexits.h."""

_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"]+")
_LIBRARIES = ("torch", "numpy", "av", "pillow", "pydantic", "pyyaml", "safetensors", "rich")


def report_crash(error: BaseException) -> str:
    """Write a report of `error` to a file; the message for the user.

    The report holds the versions, the command and the traceback. Passwords and queries of web
    addresses are left out of it.
    """
    kind = f"{type(error).__name__}: {one_line(error)}" if str(error) else type(error).__name__
    text = "\n".join(
        [
            f"pyoco-eval {__version__}, {datetime.now(UTC).isoformat(timespec='seconds')}",
            f"Python {platform.python_version()}, {platform.platform()}",
            ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES),
            "command: " + " ".join(map(one_line, sys.argv)),
            "",
            visible("".join(traceback.format_exception(error))),
        ]
    )
    text = _ADDRESS.sub(_bare, text)
    try:
        handle, name = tempfile.mkstemp(".txt", "pyoco-eval-crash-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        kept = f"A report is in {Path(name)}; please read it and send it to the makers"
    except OSError:
        kept = f"No report could be written; please send this to the makers:\n{text}\nThank you"
    return (
        f"a fault of pyoco-eval, not of yours: {kind}\n{kept}, with what you did. What had been "
        "finished before is kept."
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"


def _bare(found: re.Match[str]) -> str:
    """An address without user, password, query and fragment, which may be secrets."""
    scheme, _, rest = found[0].partition("://")
    place = re.split(r"[?#]", rest)[0]
    host, slash, path = place.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
