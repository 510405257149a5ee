"""`pyoco-eval run-protocol`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyoco_eval.cli.options import option
from pyoco_eval.cli.scoring import split_names
from pyoco_eval.cli.terminal import open_console, say

if TYPE_CHECKING:
    from pyoco_eval.protocol.loader import LoadedProtocol
    from pyoco_eval.protocol_run.run import ProtocolRun
    from pyoco_eval.protocol_run.run_options import RunChoices
    from pyoco_eval.records.results import Results

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(
    name="run-protocol",
    short_help="From a model to a finished table, by a named protocol.",
    epilog="""\b
A killed run goes on where it was when the command is given again. Under torchrun the
processes share generation and scoring, with the same scores.

\b
Examples:
  pyoco-eval run-protocol shapes-uncond --out runs/shapes
  pyoco-eval run-protocol ucf101-uncond --ckpt runs/ucf --data-root UCF-101/
  pyoco-eval run-protocol msrvtt --samples generated/ --data-root MSRVTT/ --dry-run
  pyoco-eval run-protocol ucf101-zeroshot --generator diffusers:damo-vilab/text-to-video-ms-1.7b \\
      --set-call num_inference_steps=25 --data-root UCF-101/ --allow-deviations
  pyoco-eval run-protocol ucf101-training-strategies --ckpt image=runs/image \\
      --ckpt scratch=runs/scratch --ckpt mixed=runs/mixed --arms image,scratch,mixed \\
      --data-root UCF-101/
  torchrun --nproc-per-node 8 -m pyoco_eval run-protocol msrvtt --ckpt runs/t2v \\
      --data-root MSRVTT/""",
)
@click.argument("name")
@click.option("--out", type=_FOLDER, default=None, help="Folder of the run.  [default: runs/NAME]")
@click.option("--ckpt", multiple=True, metavar="[ARM=]PATH", help="A model or training run.")
@click.option(
    "--generator",
    multiple=True,
    metavar="[ARM=]SPEC",
    help="diffusers:PATH-OR-ID or python:module:callable.",
)
@click.option(
    "--samples",
    multiple=True,
    metavar="[ARM=]PATH",
    help="Videos made already; once for each repeat, or enough in one folder.",
)
@click.option("--train", is_flag=True, help="Train arms that are given nothing (shapes-… always).")
@click.option("--arms", default="", metavar="NAMES", help="Only these arms, comma-separated.")
@click.option("--data-root", type=_FOLDER, default=None, help="Your copy of UCF-101 or MSR-VTT.")
@click.option("--split-lists", type=_FOLDER, default=None, help="Folder of UCF-101's split lists.")
@click.option("--annotations", type=_FILE, default=None, help="MSR-VTT's test_videodatainfo.json.")
@click.option("--allow-incomplete", is_flag=True, help="Run on an incomplete copy; marked so.")
@click.option("--prompts", type=_FILE, default=None, help="Your prompts for the classes.")
@click.option(
    "--tell",
    type=click.Choice(["prompts", "labels", "both"]),
    default="prompts",
    show_default=True,
    help="What a model is told of a class.",
)
@click.option("--sampler", default=None, help="Sampler, e.g. deis:order=2,num_steps=32.")
@click.option("--guidance-scale", type=float, default=None, help="Classifier-free guidance.")
@click.option("--set-call", multiple=True, metavar="KEY=NUMBER", help="For a diffusers pipeline.")
@click.option(
    "--sample-batch",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Videos made at once.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Training setting, as for `train`; noted as a deviation.",
)
@click.option(
    "--scale",
    type=float,
    default=1.0,
    show_default=True,
    help="Factor of all counts; below 1 the result is marked as reduced.",
)
@click.option("--repeats", type=click.IntRange(1), default=None, help="Instead of the protocol's.")
@click.option(
    "--allow-deviations", is_flag=True, help="Score samples of another size or length, and say so."
)
@option("weights", help="As for `evaluate`.")
@option("trust", help="As for `evaluate`.")
@option("device")
@option("batch_size", type=click.IntRange(1), help="Clips scored at once.")
@option("workers", type=click.IntRange(1), help="Decoding threads.")
@click.option(
    "--forget-features",
    is_flag=True,
    help="Keep no features on disk: a killed scoring starts again.",
)
@click.option(
    "--gallery",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Clips of each kind in the report.",
)
@click.option("--dry-run", is_flag=True, help="Check everything, print counts, disk and hours.")
@click.option(
    "--gpus",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="For the hours of --dry-run.",
)
@click.option(
    "--seconds-per-video",
    type=float,
    default=None,
    help="Of generation, for the hours of --dry-run.",
)
@click.option(
    "--measure",
    is_flag=True,
    help="With --dry-run: make a video, and put a clip through the networks, for the hours.",
)
@click.option("--seconds-per-step", type=float, default=None, help="Of training, for --dry-run.")
@click.option("--json", "as_json", is_flag=True, help="Print results.json.")
def command(
    name: str,
    as_json: bool,
    dry_run: bool,
    gpus: int,
    seconds_per_video: float | None,
    seconds_per_step: float | None,
    measure: bool,
    **given: Any,
) -> None:
    """Run protocol NAME: prompts, generation, scores, table, report.

    NAME is one of `pyoco-eval protocol list`, or a file of your own. Everything is checked before
    anything is made: counts, weights and models first, then samples and the dataset file by
    file. The folder of the run then has results.json, report.html, report.md and report.tex.
    """
    from pyoco_eval.cli.progress import TerminalProgress
    from pyoco_eval.errors import UsageError
    from pyoco_eval.processes import processes
    from pyoco_eval.protocol.validate import require_protocol
    from pyoco_eval.protocol_run.plan import TimeLeft, expected_stages
    from pyoco_eval.protocol_run.run import ProtocolRun

    loaded = require_protocol(name)
    run = ProtocolRun(loaded, _choices(loaded, given), TerminalProgress())
    if dry_run:
        from pyoco_eval.cli.run_plan import print_plan

        print_plan(run, gpus, seconds_per_video, seconds_per_step, measure=measure)
        return
    if measure:
        raise UsageError("--measure: only --dry-run measures")
    left = TimeLeft(expected_stages(run))
    if processes().is_main:
        run.stages.told = lambda record: say(left.over(record), err=True)
    results = run.run()
    if results is None:
        return
    written = _write_reports(run)
    if as_json:
        say(results.to_json())
    else:
        _print(run, results, written)


def _choices(loaded: "LoadedProtocol", given: dict[str, Any]) -> "RunChoices":
    from pyoco_eval.errors import UsageError
    from pyoco_eval.protocol_run.arm_sources import assign
    from pyoco_eval.protocol_run.real_videos import DataPlace
    from pyoco_eval.protocol_run.reduction import Reduction
    from pyoco_eval.protocol_run.run_options import RunChoices, Sampling
    from pyoco_eval.protocol_run.score_groups import Machine
    from pyoco_eval.weights import parse_overrides
    from pyoco_eval.weights.resolve import entry_of

    out = given["out"] or Path("runs") / loaded.protocol.name
    reduction = Reduction(given["scale"], given["repeats"])
    call = {}
    for text in given["set_call"]:
        key, _, value = text.partition("=")
        try:
            call[key] = float(value) if "." in value else int(value)
        except ValueError as error:
            raise UsageError(f"--set-call {text}: write KEY=NUMBER") from error
    arms = assign(
        loaded.protocol,
        reduction.num_repeats(loaded.protocol),
        ckpt=given["ckpt"],
        samples=given["samples"],
        generator=given["generator"],
        arms=split_names(given["arms"]),
        train=given["train"],
    )
    return RunChoices(
        out=out,
        given=arms,
        place=DataPlace(
            given["data_root"], given["split_lists"], given["annotations"],
            given["allow_incomplete"],
        ),
        reduction=reduction,
        machine=Machine(
            weights=parse_overrides(given["weights"]),
            trust=frozenset(entry_of(key).key for key in given["trust"]),
            device=given["device"],
            batch_size=given["batch_size"],
            workers=given["workers"],
            features=None if given["forget_features"] else out / "features",
        ),
        sampling=Sampling(
            sampler=given["sampler"],
            guidance_scale=given["guidance_scale"],
            batch_size=given["sample_batch"],
            tell=given["tell"],
            call=call,
        ),
        prompts=given["prompts"],
        settings=given["settings"],
        allow_deviations=given["allow_deviations"],
        gallery=given["gallery"],
    )  # fmt: skip


def _write_reports(run: "ProtocolRun") -> list[Path]:
    from pyoco_eval.protocol_run.run import RESULTS
    from pyoco_eval.report.make import make_report

    out = run.choices.out
    outs = [out / f"report{suffix}" for suffix in (".html", ".md", ".tex")]
    return make_report([out / RESULTS], outs)


def _print(run: "ProtocolRun", results: "Results", written: list[Path]) -> None:
    from rich.table import Table
    from rich.text import Text

    console = open_console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(results.protocol.label or results.protocol.name, overflow="fold")
    for column in results.columns:
        arrow = "↑" if column.higher_is_better else "↓"
        table.add_column(f"{column.title} {arrow}", justify="right", no_wrap=True)
    if results.comparable:
        for row in results.published:
            cells = [
                _cell(found.value, found.std) if (found := row.values.get(c.key)) else "-"
                for c in results.columns
            ]
            table.add_row(Text(row.method, style="dim"), *cells)
    for arm in results.arms:
        cells = [
            _cell(entry.value, entry.std) if (entry := arm.score(c.key)) else "-"
            for c in results.columns
        ]
        table.add_row(Text(arm.title, style="bold"), *cells)
    console.print(table)
    for arm in results.arms:
        for entry in arm.scores:
            console.print(Text(f"{arm.key}: {entry.signature}", style="dim"), soft_wrap=True)
    notes = [] if results.reduced is None else [f"Reduced: {results.reduced}."]
    if not results.comparable:
        notes.append("These numbers stand beside no published ones.")
    for note in (*notes, *results.deviations, *results.warnings):
        console.print(Text(f"! {note}", style="yellow"), soft_wrap=True)
    for path in (run.choices.out / "results.json", *written):
        console.print(Text(str(path)), soft_wrap=True)


def _cell(value: float, std: float | None) -> str:
    return f"{value:.6g}" + (f" ± {std:.3g}" if std is not None else "")
