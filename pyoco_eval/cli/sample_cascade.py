"""`pyoco-eval sample` of a cascade."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pyoco_eval.cli.terminal import say

if TYPE_CHECKING:
    from pyoco_eval.generation.cascade.description import Stage
    from pyoco_eval.generation.request import GeneratorOptions, Request

_OF_STAGES: Final = ("sampler", "prior", "guidance_scale", "num_frames", "size")


def cascade_stages(ckpt: str, given: Mapping[str, Any]) -> "list[Stage] | None":
    """The stages asked for; None where `--ckpt` is one model.

    Raises:
        UsageError: options that are of the one and not of the other.
    """
    from pyoco_eval.errors import UsageError
    from pyoco_eval.generation.cascade.description import FILE, is_cascade, read_cascade

    named = ckpt.startswith(("diffusers:", "python:"))
    if named or not is_cascade(Path(ckpt)):
        for key, option in (("until", "--until"), ("dry_run", "--dry-run")):
            if given[key]:
                raise UsageError(f"{option}: is of cascades; {ckpt} has no {FILE}")
        return None
    stages = read_cascade(Path(ckpt), given["until"])
    for key in _OF_STAGES:
        if given[key] is not None:
            option = f"--{key.replace('_', '-')}"
            raise UsageError(f"{option}: stages of a cascade have their own; set {key} in {FILE}")
    return stages


def show_plan(stages: "list[Stage]", given: Mapping[str, Any]) -> None:
    """Print what every stage makes and needs."""
    from pyoco_eval.generation.cascade.plan import plan_lines, plan_stage

    precision = "bf16" if given["precision"] == "bf16" else "fp32"
    batch = given["batch_size"] or 1
    for line in plan_lines([plan_stage(s, precision, batch) for s in stages], precision, batch):
        say(line)


def make_samples(
    stages: "list[Stage]",
    requests: "list[Request]",
    out: Path,
    options: "GeneratorOptions",
    given: Mapping[str, Any],
) -> None:
    """Run the stages, and say where what is."""
    from pyoco_eval.cli.progress import TerminalProgress
    from pyoco_eval.generation.cascade.run import STAGES, sample_cascade
    from pyoco_eval.generation.request import usual_batch_size
    from pyoco_eval.generation.write import sheet_path

    rows = sample_cascade(
        stages,
        requests,
        out,
        options,
        file_format=given["file_format"],
        batch_size=given["batch_size"] or usual_batch_size(options.device),
        overwrite=given["overwrite"],
        progress=TerminalProgress(),
        told=lambda note: say(f"note: {note}", err=True),
    )
    if not rows:
        return
    for stage in stages[:-1]:
        say(f"{stage.name}: exact frames in {out / STAGES / stage.name}")
    say(f"{len(rows)} videos of {stages[-1].name} in {out}, to look at: {sheet_path(out, rows)}")
