"""Where a number comes from: code state, library versions, machine."""

import hashlib
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from pyoco_eval.version import __version__

_LIBRARIES = (
    "av",
    "decord",
    "numpy",
    "open_clip_torch",
    "pillow",
    "safetensors",
    "torch",
    "torchvision",
)


def library_versions() -> dict[str, str]:
    """Versions of the installed libraries that can move a score."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def environment() -> dict[str, Any]:
    """Interpreter, platform and library versions."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "libraries": library_versions(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def code_state() -> dict[str, str]:
    """Which code ran: version, hash of its source files, and the commit if it is a git checkout.

    The hash tells edited code from the released one, in a checkout as in a wheel. The commit is
    read from the files of the checkout's `.git` folder; no program is run.
    """
    state = {"version": __version__, "source": source_digest()}
    checkout = Path(__file__).resolve().parents[1]
    git = checkout / ".git"
    if (checkout / "pyproject.toml").is_file() and git.is_dir():
        commit = _head_commit(git)
        if commit is not None:
            state["commit"] = commit
    return state


def source_digest() -> str:
    """sha256 over the names and contents of the package's Python files."""
    package = Path(__file__).resolve().parent
    whole = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        whole.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()} {name}\n".encode())
    return whole.hexdigest()


def _head_commit(git: Path) -> str | None:
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        reference = head.removeprefix("ref: ")
        loose = git / reference
        if loose.is_file():
            return loose.read_text(encoding="utf-8").strip()
        for line in (git / "packed-refs").read_text(encoding="utf-8").splitlines():
            commit, _, name = line.partition(" ")
            if name == reference:
                return commit
    except OSError:
        return None
    return None
