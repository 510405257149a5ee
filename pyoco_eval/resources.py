"""Where `protocols/`, `prompts/` and `reference_stats/` are: in a checkout or inside a wheel."""

import os
from pathlib import Path

from pyoco_eval.errors import MissingError

OFFLINE_VARIABLE = "PYOCO_EVAL_OFFLINE"

_PACKAGE = Path(__file__).resolve().parent


def resource_folder(name: str) -> Path:
    """The shipped folder `name`, independent of the working directory.

    Raises:
        MissingError: the installation is incomplete.
    """
    candidates = (_PACKAGE / "_resources" / name, _PACKAGE.parent / name)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise MissingError(
        f"the folder {name}/ is missing from this installation "
        f"(looked at {' and '.join(map(str, candidates))}); reinstall pyoco-eval"
    )


def user_folder() -> Path:
    """Where this user's weights and references are kept.

    `$PYOCO_EVAL_CACHE`, else `$XDG_CACHE_HOME/pyoco-eval`, else `~/.cache/pyoco-eval`.
    """
    if chosen := os.environ.get("PYOCO_EVAL_CACHE"):
        return Path(chosen).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base).expanduser() / "pyoco-eval"
    return Path.home() / ".cache" / "pyoco-eval"


def is_offline() -> bool:
    """Whether `$PYOCO_EVAL_OFFLINE` forbids every connection; 0, false, no and off do not."""
    value = os.environ.get(OFFLINE_VARIABLE, "")
    return value.strip().lower() not in ("", "0", "false", "no", "off")
