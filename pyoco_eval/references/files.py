"""The stored references of this machine: those that are shipped and those the user built.

A reference is a folder of its name with one file for each recipe it was built under.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.extraction.measured_set import side_from_file
from pyoco_eval.metrics.signature import KEYS
from pyoco_eval.resources import resource_folder, user_folder
from pyoco_eval.statistics.files import CHECKSUM, kind_of, read_header

Where = Literal["shipped", "built", "file"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ReferenceFile:
    """One stored reference under one recipe.

    Attributes:
        name: of the reference.
        where: `shipped` with the package, `built` by the user, or `file`, named by its path.
        header: what the file says of itself; empty if it cannot be read.
        problem: why it cannot be read, empty if it can.
    """

    name: str
    path: Path
    where: Where
    header: Mapping[str, Any]
    problem: str = ""

    def summary(self) -> dict[str, Any]:
        """Name, recipe, counts, date and place, for a list."""
        recipe = self.header.get("recipe", {})
        return {
            "name": self.name,
            "network": recipe.get("net"),
            "recipe": {key: recipe[key] for key in KEYS if key in recipe and key != "net"},
            "num_rows": self.header.get("count"),
            "num_videos": self.header.get("num_videos"),
            "rows_kept": kind_of(self.path) == "features",
            "imported": bool(self.header.get("imported")),
            "created": self.header.get("created"),
            "version": self.header.get("version"),
            "where": self.where,
            "path": str(self.path),
            "problem": self.problem or None,
        }


@dataclass(frozen=True)
class Examination:
    """Whether a stored reference is intact.

    Attributes:
        problem: what is wrong; empty if nothing is.
        has_checksum: whether the file states a sha256 of its arrays, so that they were checked.
    """

    file: ReferenceFile
    problem: str
    has_checksum: bool


def own_folder(name: str) -> Path:
    """Where the user's files of reference `name` are kept.

    Raises:
        UsageError: a name that is no plain file name.
    """
    check_name(name)
    return user_folder() / "references" / name


def check_name(name: str) -> None:
    """Raises UsageError if `name` is not made of letters, digits, dots, dashes and underscores."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"reference name {name!r}: use letters, digits, dots, dashes and underscores, and "
            "begin with a letter or digit"
        )


def has_name(text: str) -> bool:
    """Whether a stored reference has this name."""
    return bool(_NAME.fullmatch(text)) and any(folder.is_dir() for folder in folders(text))


def folders(name: str) -> tuple[Path, Path]:
    """Where files of reference `name` can lie: shipped, and the user's own."""
    return resource_folder("reference_stats") / name, own_folder(name)


def list_references() -> list[ReferenceFile]:
    """Every stored reference, by name, the shipped ones first."""
    shipped, own = resource_folder("reference_stats"), user_folder() / "references"
    found = [*_inside(shipped, "shipped"), *_inside(own, "built")]
    return sorted(found, key=lambda file: (file.name, file.where == "built", file.path))


def find_references(text: str) -> list[ReferenceFile]:
    """The files of the reference called `text`, or the file at that path.

    Raises:
        PyocoEvalError: the file cannot be read as a reference.
        MissingError: neither a reference nor a file.
    """
    known = list_references()
    named = [file for file in known if file.name == text]
    if named:
        return named
    path = Path(text)
    if not path.is_file():
        raise MissingError(f"{text}: {unknown_reference(text, [file.name for file in known])}")
    if kind_of(path) not in ("features", "statistics"):
        raise PyocoEvalError(f"{path}: no file of features or statistics of this package")
    return [_read(path.stem, path, "file")]


def unknown_reference(text: str, names: list[str]) -> str:
    """What to say of a name that no stored reference has."""
    near = difflib.get_close_matches(text, names, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return (
        f"no such file or folder, and no reference has this name.{hint} `pyoco-eval reference "
        "list` shows those there are"
    )


def verify(file: ReferenceFile) -> Examination:
    """Read everything in a file and check what can be checked.

    That are the sha256 of the arrays, their shapes and types, and that header and arrays agree.
    """
    try:
        if file.problem:
            raise PyocoEvalError(file.problem)
        kind = kind_of(file.path)
        if kind not in ("features", "statistics"):
            raise PyocoEvalError(f"{file.path}: no file of features or statistics")
        side_from_file(file.path, kind)
    except PyocoEvalError as error:
        return Examination(file, str(error).removeprefix(f"{file.path}: "), CHECKSUM in file.header)
    return Examination(file, "", CHECKSUM in file.header)


def _inside(root: Path, where: Where) -> Iterator[ReferenceFile]:
    for path in sorted(root.glob("*/*.npz")):
        if not path.name.startswith("."):
            yield _read(path.parent.name, path, where)


def _read(name: str, path: Path, where: Where) -> ReferenceFile:
    try:
        header = read_header(path)
    except PyocoEvalError as error:
        return ReferenceFile(name, path, where, {}, str(error).removeprefix(f"{path}: "))
    counts = (header.get("count"), header.get("num_videos"))
    if not isinstance(header.get("recipe"), dict) or not all(isinstance(n, int) for n in counts):
        return ReferenceFile(name, path, where, {}, "its header lacks or garbles recipe or counts")
    return ReferenceFile(name, path, where, header)
