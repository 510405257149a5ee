"""`pyoco-eval filter`: keep the videos that fit their captions and look good."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyoco_eval.cli.options import build_options, option
from pyoco_eval.cli.scoring import PROFILE, captions_option
from pyoco_eval.cli.terminal import open_console, say_json

if TYPE_CHECKING:
    from pyoco_eval.filtering.outputs import Outcome

_OF_READING = ("value_range", "quantise", "layout", "pixels", "decoder", "on_error")
_OF_NETWORKS = ("weights", "device", "batch_size", "workers", "precision")


@click.command(
    "filter",
    short_help="Keep the videos that fit their captions and look good.",
    epilog="""\b
Written, beside each other:
  kept.jsonl         manifest of what is kept, with captions and scores: for --samples, or as
                     data.path of `pyoco-eval train` (source: videos)
  kept.scores.jsonl  every video: its scores, kept or not, and why
  kept.recipe.json   networks with hashes, frames, thresholds, counts, signatures
  kept.png           histograms with the thresholds
\b
Thresholds others used: LAION-5B kept English pictures from a cosine of 0.28 on (ViT-B/32, another
scale than ViT-L/14), LAION-Aesthetics from scores of 4.5 to 6.5 on. See docs/filtering.md.
\b
Examples:
  pyoco-eval filter --samples clips.csv --min-clip 0.2 --min-aesthetic 4.5 --out kept.jsonl
  pyoco-eval filter --samples 'shards/*.tar' --min-aesthetic 5 --out kept.jsonl
  pyoco-eval filter --samples clips/ --captions captions.csv --min-clip 0.25 \\
      --clip-network clip --out kept.jsonl
  torchrun --nproc-per-node 8 -m pyoco_eval filter --samples clips.csv --min-clip 0.2 --out k.jsonl
  pyoco-eval filter --profile embedded --samples shapes/ --min-clip 0.7 --out kept.jsonl""",
)
@click.option(
    "--samples", required=True, metavar="PATH", help="Folder, shards, manifest or pattern."
)
@click.option("--min-clip", type=float, help="Least similarity of frames and caption, -1..1.")
@click.option("--min-aesthetic", type=float, help="Least aesthetic score, about 1..10.")
@click.option(
    "--frames", type=int, default=8, show_default=True,
    help="Frames looked at, spread evenly over each video.",
)  # fmt: skip
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Manifest to write (.jsonl)."
)
@captions_option
@PROFILE
@click.option(
    "--clip-network",
    metavar="[clip-vitl14|clip]",
    help="CLIP for --min-clip: ViT-L/14 or ViT-B/32.  [default: clip-vitl14; embedded: tinyclip]",
)
@click.option("--figure/--no-figure", default=True, show_default=True, help="Draw the histograms.")
@click.option("--json", "as_json", is_flag=True, help="Print the recipe as JSON.")
@option("value_range")
@option("quantise")
@option("layout")
@option("pixels")
@option("decoder")
@option("on_error", help="Unreadable videos: list all and fail, or drop them and say so.")
@option("weights", help="clip-vitl14, clip, aesthetic.")
@option("device")
@option("batch_size")
@option("workers")
@option("precision")
def command(samples: str, out: Path, as_json: bool, **choices: Any) -> None:
    """Keep the videos whose frames fit their caption and look good, as a manifest.

    Two scores, means over frames that are spread evenly over each video: the cosine of CLIP's
    embeddings of frame and caption, and the aesthetic predictor of LAION. A video is kept if it
    reaches every threshold given. Scores are noted as they are found, so a run that was killed
    goes on when the command is given again, and other thresholds decode nothing anew.
    """
    from pyoco_eval.cli.progress import TerminalProgress
    from pyoco_eval.extraction.option_table import completed
    from pyoco_eval.extraction.options import VideoChoices
    from pyoco_eval.filtering.choices import FilterChoices
    from pyoco_eval.filtering.run import run_filter

    said = {name: choices.pop(name) for name in (*_OF_READING, *_OF_NETWORKS)}
    options = build_options(completed(VideoChoices, said))
    captions = choices.pop("captions")
    chosen = FilterChoices(captions=None if captions is None else Path(captions), **choices)
    outcome = run_filter(samples, out, chosen, options=options, progress=TerminalProgress())
    if outcome is None:
        return
    if as_json:
        say_json(outcome.record)
    else:
        _print(outcome, out)


def _print(outcome: "Outcome", out: Path) -> None:
    """Counts by reason, what could not be read, signatures, notes."""
    from pyoco_eval.visible import one_line

    console = open_console(soft_wrap=True)
    tally = outcome.tally
    share = tally.kept / tally.total
    console.print(f"{tally.kept:,} of {tally.total:,} videos kept ({share:.1%}) -> {out}")
    for why, count in sorted(tally.dropped.items()):
        below = "" if why == "unreadable" else "below the threshold of "
        console.print(f"  {count:,} dropped: {below}{why}")
    for video, reason in outcome.unreadable.items():
        console.print(f"    {one_line(video)}: {one_line(reason)}")
    console.print(f"{outcome.scored:,} scored now, {outcome.reused:,} used again")
    console.print()
    for name, signature in outcome.record["signatures"].items():
        console.print(f"{name}: {signature}")
    console.print(outcome.record["signature"])
    for note in outcome.notes:
        console.print(f"note: {one_line(note)}")
