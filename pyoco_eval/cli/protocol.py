"""`pyoco-eval protocol`: list, show, validate, compare protocols and their prompts."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyoco_eval.cli.suggesting import SuggestingGroup
from pyoco_eval.cli.terminal import open_console, say, say_json
from pyoco_eval.visible import json_text, one_line

if TYPE_CHECKING:
    from pyoco_eval.protocol.loader import LoadedProtocol

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(
    cls=SuggestingGroup,
    name="protocol",
    short_help="List, show, validate and compare protocols.",
    epilog="""\b
Examples:
  pyoco-eval protocol list
  pyoco-eval protocol show ucf101-uncond
  pyoco-eval protocol diff ucf101-zeroshot ucf101-zeroshot-videoldm
  pyoco-eval protocol validate my-protocol.yaml
  pyoco-eval protocol prompts my-prompts.csv""",
)
def command() -> None:
    """Protocols are versioned recipes from a model to a table: `pyoco-eval run-protocol`.

    NAME is a shipped protocol, or the path of a .yaml file of your own, which may say
    `extends: NAME` and change what it needs.
    """


@command.command("list", epilog="\b\nExamples:\n  pyoco-eval protocol list --json")
@_json_option
def list_command(as_json: bool) -> None:
    """All protocols that come with the package."""
    from pyoco_eval.protocol.loader import load_protocol, shipped_protocols

    found = [load_protocol(path) for path in shipped_protocols()]
    if as_json:
        say_json([_summary(loaded) for loaded in found])
        return
    width = max(len(loaded.label) for loaded in found)
    for loaded in found:
        say(f"{loaded.label:<{width}}  {loaded.protocol.title}")


@command.command(
    "show",
    epilog="""\b
Examples:
  pyoco-eval protocol show msrvtt
  pyoco-eval protocol show msrvtt --yaml > mine.yaml""",
)
@click.argument("name")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print every key as YAML, resolved.")
@_json_option
def show_command(name: str, as_yaml: bool, as_json: bool) -> None:
    """What a protocol does, what the paper leaves open, and what is published."""
    from pyoco_eval.errors import UsageError
    from pyoco_eval.protocol.loader import load_protocol

    if as_yaml and as_json:
        raise UsageError("--yaml and --json: give one of them")
    loaded = load_protocol(name)
    content = loaded.protocol.model_dump(mode="json")
    if as_json:
        text = json_text(_summary(loaded) | {"recipe": content})
        say(text)
    elif as_yaml:
        import yaml

        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=98)
        say(text, end="")
    else:
        from pyoco_eval.protocol.describe import print_protocol

        print_protocol(loaded, open_console())


@command.command("validate", epilog="\b\nExamples:\n  pyoco-eval protocol validate mine.yaml")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_json_option
def validate_command(names: tuple[str, ...], as_json: bool) -> None:
    """Check protocols; without NAME, all that are shipped. Exit code 1 if one is not valid.

    \b
    What is promised of a valid protocol:
      - the file is YAML without repeated keys; every key is known, every required one there
      - what it extends exists and does not come round to itself; what it leaves out was there
      - the file is called as the protocol
      - every convention exists, is of the metric, and is what the spelt-out keys say
      - a profile has conventions of its own kind: embedded networks or published ones
      - clip, frame and resize rules are rules, in their canonical spelling
      - samples are long enough for the clips, and clips of a length the network takes
      - counts fit: scored videos exist, classes and captions add up, reference choices are there
      - every score lies above its sample floor, for every arm that has it
      - metrics have what they need: a reference, captions, labels
      - arms are told apart by their parameters; columns and arms they name exist
      - an arm that starts from another comes after it and is trained by the same protocol
      - the training configuration is one of `pyoco-eval train`, with the settings of every arm
      - figures and published rows name columns and parameters that exist
      - a shipped protocol stands in the change log with its version and hash
    """
    from pyoco_eval.protocol.loader import shipped_protocols
    from pyoco_eval.protocol.validate import examine

    verdicts = [examine(name) for name in names or shipped_protocols()]
    if as_json:
        rows = [
            {
                "name": verdict.name,
                "valid": not verdict.problems,
                "sha256": verdict.loaded.sha256 if verdict.loaded else None,
                "problems": list(verdict.problems),
            }
            for verdict in verdicts
        ]
        say_json(rows)
    else:
        for verdict in verdicts:
            label = Path(verdict.name).stem if verdict.loaded is None else verdict.loaded.label
            say(f"{label}: {'not valid' if verdict.problems else 'valid'}")
            for problem in verdict.problems:
                say(f"  {one_line(problem)}")
    if any(verdict.problems for verdict in verdicts):
        sys.exit(1)


@command.command(
    "diff",
    epilog="\b\nExamples:\n  pyoco-eval protocol diff msrvtt msrvtt-2990",
)
@click.argument("a")
@click.argument("b")
@click.option("--all", "show_all", is_flag=True, help="Also titles, notes and published rows.")
@_json_option
def diff_command(a: str, b: str, show_all: bool, as_json: bool) -> None:
    """Keys on which two protocols differ, and with them their scores."""
    from pyoco_eval.protocol.difference import differences
    from pyoco_eval.protocol.loader import load_protocol

    left, right = load_protocol(a), load_protocol(b)
    found = [
        entry
        for entry in differences(left.protocol, right.protocol)
        if show_all or entry.changes_scores
    ]
    if as_json:
        say_json([vars(entry) for entry in found])
        return
    if not found:
        say(f"{left.label} and {right.label} give the same scores")
        return
    say(f"{left.label} | {right.label}")
    for entry in found:
        say(f"{entry.key}: {_shown(entry.a)} | {_shown(entry.b)}")


@command.command(
    "prompts",
    epilog="""\b
Examples:
  pyoco-eval protocol prompts
  pyoco-eval protocol prompts my-prompts.csv
  pyoco-eval protocol prompts --dataset shapes""",
)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dataset", type=click.Choice(["ucf101", "shapes"]), default="ucf101",
              show_default=True, help="Whose classes.")  # fmt: skip
def prompts_command(file: Path | None, dataset: str) -> None:
    """Our own prompt for each class, or what FILE holds beside the published lists.

    FILE: .csv or .tsv with the columns class and prompt, .json, or .txt with a line for each
    class in order.
    """
    from pyoco_eval.datasets.class_lists import class_names
    from pyoco_eval.protocol.prompts import identify, own_list, read_prompts

    names = class_names(dataset)
    if file is None:
        own = own_list(dataset, names)
        for name in names:
            say(f"{name}: {own.prompt(name, 0)}")
        return
    found = read_prompts(file, names)
    count = sum(map(len, found.prompts.values()))
    say(f"{count} prompts for {len(names)} classes, sha256 {found.sha256}")
    if dataset == "ucf101":
        for sentence in identify(found).sentences():
            say(sentence)


def _shown(value: Any) -> str:
    return "-" if value is None else json_text(value, indent=None)


def _summary(loaded: "LoadedProtocol") -> dict[str, Any]:
    protocol = loaded.protocol
    return {
        "name": protocol.name,
        "version": protocol.version,
        "sha256": loaded.sha256,
        "title": protocol.title,
        "profile": protocol.profile,
        "cites": protocol.provenance.cites(),
        "scores": list(protocol.scores),
        "path": str(loaded.path),
    }
