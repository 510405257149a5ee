"""`pyoco-eval selftest`: known inputs, known results, computed again here."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pyoco_eval.cli.options import option
from pyoco_eval.cli.terminal import open_console, say, say_json

if TYPE_CHECKING:
    from pyoco_eval.selftest import Check
    from pyoco_eval.weights import WeightFile

_STYLES = {"ok": "green", "failed": "bold red", "skipped": "yellow"}


@click.command(
    name="selftest",
    short_help="Compute known results on this machine and compare.",
    epilog="""\b
Examples:
  pyoco-eval selftest
  pyoco-eval selftest --quick
  pyoco-eval selftest --device cuda:0 --json > selftest.json
  pyoco-eval selftest --trust i3d-torchscript --weights i3d-torchscript=i3d_torchscript.pt

\b
Exit codes: 0 every result is as expected, 1 one of them is not.""",
)
@click.option("--quick", is_flag=True, help="Fewer clips, and only I3D of the large networks.")
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="NAME",
    help="cpu, cuda, cuda:1, mps; may be given several times.  [default: every device here]",
)
@option(
    "trust",
    help="Also run the program in this TorchScript file and compare the port: i3d-torchscript.",
)
@option("weights", help="Where that file is.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def command(
    quick: bool,
    devices: tuple[str, ...],
    trust: tuple[str, ...],
    weights: tuple[str, ...],
    as_json: bool,
) -> None:
    """Decode, resize, extract and score a small shipped set, and compare with stored values.

    Says whether the scores of this machine can be trusted. Needs no download; the large networks
    are filled with made-up weights, for which up to 400 MB of temporary files are written.
    """
    from pyoco_eval.selftest import run
    from pyoco_eval.weights import parse_overrides, resolve

    given = parse_overrides(weights)
    programs = [resolve(key, given) for key in trust]
    checks = (
        run(devices, quick=quick, programs=programs) if as_json else _run(devices, quick, programs)
    )
    failed = [check for check in checks if check.status == "failed"]
    if as_json:
        document = {"trusted": not failed, "checks": [_as_document(check) for check in checks]}
        say_json(document)
    else:
        _print(checks)
    sys.exit(1 if failed else 0)


def _run(devices: tuple[str, ...], quick: bool, programs: "Sequence[WeightFile]") -> "list[Check]":
    """With the name of the last result on standard error, if that is a terminal."""

    from pyoco_eval.selftest import run

    console = open_console(stderr=True)
    with console.status("starting") as status:
        return run(
            devices,
            quick=quick,
            programs=programs,
            on_check=lambda check: status.update(f"{check.stage}: {check.name}"),
        )


def _as_document(check: "Check") -> dict[str, object]:
    """JSON has no infinity; a result of another kind than expected has no difference."""
    document = asdict(check)
    if check.difference == float("inf"):
        document["difference"] = None
    return document


def _print(checks: "Sequence[Check]") -> None:
    from rich.table import Table
    from rich.text import Text

    from pyoco_eval.selftest import REMEDIES

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("result", "expected", "found", "difference", "allowed", ""):
        table.add_column(title, overflow="fold", no_wrap=title != "result")
    stage = ""
    for check in checks:
        if check.stage != stage:
            stage = check.stage
            table.add_row(Text(stage, "bold"))
        table.add_row(
            Text(f"  {check.name}"),
            check.expected,
            check.found,
            _short(check.difference),
            "" if check.status == "skipped" else _short(check.tolerance),
            Text(check.status, _STYLES[check.status]),
        )
    open_console().print(table)
    for check in checks:
        if check.status == "skipped":
            say(f"skipped: {check.name}: {check.note}")
    failed = dict.fromkeys(check.stage for check in checks if check.status == "failed")
    for name in failed:
        say(f"\n{name}: {REMEDIES[name]}")
    count = sum(check.status == "ok" for check in checks)
    verdict = "Do not trust scores from this machine." if failed else "This machine can be trusted."
    say(f"\n{count} of {len(checks)} results as expected. {verdict}")


def _short(error: float | None) -> str:
    return "" if error is None else f"{error:.1e}" if error else "0"
