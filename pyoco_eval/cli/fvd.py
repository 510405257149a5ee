"""`pyoco-eval fvd`."""

from typing import Any

import click

from pyoco_eval.cli.scoring import (
    convention_options,
    extrapolate_option,
    reference_options,
    run_and_print,
    score_options,
)


@click.command("fvd")
@score_options(*reference_options, extrapolate_option, *convention_options)
def command(samples: str, reference: str | None, convention: str | None, **choices: Any) -> None:
    """Fréchet Video Distance: how far the features of two sets of videos are apart.

    By default the 400 logits of I3D (Kinetics-400) of the first 16 frames, as the original
    TensorFlow implementation computes them. Lower is better.

    \b
    Examples:
      pyoco-eval fvd --samples generated/ --reference UCF-101/
      pyoco-eval fvd --samples generated/                      # reference ucf101, once built
      pyoco-eval fvd --samples gen.npz --reference ucf.npz     # from stored features
      pyoco-eval fvd --samples generated/ --reference real/ --clip center --stride 2 \\
          --pre-resize 128-bilinearantialias-crop-round --out fvd.json
      pyoco-eval fvd --profile embedded --samples shapes/      # offline, nothing to download
    """
    conventions = {"fvd": convention} if convention else {}
    run_and_print(["fvd"], samples, reference, conventions=conventions, **choices)
