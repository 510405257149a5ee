"""`pyoco-eval upsample`."""

from pathlib import Path
from typing import Any

import click

from pyoco_eval.cli.frame_size import FrameSize
from pyoco_eval.cli.options import option
from pyoco_eval.cli.terminal import say


@click.command(
    name="upsample",
    short_help="Fill in frames of videos, or enlarge them, with one stage of a cascade.",
    epilog="""\b
A model that was trained with known frames puts frames between those of each video; one that
enlarges makes its frames larger. Captions of the videos are its prompts. A killed run goes on when
the command is given again; under torchrun every process makes its share.

\b
Examples:
  pyoco-eval upsample --ckpt runs/shapes-cascade/interpolation --samples base/ --out smooth/
  pyoco-eval upsample --ckpt runs/shapes-cascade/sr128 --samples smooth/ --out large/ \\
      --augmentation 0.1
  pyoco-eval upsample --ckpt runs/sr256 --samples others/ --input-size 64 --out large/
  pyoco-eval upsample --ckpt runs/sr1024 --samples sr256/ --frames-at-once 1 --out huge/""",
)
@click.option("--ckpt", required=True, type=click.Path(path_type=Path), metavar="MODEL")
@click.option("--samples", required=True, metavar="VIDEOS", help="Folder, archive or manifest.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--every",
    type=click.IntRange(2),
    help="Distance of known frames: 5 puts four between two.  [default: as trained]",
)
@click.option(
    "--augmentation",
    type=click.FloatRange(0, 0.99),
    help="Share of noise in the small frames that the network is told.  [default: 0]",
)
@click.option("--input-size", type=FrameSize(), help="Resize the videos to this first.")
@click.option(
    "--frames-at-once",
    type=click.IntRange(0),
    default=0,
    help="Layers that enlarge take so many frames at a time: less memory.  [default: all]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the run.")
@click.option("--sampler", metavar="SPEC", help="[default: the model's]")
@click.option("--prior", metavar="SPEC", help="[default: the model's own]")
@click.option("--guidance-scale", type=float, help="[default: 1, none]")
@click.option("--fps", type=click.FloatRange(0, min_open=True), help="Of the videos given.")
@click.option("--text-embeddings", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["mp4", "gif", "npz", "png"]),
    default="mp4",
    show_default=True,
)
@click.option("--batch-size", type=click.IntRange(1), help="[default: 8 on CUDA, 1 elsewhere]")
@option("device")
@click.option(
    "--precision", type=click.Choice(["auto", "fp32", "bf16"]), default="auto", show_default=True
)
@click.option("--tf32", is_flag=True, help="See `sample --help`.")
@click.option("--overwrite", is_flag=True, help="Replace samples of another recipe in --out.")
def command(ckpt: Path, samples: str, out: Path, seed: int, **given: Any) -> None:
    """Make videos of videos, and write them with everything that is needed to make them again."""
    from pyoco_eval.cli.progress import TerminalProgress
    from pyoco_eval.devices import pick_device
    from pyoco_eval.generation.request import GeneratorOptions, usual_batch_size
    from pyoco_eval.generation.upsample_videos import (
        UpsamplingOptions,
        upsampling,
        with_captions,
    )
    from pyoco_eval.generation.write import sheet_path, write_samples

    same = ("precision", "tf32", "sampler", "prior", "guidance_scale", "fps")
    options = GeneratorOptions(
        device=pick_device(given["device"]),
        embeddings=given["text_embeddings"],
        **{name: given[name] for name in same},
    )
    own = ("every", "augmentation", "input_size", "frames_at_once")
    generator, requests = upsampling(
        ckpt,
        with_captions(samples),
        options,
        UpsamplingOptions(**{name: given[name] for name in own}),
        seed=seed,
    )
    if "notes" in generator.recipe:
        say(f"note: {generator.recipe['notes']}", err=True)
    rows = write_samples(
        generator,
        requests,
        out,
        file_format=given["file_format"],
        batch_size=given["batch_size"] or usual_batch_size(options.device),
        overwrite=given["overwrite"],
        progress=TerminalProgress(),
    )
    if rows:
        say(f"{len(rows)} videos in {out}, to look at: {sheet_path(out, rows)}")
