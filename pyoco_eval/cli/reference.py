"""`pyoco-eval reference`: what real videos are compared with, stored once."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from pyoco_eval.cli.reference_build import build_command
from pyoco_eval.cli.reference_import import import_command
from pyoco_eval.cli.suggesting import SuggestingGroup
from pyoco_eval.cli.terminal import say, say_json
from pyoco_eval.visible import json_text

if TYPE_CHECKING:
    from pyoco_eval.references.files import Examination, ReferenceFile

_LONG = ("files", "captions", "rows_per_video", "skipped", "labels")


@click.group(
    cls=SuggestingGroup,
    name="reference",
    short_help="Build, list, show, verify and import stored references.",
    epilog="""\b
Examples:
  pyoco-eval reference build ucf101 --data-root UCF-101/
  pyoco-eval reference list
  pyoco-eval reference show ucf101
  pyoco-eval reference verify
  pyoco-eval reference import fid_stats.npz --name sky --convention pytorch-fid --num-rows 50000

\b
Then, with any score command:
  pyoco-eval fvd --samples generated/ --reference ucf101""",
)
def command() -> None:
    """Stored references: statistics of real videos under a recipe, found by name.

    They lie in $PYOCO_EVAL_CACHE/references/NAME (~/.cache/pyoco-eval by default), one file per
    recipe; small ones of the embedded networks come with the package.
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def list_command(as_json: bool) -> None:
    """Name, network, recipe, counts, date and place of every stored reference."""
    from pyoco_eval.references.files import list_references

    files = list_references()
    if as_json:
        _print_json([file.summary() for file in files])
        return
    for name in dict.fromkeys(file.name for file in files):
        say(name)
        for file in files:
            if file.name == name:
                say("\n".join(f"  {line}" for line in _lines(file)))


@command.command("show")
@click.argument("reference", metavar="NAME|FILE")
@click.option("--json", "as_json", is_flag=True, help="Print JSON with everything, file by file.")
def show_command(reference: str, as_json: bool) -> None:
    """Everything that a stored reference says of itself."""
    from pyoco_eval.references.files import find_references

    files = find_references(reference)
    if as_json:
        _print_json([{"path": str(file.path), "header": dict(file.header)} for file in files])
        return
    for file in files:
        say(str(file.path))
        if file.problem:
            say(f"  unreadable: {file.problem}")
        say("\n".join(_header_lines(file.header)))


@command.command("verify")
@click.argument("references", nargs=-1, metavar="[NAME|FILE]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def verify_command(references: tuple[str, ...], as_json: bool) -> None:
    """Check that stored references are whole: all of them, or those named.

    Arrays must have the sha256 that the header states, finite numbers, and the counts and shapes
    that the header says. The exit code is 1 if one is damaged.
    """
    from pyoco_eval.errors import PyocoEvalError
    from pyoco_eval.references.files import find_references, list_references, verify

    if references:
        files = [file for text in references for file in find_references(text)]
    else:
        files = list_references()
    verdicts = [verify(file) for file in files]
    if as_json:
        _print_json(
            [
                file.summary() | {"intact": not verdict.problem, "problem": verdict.problem or None}
                for file, verdict in zip(files, verdicts, strict=True)
            ]
        )
    else:
        for verdict in verdicts:
            say(f"{_word(verdict)}  {verdict.file.path}")
    damaged = [verdict for verdict in verdicts if verdict.problem]
    if damaged:
        lines = [f"  {verdict.file.path}: {verdict.problem}" for verdict in damaged]
        raise PyocoEvalError(
            f"{len(damaged)} of {len(verdicts)} stored references are damaged; build them again "
            "with `pyoco-eval reference build`:\n" + "\n".join(lines)
        )


command.add_command(build_command)
command.add_command(import_command)


def _word(verdict: "Examination") -> str:
    if verdict.problem:
        return "damaged            "
    return "intact             " if verdict.has_checksum else "intact, no checksum"


def _lines(file: "ReferenceFile") -> list[str]:
    """A stored reference in a few lines."""
    summary = file.summary()
    if file.problem:
        return [str(file.path), f"  unreadable: {file.problem}"]
    recipe = " | ".join(f"{key}:{value}" for key, value in summary["recipe"].items())
    kept = "rows" if summary["rows_kept"] else "statistics"
    facts = [f"{summary['num_rows']:,} {kept} of {summary['num_videos']:,} videos"]
    facts += [str(summary["created"] or "no date"), summary["where"]]
    facts += ["imported"] if summary["imported"] else []
    return [f"{summary['network']}  {', '.join(facts)}", f"  {recipe}", f"  {file.path}"]


def _header_lines(header: Mapping[str, Any]) -> list[str]:
    lines = []
    for key in sorted(header):
        value = header[key]
        if isinstance(value, Mapping) and key not in _LONG:
            lines.append(f"  {key}:")
            lines += [f"    {name}: {_short(found)}" for name, found in value.items()]
        elif key in _LONG and isinstance(value, Sequence | Mapping):
            lines.append(f"  {key}: {len(value):,}" + (" (see --json)" if value else ""))
        else:
            lines.append(f"  {key}: {_short(value)}")
    return lines


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json_text(value, indent=None)


def _print_json(document: object) -> None:
    say_json(document)
