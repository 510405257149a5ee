"""Options of commands, made from the table in `extraction.options`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from pyoco_eval.extraction.option_table import rows_of
from pyoco_eval.extraction.options import OPTIONS, VideoChoices

if TYPE_CHECKING:
    from pyoco_eval.extraction.options import Choices, Options

Decorator = Callable[[Any], Any]


def option(name: str, **changed: Any) -> Decorator:
    """The command-line option of a row; `changed` goes to `click.option` in place of its own."""
    _, kind, _, stated = OPTIONS[name]
    settings: dict[str, Any] = {"help": stated.help, "metavar": stated.metavar}
    if kind is bool:
        settings["is_flag"] = True
    elif kind is list:
        settings["multiple"] = True
    else:
        settings["default"] = stated.default
        settings["show_default"] = stated.default is not None
        settings["type"] = click.Path(file_okay=False) if kind is Path else kind
    if stated.one_of:
        settings["type"] = click.Choice(stated.one_of)
    return click.option(f"--{name.replace('_', '-')}", **(settings | changed))


def options_of(table: type) -> tuple[Decorator, ...]:
    """One for each row of a table, in its order."""
    return tuple(option(name) for name in rows_of(table))


def with_options(*options: Decorator) -> Decorator:
    """Add options to a command, so that `--help` shows them in this order, before its others."""

    def add(command: Any) -> Any:
        for decorate in reversed(options):
            command = decorate(command)
        return command

    return add


video_options = with_options(*options_of(VideoChoices))
"""Add the options that decide how videos become features."""


def build_options(choices: dict[str, Any]) -> "Options":
    """Turn the values of options into an `Options`.

    Raises:
        UsageError: naming the option that cannot be meant.
    """
    from pyoco_eval.extraction.options import options_from
    from pyoco_eval.weights import parse_overrides

    weights = parse_overrides(choices["weights"])
    return options_from(cast("Choices", choices | {"weights": weights}))
