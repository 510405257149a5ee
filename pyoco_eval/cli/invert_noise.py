"""`pyoco-eval invert-noise`."""

from pathlib import Path
from typing import Any

import click

from pyoco_eval.cli.frame_size import FrameSize
from pyoco_eval.cli.options import option
from pyoco_eval.cli.terminal import open_console, say


@click.command(
    "invert-noise",
    short_help="How correlated is the noise of real videos? Fits a prior to it.",
    epilog="""\b
Models:
  embedded:shapes-image             the one that comes with the package, of moving shapes
  runs/image                        an image model trained with `pyoco-eval train`
  diffusers:FOLDER                  a saved diffusers pipeline of pixels or latents
  diffusers:google/ddpm-cifar10-32  the same from the Hugging Face hub
\b
Written to --out:
  probe.json        record: scores, signature, fits, round trip, hashes, versions
  noise-prior.npz   the measured correlation, for --prior empirical:FILE
  table1.csv, by_distance.csv, round_trip.csv, similarity.npz
  figures/          t-SNE of noise maps (Figures 2a and 2b), curves: PNG, SVG, PDF
  maps/             noise maps; a killed run goes on from them
\b
Examples:
  pyoco-eval invert-noise --model runs/image --videos clips/ --out probe/
  pyoco-eval invert-noise --model diffusers:my-ddpm --videos ucf101/ --max-videos 500 --out probe/
  pyoco-eval invert-noise --model diffusers:my-sd --videos clips.csv --captions --out probe/
  torchrun --nproc-per-node 8 -m pyoco_eval invert-noise --model runs/image --videos v/ --out probe/
  pyoco-eval train config.yaml --set prior=empirical:probe/noise-prior.npz""",
)
@click.option("--model", required=True, metavar="MODEL", help="Image diffusion model; see below.")
@click.option(
    "--videos", required=True, metavar="PATH", help="Folder, file, manifest, pattern or URL."
)
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--max-videos", type=int, default=None, help="Of more, so many chosen at random.")
@click.option(
    "--num-frames",
    "--frames-per-video",
    "num_frames",
    type=int,
    default=16,
    show_default=True,
    help="Frames of a video. (--frames-per-video is the old name.)",
)
@option("stride")
@option("fps")
@option("clip", type=click.Choice(["first", "center", "random"]), help="Which frames of a video.")
@option(
    "short",
    type=click.Choice(["error", "skip", "loop"]),
    help="A video with too few frames: refuse, leave out, or repeat it.",
)
@click.option(
    "--size", type=FrameSize(), help="Side, or HEIGHTxWIDTH, in pixels.  [default: the model's]"
)
@click.option(
    "--sampler",
    type=click.Choice(["heun", "ddim", "deis"]),
    default="heun",
    show_default=True,
    help="Solver of the ODE.",
)
@click.option(
    "--num-steps", type=int, default=64, show_default=True, help="From sigma of 0 to its maximum."
)
@click.option("--prompt", default=None, help="What all videos show.  [default: unconditional]")
@click.option("--captions", is_flag=True, help="Tell the model the caption of each video.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of choices, intervals, null, t-SNE."
)
@click.option(
    "--check-videos", type=int, default=4, show_default=True,
    help="Sampled back, with several numbers of steps.",
)  # fmt: skip
@click.option(
    "--compared-videos", type=int, default=256, show_default=True,
    help="Of more, so many are compared with each other.",
)  # fmt: skip
@click.option(
    "--resamples", type=int, default=1000, show_default=True, help="Bootstrap samples, shuffles."
)
@click.option("--figures/--no-figures", default=True, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
@option("batch_size", default=16, show_default=True, help="Frames per call.")
@option("workers")
@option("device", help="auto, cpu, cuda, cuda:1.")
@option("value_range")
@option("decoder", help=None)
@option("on_error")
def command(
    model: str, videos: str, out: Path, figures: bool, as_json: bool, **choices: Any
) -> None:
    """Measure how correlated the noise behind real video frames is, and fit a prior to it.

    Each frame is taken to the noise an image model would make it from, by walking its ODE
    backwards. Within a video these noise maps resemble each other, between videos they do not
    (Table 1 and Figure 2 of the paper). The measured correlation is a noise prior to train with.
    """

    from pyoco_eval.cli.probe_text import print_probe
    from pyoco_eval.cli.progress import TerminalProgress
    from pyoco_eval.errors import UsageError
    from pyoco_eval.probe.run import run_probe
    from pyoco_eval.videos.listing.locate import place_is_there

    if not place_is_there(videos):
        raise UsageError(f"--videos {videos}: no such file or folder")
    probe = run_probe(
        model, videos, out, options=_options(choices), figures=figures, progress=TerminalProgress()
    )
    if probe is None:
        return
    if as_json:
        say(probe.record.to_json(files=False))
    else:
        print_probe(probe, out, open_console())


def _options(choices: dict[str, Any]) -> Any:
    from pyoco_eval.probe.options import ProbeOptions
    from pyoco_eval.videos.clip_rule import ClipRule

    select = choices.pop("clip")
    rule = ClipRule(
        num_frames=choices.pop("num_frames"),
        select=select,
        stride=choices.pop("stride") or 1,
        fps=choices.pop("fps"),
        seed=choices["seed"] if select == "random" else 0,
        short=choices.pop("short"),
    )
    return ProbeOptions(
        clip=rule,
        solver=choices.pop("sampler"),
        num_resamples=choices.pop("resamples"),
        **choices,
    )
