"""`pyoco-eval export`."""

from pathlib import Path

import click

from pyoco_eval.cli.terminal import say


@click.command(
    name="export",
    short_help="Write a video model made of a diffusers pipeline as one that diffusers loads.",
    epilog="""\b
For models trained with model.diffusers. OUT is an AnimateDiffPipeline; OUT/unet is a
UNet2DConditionModel, OUT/motion_adapter a MotionAdapter. diffusers draws independent noise unless
latents are given: docs/training.md shows how to draw them from the prior that noise.json names.

\b
Examples:
  pyoco-eval export runs/video --out exported/
  pyoco-eval export runs/video/checkpoints/step-00010000 --out exported-10k/
  pyoco-eval sample --ckpt diffusers:exported/ --num-frames 16 --prompts texts.txt --out videos/""",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False),
    help="A folder that is not there yet, or one with the same export.",
)  # fmt: skip
def command(model: Path, out: Path) -> None:
    """Export MODEL (a run, its model/, or a checkpoint), its averaged weights, for diffusers."""
    from pyoco_eval.generation.export import export_pipeline
    from pyoco_eval.generation.pipeline_noise import NOISE

    export_pipeline(model, out)
    say(f"{out}: an AnimateDiffPipeline of diffusers; {out / NOISE} names the noise to start from")
