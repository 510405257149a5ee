"""`pyoco-eval evaluate`."""

from typing import Any

import click

from pyoco_eval.cli.score_command import ScoreCommand
from pyoco_eval.cli.scoring import (
    also_as_option,
    captions_option,
    conventions_of,
    conventions_option,
    extrapolate_option,
    reference_options,
    score_and_report,
    score_options,
    split_names,
)
from pyoco_eval.metrics.catalogue import METRICS, USUAL


@click.command("evaluate", cls=ScoreCommand)
@score_options(
    *reference_options,
    captions_option,
    extrapolate_option,
    click.option(
        "--metrics",
        default=",".join(USUAL),
        show_default=True,
        help=f"Comma-separated: {', '.join(METRICS.own)}.",
    ),
    conventions_option,
    also_as_option,
    click.option("--splits", default=None, help="Splits of the Inception Score."),
)
def command(
    samples: str,
    reference: str | None,
    metrics: str,
    named: tuple[str, ...],
    **choices: Any,
) -> None:
    """Several metrics from one decoding pass.

    \b
    Examples:
      pyoco-eval evaluate --samples generated/ --reference real/
      pyoco-eval evaluate --metrics fvd,is --samples generated/ --reference real/ --json
      pyoco-eval evaluate --profile embedded --samples shapes/ --out record.json
    """
    conventions = conventions_of(named)
    score_and_report(split_names(metrics), samples, reference, conventions=conventions, **choices)
