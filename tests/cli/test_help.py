"""What `--help` says, of every command, byte for byte.

After a change that is meant: `python tests/cli/test_help.py` writes the texts anew.
"""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pyoco_eval.cli.main import cli

TEXTS = Path(__file__).parent / "help"


def commands(command: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words after `pyoco-eval` of every command, groups among them."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, (*path, name))


def help_of(path: tuple[str, ...]) -> str:
    """As a terminal of 100 columns shows it."""
    shown = CliRunner().invoke(
        cli, [*path, "--help"], prog_name="pyoco-eval", terminal_width=100, catch_exceptions=False
    )
    assert shown.exit_code == 0, shown.output
    return shown.stdout


def text_of(path: tuple[str, ...]) -> Path:
    return TEXTS / f"{'-'.join(('pyoco-eval', *path))}.txt"


@pytest.mark.parametrize("path", list(commands()), ids=lambda path: " ".join(path) or "pyoco-eval")
def test_help_is_as_written(path: tuple[str, ...]) -> None:
    assert help_of(path) == text_of(path).read_text(encoding="utf-8")


def test_no_text_is_of_a_command_that_is_gone() -> None:
    assert sorted(TEXTS.glob("*")) == sorted(text_of(path) for path in commands())


if __name__ == "__main__":
    TEXTS.mkdir(exist_ok=True)
    for path in commands():
        text_of(path).write_text(help_of(path), encoding="utf-8")
