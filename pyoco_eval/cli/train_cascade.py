"""`pyoco-eval train-cascade`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyoco_eval.cli.terminal import say

if TYPE_CHECKING:
    from pyoco_eval.training.config import TrainConfig


@click.command(
    name="train-cascade",
    short_help="Train all stages of a cascade, and experts of them.",
    epilog="""\b
CONFIG states the trainings of all stages in one file; docs/cascade.md explains its keys. Each
stage is a run of `pyoco-eval train` in a folder of its own: the same command goes on after a kill,
and stages that are done are passed over. At the end the folder holds cascade.yaml, for
`pyoco-eval sample --ckpt`.

\b
Examples:
  pyoco-eval train-cascade shapes-cascade
  pyoco-eval train-cascade shapes-cascade --check
  pyoco-eval train-cascade shapes-cascade --set out=runs/small --set stages.sr128.train.steps=200
  pyoco-eval sample --ckpt runs/shapes-cascade --num 4 --out samples/ \\
      --prompt 'a large red circle slides left slowly over plain navy'""",
)
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key, such as stages.sr128.train.steps=200; may be given several times.",
)
@click.option("--overwrite", is_flag=True, help="Delete the runs that are in the folder.")
@click.option("--check", is_flag=True, help="Check every config and say what would be trained.")
def command(config: Path, settings: tuple[str, ...], overwrite: bool, check: bool) -> None:
    """Train the networks of a cascade one after another.

    CONFIG is a file, or the name of one that comes with pyoco-eval, such as shapes-cascade.yaml.
    """
    from pyoco_eval.generation.cascade.training import load_training, trainings, write_cascades
    from pyoco_eval.training.config_file import find_config

    path = find_config(config, "cascades")
    plan = load_training(path, settings)
    runs = list(trainings(plan, str(path)))
    for number, run in enumerate(runs, start=1):
        data = run.config.data
        shape = f"{data.num_frames} x {data.size} x {data.size}"
        say(f"{number}/{len(runs)}  {run.name}: {run.config.steps:,} steps of {shape}")
        if not check:
            _train(run.config, overwrite)
    if check:
        return
    from pyoco_eval.processes import processes

    if processes().is_main:
        for written in write_cascades(plan):
            say(f"cascade {written}")


def _train(config: "TrainConfig", overwrite: bool) -> None:
    from pyoco_eval.cli.train_display import TrainDisplay
    from pyoco_eval.training.run import train

    with TrainDisplay() as display:
        model = train(config, watcher=display, overwrite=overwrite)
    display.finished(model)
