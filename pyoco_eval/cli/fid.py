"""`pyoco-eval fid`."""

from typing import Any

import click

from pyoco_eval.cli.scoring import (
    convention_options,
    extrapolate_option,
    reference_options,
    run_and_print,
    score_options,
)


@click.command("fid")
@score_options(*reference_options, extrapolate_option, *convention_options)
def command(samples: str, reference: str | None, convention: str | None, **choices: Any) -> None:
    """Fréchet Inception Distance of images, or of the frames of videos.

    Folders of pictures and (N, H, W, 3) arrays are images, every one a row; --pictures frames
    takes them as videos. --frames says which frames of each clip count. --convention: clean
    (default), pytorch-fid, legacy-tf. Lower is better.

    \b
    Examples:
      pyoco-eval fid --samples generated/ --reference real/
      pyoco-eval fid --samples samples_50000x64x64x3.npz --reference images/ --pictures images
      pyoco-eval fid --samples generated/ --reference real/ --frames middle
      pyoco-eval fid --samples generated/ --reference real/ --convention pytorch-fid
    """
    conventions = {"fid": convention} if convention else {}
    run_and_print(["fid"], samples, reference, conventions=conventions, **choices)
