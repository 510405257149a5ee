"""`pyoco-eval experts`."""

from pathlib import Path

import click

from pyoco_eval.cli.terminal import say


@click.command(
    name="experts",
    short_help="Join models that were finetuned for parts of the noise levels into one.",
    epilog="""\b
Experts are trained with loss.expert, from the model of all noise levels:
  pyoco-eval train base.yaml --set init=runs/base --set out=runs/low \\
      --set 'loss.expert={level: 1, index: 0}'

\b
Example:
  pyoco-eval experts runs/base runs/low runs/high --out runs/base-experts
  pyoco-eval sample --ckpt runs/base-experts --num 16 --out samples/""",
)
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
def command(models: tuple[Path, ...], out: Path) -> None:
    """Join MODELS into the folder --out, which is then used like one model.

    Each noise level is asked of the deepest expert that knows it, else of the model of all levels.
    """
    from pyoco_eval.models.ensemble import save_ensemble

    for number, part in enumerate(save_ensemble(out, models)):
        say(f"expert-{number}: from sigma {part.start:.4g}, {part.folder}")
    say(f"model {out}")
