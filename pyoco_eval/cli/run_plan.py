"""What `pyoco-eval run-protocol --dry-run` prints."""

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pyoco_eval.cli.terminal import open_console

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyoco_eval.protocol_run.plan import ArmPlan
    from pyoco_eval.protocol_run.run import ProtocolRun

_REMEDY = {
    "training": "; give --seconds-per-step",
    "generation": "; give --seconds-per-video, or --measure",
    "scoring": "; give --measure",
}


def print_plan(
    run: "ProtocolRun",
    gpus: int,
    seconds_per_video: float | None,
    seconds_per_step: float | None,
    *,
    measure: bool,
) -> None:
    """Counts and disk, a check of everything, then hours; nothing is written but what was found.

    Args:
        measure: make one video, and put a blank clip through the networks, for the hours.

    Raises:
        PyocoEvalError: what would hinder the run, after everything that can be said is printed.
    """
    from rich.text import Text

    from pyoco_eval.errors import PyocoEvalError
    from pyoco_eval.protocol.trust import title_of
    from pyoco_eval.protocol_run.plan import Rates, num_real, plan_arms, total_hours
    from pyoco_eval.report.numbers import duration

    console = open_console()
    console.print(Text(f"{run.label()}  {title_of(run.loaded)}", style="bold"))
    plans, real = plan_arms(run), num_real(run)
    _print_counts(plans, real)
    hindrance = None
    measured, scoring = seconds_per_video, None
    try:
        run.prepare()
        if measured is None and measure:
            measured = _measure_sample(run)
            if measured is not None:
                console.print(f"one video took {duration(measured)} on this machine")
        scoring = _measure_score(run) if measure else None
    except PyocoEvalError as error:
        hindrance = error
    rates = Rates(measured, seconds_per_step, scoring)
    _print_hours(total_hours(plans, real, rates, gpus), gpus)
    for note in (*run.departures.sentences(), *run.warnings):
        console.print(Text(f"! {note}", style="yellow"), soft_wrap=True)
    if hindrance is not None:
        raise hindrance


def _print_counts(plans: "list[ArmPlan]", real: int) -> None:
    """A row for each arm, then what all of them need."""
    from rich.table import Table
    from rich.text import Text

    from pyoco_eval.protocol_run.plan import amount

    console = open_console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("arm", "from"):
        table.add_column(title)
    for title in ("steps", "generated", "scored", "samples", "features"):
        table.add_column(title, justify="right", no_wrap=True)
    for plan in plans:
        table.add_row(
            Text(plan.name), Text(plan.source), f"{plan.training_steps:,}",
            f"{plan.num_generated:,}", f"{plan.num_scored:,}",
            amount(plan.sample_bytes), amount(plan.feature_bytes),
        )  # fmt: skip
    console.print(table)
    disk = sum(plan.sample_bytes + plan.feature_bytes for plan in plans)
    console.print(f"real videos through networks: {real:,}")
    console.print(f"disk: {amount(disk)}, besides the features of real videos")


def _print_hours(hours: "Mapping[str, float | None]", gpus: int) -> None:
    from pyoco_eval.report.numbers import duration

    console = open_console()
    for kind, found in hours.items():
        if found is None:
            console.print(f"{kind}: not known{_REMEDY.get(kind, '')}")
        elif found:
            shared = "one process" if kind == "training" or gpus == 1 else f"{gpus} processes"
            console.print(f"{kind}: {duration(found * 3600)} on {shared}")


def _measure_sample(run: "ProtocolRun") -> float | None:
    """Seconds of the second of two videos; None where no model is given."""
    from pyoco_eval.generation.cascade.description import is_cascade
    from pyoco_eval.protocol_run.sample import open_model

    for name, source in run.choices.given.sources.items():
        if source.kind == "ckpt" and is_cascade(Path(source.value(0))):
            continue
        if source.kind in ("ckpt", "generator") and name in run.choices.given.scored(run.protocol):
            generator = open_model(source.value(0), run.protocol, name, run.choices)
            tell = run.choices.sampling.tell
            requests = [wish.request(tell) for wish in run.wished(name, 0)[:2]]
            generator.check(requests)
            generator.generate(requests[:1])
            return _seconds(partial(generator.generate, requests[1:]))
    return None


def _measure_score(run: "ProtocolRun") -> float | None:
    """Seconds of one blank clip through the networks, averaged over them, once they are warm."""
    import numpy as np

    from pyoco_eval.metrics.conventions import CONVENTIONS
    from pyoco_eval.scoring.tasks import Networks, Task

    samples = run.protocol.samples
    name = run.choices.given.scored(run.protocol)[0]
    spent = []
    for group in run.groups(name, first_repeat=False):
        networks = Networks(group.options)
        length = group.options.clip.num_frames
        clip = np.zeros((1, length, samples.height, samples.width, 3), np.uint8)
        for _, convention in group.columns.values():
            extractor = Task(CONVENTIONS[convention], group.options, networks).extractor()
            frames = clip[0] if extractor.kind == "image" else clip
            extractor(frames)
            spent.append(_seconds(partial(extractor, frames)))
    return sum(spent) / len(spent) if spent else None


def _seconds(work: "Callable[[], object]") -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
