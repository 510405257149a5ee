"""`pyoco-eval kid`."""

from typing import Any

import click

from pyoco_eval.cli.scoring import (
    convention_options,
    reference_options,
    run_and_print,
    score_options,
)


@click.command("kid")
@score_options(*reference_options, *convention_options)
def command(samples: str, reference: str | None, convention: str | None, **choices: Any) -> None:
    """Kernel Inception Distance of images, or of the frames of videos.

    Mean over random subsets, as the tool of the convention draws them; unbiased, so it may be
    negative when the two sets agree. Lower is better.

    \b
    Examples:
      pyoco-eval kid --samples generated/ --reference real/ --frames middle
      pyoco-eval kid --samples images/ --reference real_images/ --pictures images
      pyoco-eval kid --samples generated/ --reference real/ --convention torch-fidelity-kid
    """
    conventions = {"kid": convention} if convention else {}
    run_and_print(["kid"], samples, reference, conventions=conventions, **choices)
