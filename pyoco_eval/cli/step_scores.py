"""`pyoco-eval step-scores`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyoco_eval.cli.options import build_options, option, options_of, with_options
from pyoco_eval.cli.scoring import PROFILE, reference_options, split_names
from pyoco_eval.cli.terminal import say
from pyoco_eval.extraction.options import VideoChoices

if TYPE_CHECKING:
    from pyoco_eval.evaluation.evaluate import Evaluation


@click.command("step-scores")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--num", type=click.IntRange(2), default=256, show_default=True, help="Samples each.")
@click.option(
    "--prompts",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Prompts or captions of the samples, as `pyoco-eval sample` takes them.",
)
@click.option("--labels", is_flag=True, help="Every class of the model in turn.")
@click.option("--sampler", metavar="SPEC", help="[default: the model's]")
@click.option("--guidance-scale", type=float, help="[default: 1, none]")
@click.option("--sample-seed", type=int, default=0, show_default=True)
@click.option(
    "--metrics", default="fvd", show_default=True, help="As `pyoco-eval evaluate` takes them."
)
@click.option(
    "--folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where samples, scores.csv and scores.png go.",
)
@PROFILE
@option("allow_small", help="Give scores below the sample floor.")
@option("interval")
@with_options(*reference_options, *options_of(VideoChoices))
def command(run: Path, folder: Path, **given: Any) -> None:
    """Sample and score every checkpoint of the training run RUN: scores against the step.

    Every checkpoint makes the same samples from the same noise. `log.keep_every` of a training
    config says which checkpoints stay. Given again, the command makes only what is not there yet.

    \b
    Examples:
      pyoco-eval step-scores runs/ucf --reference ucf101-train --num 2048 --folder runs/ucf/scores
      pyoco-eval step-scores runs/shapes --profile embedded --metrics fvd,fid --reference val/ \\
          --prompts val/manifest.jsonl --num 72 --folder scores/
    """
    from pyoco_eval.errors import MissingError
    from pyoco_eval.processes import processes
    from pyoco_eval.records.step_scores import draw_step_scores, write_step_scores
    from pyoco_eval.training.outputs.checkpoints import checkpoints

    places = checkpoints(run / "checkpoints")
    if not places:
        raise MissingError(f"{run}: holds no checkpoints/step-…; name the folder of a training run")
    sampling = {name: given.pop(name) for name in _SAMPLING}
    found = []
    for step, place in places:
        say(f"step {step}", err=True)
        samples = folder / place.name
        _write_samples(place, samples, given["device"], sampling)
        evaluation = _score(samples / "manifest.jsonl", **given)  # the folder has a sheet, too
        if processes().is_main:
            evaluation.record.save(folder / f"{place.name}.json")
            found.append((step, evaluation.scores))
            write_step_scores(found, folder / "scores.csv")
            for score in evaluation.scores:
                say(f"step {step}  {score.signature!s}  {score.value:.6g}")
    if found:
        draw_step_scores(found, folder / "scores.png")
        say(f"data {folder / 'scores.csv'}, plot {folder / 'scores.png'}", err=True)


_SAMPLING = ("num", "prompts", "labels", "sampler", "guidance_scale", "sample_seed")


def _write_samples(model: Path, out: Path, device: str, sampling: dict[str, Any]) -> None:
    from pyoco_eval.cli.progress import TerminalProgress
    from pyoco_eval.devices import pick_device
    from pyoco_eval.generation.open import open_generator
    from pyoco_eval.generation.prompts import read_prompts
    from pyoco_eval.generation.request import GeneratorOptions, make_requests
    from pyoco_eval.generation.write import write_samples
    from pyoco_eval.models.checkpoint import read_info

    file = sampling["prompts"]
    requests = make_requests(
        sampling["num"],
        prompts=[prompt.text for prompt in read_prompts(file)] if file is not None else [],
        labels=range(read_info(model)[0].unet.num_classes if sampling["labels"] else 0),
        seed=sampling["sample_seed"],
    )
    options = GeneratorOptions(
        pick_device(device),
        sampler=sampling["sampler"],
        guidance_scale=sampling["guidance_scale"],
    )
    generator = open_generator(model, options)
    write_samples(generator, requests, out, progress=TerminalProgress())


def _score(
    samples: Path, *, metrics: str, reference: str | None, profile: str, **choices: Any
) -> "Evaluation":
    from pyoco_eval.cli.progress import TerminalProgress
    from pyoco_eval.evaluation.evaluate import evaluate

    return evaluate(
        samples,
        reference,
        metrics=split_names(metrics),
        profile=profile,
        conventions={},
        options=build_options(choices),
        progress=TerminalProgress(),
    )
