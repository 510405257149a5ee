"""`pyoco-eval prdc`."""

from typing import Any

import click

from pyoco_eval.cli.scoring import (
    convention_options,
    reference_options,
    run_and_print,
    score_options,
)


@click.command("prdc")
@score_options(*reference_options, *convention_options)
def command(samples: str, reference: str | None, convention: str | None, **choices: Any) -> None:
    """Precision, recall, density and coverage by nearest neighbours in feature space.

    Precision and density say whether generated videos look real, recall and coverage whether real
    videos are all represented. Higher is better. Both sets should have the same size.

    \b
    Examples:
      pyoco-eval prdc --samples generated/ --reference real/
      pyoco-eval prdc --samples generated/ --reference real/ --convention prdc-inception
    """
    conventions = {"prdc": convention} if convention else {}
    run_and_print(["prdc"], samples, reference, conventions=conventions, **choices)
