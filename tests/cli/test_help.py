"""What `--help` says, of every command, byte for byte.

After a change that is meant: `python tests/cli/test_help.py` writes the texts anew.
"""

import subprocess
import sys
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


def name_of(path: tuple[str, ...]) -> str:
    return f"{'-'.join(('pyoco-eval', *path))}.txt"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From a process of its own: commands keep what they are called with first."""
    folder = tmp_path_factory.mktemp("help")
    subprocess.run([sys.executable, __file__, str(folder)], check=True)
    return folder


@pytest.mark.parametrize("path", list(commands()), ids=lambda path: " ".join(path) or "pyoco-eval")
def test_help_is_as_written(path: tuple[str, ...], shown: Path) -> None:
    name = name_of(path)
    assert (shown / name).read_text("utf-8") == (TEXTS / name).read_text("utf-8")


def test_no_text_is_of_a_command_that_is_gone() -> None:
    assert {path.name for path in TEXTS.iterdir()} == {name_of(path) for path in commands()}


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if sys.argv[1:] else TEXTS
    for path in commands():
        (folder / name_of(path)).write_text(help_of(path), encoding="utf-8")
