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

TEXTS = Path(__file__).with_name("help.txt")
MARK = "=" * 60


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


def texts() -> dict[str, str]:
    """By command, with the name of each in front."""
    return {" ".join(("pyoco-eval", *path)): help_of(path) for path in commands()}


def joined(found: dict[str, str]) -> str:
    return "".join(f"{MARK} {name}\n{text}" for name, text in found.items())


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    """From a process of its own: commands keep what they are called with first."""
    path = tmp_path_factory.mktemp("help") / "help.txt"
    subprocess.run([sys.executable, __file__, str(path)], check=True)
    return path.read_text(encoding="utf-8")


def by_command(text: str) -> dict[str, str]:
    parts = text.split(f"{MARK} ")[1:]
    return {name: told for name, _, told in (part.partition("\n") for part in parts)}


@pytest.mark.parametrize("name", list(by_command(TEXTS.read_text(encoding="utf-8"))))
def test_help_is_as_written(name: str, shown: str) -> None:
    assert by_command(shown)[name] == by_command(TEXTS.read_text(encoding="utf-8"))[name]


def test_every_command_is_written(shown: str) -> None:
    assert shown == TEXTS.read_text(encoding="utf-8")


if __name__ == "__main__":
    path = Path(sys.argv[1]) if sys.argv[1:] else TEXTS
    path.write_text(joined(texts()), encoding="utf-8")
