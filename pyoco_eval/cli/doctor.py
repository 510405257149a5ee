"""`pyoco-eval doctor`: examine this machine."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pyoco_eval.cli.terminal import open_console, say, say_json

if TYPE_CHECKING:
    from pyoco_eval.doctor import Finding

_STYLES = {"ok": "green", "note": "yellow", "problem": "bold red"}


@click.command(
    name="doctor",
    short_help="Examine this machine: libraries, decoders, weights, caches.",
    epilog="""\b
Examples:
  pyoco-eval doctor
  pyoco-eval doctor --verify
  pyoco-eval doctor --json > machine.json

\b
Exit codes: 0 everything required works, 1 something required does not.
Whether the numbers are right as well, `pyoco-eval selftest` says.""",
)
@click.option("--verify", is_flag=True, help="Hash the weight files; without it, sizes only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def command(verify: bool, as_json: bool) -> None:
    """Say what of this machine matters to scores: does it work, and if not, what to do.

    Nothing is changed and no connection is opened. The output names folders, but no secrets.
    """
    from pyoco_eval.doctor import examine

    findings = examine(verify=verify)
    broken = [finding for finding in findings if finding.breaks]
    if as_json:
        document = {"works": not broken, "findings": [asdict(finding) for finding in findings]}
        say_json(document)
    else:
        _print(findings)
        names = ", ".join(finding.name for finding in broken)
        say(f"\nRequired and broken: {names}" if broken else "\nEverything required works.")
    sys.exit(1 if broken else 0)


def _print(findings: "Sequence[Finding]") -> None:
    from rich.text import Text

    console = open_console(soft_wrap=True)
    section = ""
    for finding in findings:
        if finding.section != section:
            section = finding.section
            console.print(Text(f"\n{section}" if finding is not findings[0] else section, "bold"))
        line = Text.assemble(
            "  ", (f"{finding.level:<8}", _STYLES[finding.level]), f"{finding.name}: {finding.text}"
        )
        console.print(line)
        if finding.remedy:
            console.print(Text(f"          -> {finding.remedy}"))
