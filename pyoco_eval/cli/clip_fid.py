"""`pyoco-eval clip-fid`."""

from typing import Any

import click

from pyoco_eval.cli.scoring import (
    convention_options,
    extrapolate_option,
    reference_options,
    run_and_print,
    score_options,
)


@click.command("clip-fid")
@score_options(*reference_options, extrapolate_option, *convention_options)
def command(samples: str, reference: str | None, convention: str | None, **choices: Any) -> None:
    """Fréchet distance of CLIP ViT-B/32 embeddings of images or frames (CLIP-FID).

    --frames says which frames of each clip count. Lower is better.

    \b
    Examples:
      pyoco-eval clip-fid --samples generated/ --reference msrvtt-test/
      pyoco-eval clip-fid --samples images/ --reference real_images/ --pictures images
      pyoco-eval clip-fid --samples generated/ --reference real/ --frames 'random(seed=1)'
    """
    conventions = {"clip-fid": convention} if convention else {}
    run_and_print(["clip-fid"], samples, reference, conventions=conventions, **choices)
