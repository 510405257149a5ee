"""`pyoco-eval is`."""

from typing import Any

import click

from pyoco_eval.cli.scoring import convention_options, run_and_print, score_options


@click.command("is")
@score_options(
    click.option("--splits", default=None, help="1, 10-sequential, 10-shuffle42, 10-permute2020."),
    *convention_options,
)
def command(samples: str, splits: str | None, convention: str | None, **choices: Any) -> None:
    """Inception Score of videos under C3D (UCF-101), as TGANv2 computes it.

    Mean and standard deviation over named splits; the score grows with the number of videos per
    split, so only equal counts compare. Higher is better.

    \b
    Examples:
      pyoco-eval is --samples generated/
      pyoco-eval is --samples generated/ --splits 10-sequential
      pyoco-eval is --samples c3d-logits.npz
    """
    conventions = {"is": convention} if convention else {}
    run_and_print(["is"], samples, None, conventions=conventions, splits=splits, **choices)
