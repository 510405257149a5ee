"""An option is stated once, as the annotation of a key of a `TypedDict`.

    class Choices(TypedDict, total=False):
        num_frames: Annotated[int, Option("Frames per clip.", 16, signed="clip")]

Options of commands (`cli.options`), keyword arguments of Python functions with their types and
checks (`extraction.options`) and the page of options (`scripts/options_page.py`) are made of it.
"""

import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from pyoco_eval.errors import UsageError


@dataclass(frozen=True)
class Option:
    """What is stated of an option besides its name and type.

    Attributes:
        help: as `--help` shows it.
        default: None where there is none; where something else stands in for it, `help` says so.
        one_of: the words it takes; empty for any.
        metavar: what `--help` shows for a value, where the type says too little.
        signed: key of the signature that it can change; None if it changes no score.
        more: what is too long for `--help`.
    """

    help: str
    default: Any = None
    one_of: tuple[str, ...] = ()
    metavar: str | None = None
    signed: str | None = None
    more: str = ""


class Row(NamedTuple):
    """An option with its name and type.

    Attributes:
        name: of the keyword argument; with dashes, of the option of commands.
        type: `int`, `float`, `bool`, `str`, `Path` for a folder, or `list` where it may be given
            several times.
        annotation: of the keyword argument.
        option: all else.
    """

    name: str
    type: type
    annotation: Any
    option: Option


def rows_of(table: type) -> dict[str, Row]:
    """The options that a `TypedDict` states, those of its bases first."""
    rows = {}
    for name, hint in get_type_hints(table, include_extras=True).items():
        assert get_origin(hint) is Annotated, f"{name} states no Option"
        annotation, option = get_args(hint)
        rows[name] = Row(name, _plain(annotation), annotation, option)
    return rows


def _plain(annotation: Any) -> type:
    """The one type a command line has to read."""
    union = isinstance(annotation, types.UnionType)
    kinds = set(get_args(annotation)) if union else {annotation}
    kinds -= {types.NoneType}
    if Path in kinds:
        return Path
    (kind,) = kinds
    return kind if isinstance(kind, type) and get_origin(kind) is None else list


def completed(table: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, and the defaults of the rest.

    Raises:
        UsageError: a name that the table does not have.
    """
    rows = rows_of(table)
    unknown = sorted(set(given) - set(rows))
    if unknown:
        raise UsageError(f"unknown arguments {', '.join(unknown)}; known: {', '.join(rows)}")
    return {name: row.option.default for name, row in rows.items()} | dict(given)


def described(table: type) -> str:
    """Every option of a table with its help in the words of Python: for its docstring."""
    lines = []
    for row in rows_of(table).values():
        told = " ".join(filter(None, (row.option.help, row.option.more)))
        told = re.sub(r"--([a-z-]+)", lambda match: match[1].replace("-", "_"), told)
        words = f" One of {', '.join(row.option.one_of)}." if row.option.one_of else ""
        default = row.option.default
        shown = "" if default is None or row.type in (bool, list) else f"  [default: {default}]"
        lines.append(f"    {row.name}: {told}{words}{shown}")
    return "\n".join(lines)
