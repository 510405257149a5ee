"""`pyoco-eval kvd`."""

from typing import Any

import click

from pyoco_eval.cli.scoring import (
    convention_options,
    reference_options,
    run_and_print,
    score_options,
)


@click.command("kvd")
@score_options(*reference_options, *convention_options)
def command(samples: str, reference: str | None, convention: str | None, **choices: Any) -> None:
    """Kernel Video Distance: MMD² of I3D features under a polynomial kernel.

    Its estimate is unbiased, so it can be used on sets too small for FVD; it may be negative when
    the two sets agree. Lower is better.

    \b
    Examples:
      pyoco-eval kvd --samples generated/ --reference real/
      pyoco-eval kvd --samples gen.npz --reference ucf.npz
      pyoco-eval kvd --profile embedded --samples shapes/ --reference real-shapes/
    """
    conventions = {"kvd": convention} if convention else {}
    run_and_print(["kvd"], samples, reference, conventions=conventions, **choices)
