"""The one place where the command line prints: nothing that is printed acts on the terminal.

Every other module says its text through here, on standard output or standard error; a structural
test holds that nothing else prints.
"""

import io
import logging
import re
import sys
import warnings
from typing import TYPE_CHECKING, Any, TextIO

import click

from pyoco_eval.visible import json_text, one_line, visible

if TYPE_CHECKING:
    from rich.console import Console


def say(text: str = "", *, err: bool = False, end: str = "\n") -> None:
    """Print `text`, with everything in it that would act made visible."""
    click.echo(visible(text) + end, err=err, nl=False)


def say_error(text: str) -> None:
    """Print a message of an error. A line break that the user's own arguments hold is shown.

    Messages are several lines long on purpose, so that a break inside a path would forge one.
    """
    for piece in {piece for argument in sys.argv for piece in re.split("[/=,]", argument)}:
        if one_line(piece) != piece:
            text = text.replace(piece, one_line(piece))
    say(f"Error: {text}", err=True)


def say_json(document: Any) -> None:
    """Print a document as JSON that reads back exactly."""
    click.echo(json_text(document))


def say_click_error(error: click.ClickException) -> None:
    """What click says of wrong usage."""
    told = io.StringIO()
    error.show(file=told)
    usage, mark, text = told.getvalue().rpartition("Error: ")
    say(usage, err=True, end="")
    if mark:
        say_error(text.rstrip("\n"))


def open_console(*, stderr: bool = False, soft_wrap: bool = False) -> "Console":
    """Where tables, progress and coloured text are printed."""
    from pyoco_eval.cli.safe_console import SafeConsole

    return SafeConsole(stderr=stderr, soft_wrap=soft_wrap)


def take_over_warnings() -> None:
    """Warnings of libraries, and log messages that nobody else shows, are said here too."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        del file
        say(warnings.formatwarning(message, category, filename, lineno, line), err=True, end="")

    warnings.showwarning = show
    logging.lastResort = _Said(logging.WARNING)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what this locale cannot write is escaped
            stream.reconfigure(errors="backslashreplace")


class _Said(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record), err=True)
