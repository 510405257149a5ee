"""`pyoco-eval train`."""

from pathlib import Path

import click

from pyoco_eval.cli.terminal import say
from pyoco_eval.errors import MissingError, UsageError


@click.command(
    name="train",
    short_help="Train an image or video diffusion model, or go on with one.",
    epilog="""\b
The folder of the run (`out` in the config) holds
  model/         the averaged weights, for `pyoco-eval sample --ckpt`
  checkpoints/   states to continue from
  samples/       sheets of samples; loss.png, log.jsonl, tensorboard/

\b
Examples:
  pyoco-eval train --init-config my-clips/             # writes my-clips.yaml
  pyoco-eval train configs/shapes-image.yaml
  pyoco-eval train configs/shapes-video.yaml --set init=runs/shapes-image
  pyoco-eval train configs/shapes-video.yaml --set prior=mixed:alpha=1 --set out=runs/mixed
  pyoco-eval train CONFIG.yaml --check
  pyoco-eval train t2v-base --check --world-size 64
  torchrun --nproc-per-node 8 -m pyoco_eval train configs/ucf101-image.yaml

The same command goes on after a kill, from the newest checkpoint. SIGTERM, SIGUSR1, SIGUSR2 and a
file `stop` in the folder of the run end it with a checkpoint and --requeue-code; Ctrl-C ends it
with a checkpoint and 130. docs/slurm.md has scripts for SLURM. Every key of a config with its
default is in docs/training.md.""",
)
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option(
    "--init-config",
    metavar="CLIPS",
    help="Write a config that fits the clips of a folder, to start from, and train nothing.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key of the config, such as optimizer.lr=3e-4; may be given several times.",
)
@click.option("--overwrite", is_flag=True, help="Delete the run that is in the folder.")
@click.option(
    "--check",
    is_flag=True,
    help="Read the config, print it whole with the memory each process needs, and train nothing.",
)
@click.option(
    "--world-size",
    type=click.IntRange(1),
    metavar="N",
    help="With --check: the memory of each of N processes.",
)
@click.option(
    "--requeue-code",
    type=click.IntRange(1, 255),
    default=75,
    show_default=True,
    help="Exit code of a run that a scheduler stopped; Grid Engine requeues on 99.",
)
def command(
    config: Path | None,
    init_config: str | None,
    settings: tuple[str, ...],
    overwrite: bool,
    check: bool,
    world_size: int | None,
    requeue_code: int,
) -> None:
    """Train what a YAML file describes: an image model, a video model from it, or one from nothing.

    CONFIG is a file, or the name of one that comes with pyoco-eval, such as shapes-image.yaml.
    """
    from pyoco_eval.training.config_file import dump_config, find_config, load_config

    if init_config is not None:
        _write_config(init_config, config)
        return
    if config is None:
        raise click.UsageError("name a CONFIG, or --init-config CLIPS to have one written")
    chosen = load_config(find_config(config), settings)
    if world_size is not None and not check:
        raise UsageError("--world-size: goes with --check; torchrun starts several processes")
    if check:
        from pyoco_eval.training.memory import plan_memory

        say(dump_config(chosen), end="")
        try:
            lines = [*plan_memory(chosen, world_size or 1).lines()]
        except MissingError as error:
            lines = [f"memory of each process: {error}"]
        for line in lines:
            say(f"# {line}")
        return
    from pyoco_eval.cli.train_display import TrainDisplay
    from pyoco_eval.training.outputs.interrupts import Stop, StoppedError
    from pyoco_eval.training.run import train

    with TrainDisplay() as display:
        try:
            model = train(chosen, watcher=display, overwrite=overwrite)
        except StoppedError as error:
            if error.who == Stop.SCHEDULER:
                error.exit_code = requeue_code
            raise
    display.finished(model)


def _write_config(clips: str, config: Path | None) -> None:
    """CONFIG is where it goes; beside the call, named as the folder, if left out."""
    from pyoco_eval.devices import pick_device
    from pyoco_eval.training.starting_config import starting_config

    path = config or Path(f"{Path(clips.rstrip('/')).stem or 'clips'}.yaml")
    if path.exists():
        raise UsageError(
            f"{path}: is there already; name another file: train NEW.yaml --init-config"
        )
    path.write_text(starting_config(clips, pick_device("auto").type), encoding="utf-8")
    say(path.read_text(encoding="utf-8"), end="")
    say(f"\nwritten to {path}; next: pyoco-eval train {path}", err=True)
