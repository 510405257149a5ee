"""`pyoco-eval features`: extract once, score later."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyoco_eval.cli.options import build_options, video_options
from pyoco_eval.cli.score_command import ScoreCommand
from pyoco_eval.cli.scoring import captions_option
from pyoco_eval.cli.terminal import open_console, say_json
from pyoco_eval.features.catalogue import NETWORKS

_SHOWN = "|".join(name for name, row in NETWORKS.own.items() if not row.program)
"""Networks that help names: those that need no word of trust."""


def _known(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """The name of a network, of any package."""
    if value not in NETWORKS:
        known = ", ".join(repr(name) for name in NETWORKS)
        raise click.BadParameter(f"{value!r} is not one of {known}.", ctx, param)
    return value


if TYPE_CHECKING:
    from pyoco_eval.extraction.measured_set import MeasuredSet


@click.command("features", cls=ScoreCommand)
@click.option("--samples", default=None, metavar="PATH", help="Folder or file of videos.")
@click.option(
    "--extractor",
    required=True,
    metavar=f"[{_SHOWN}]",
    callback=_known,
    help="The network.",
)
@click.option("--convention", default=None, help="Whose input rule to follow, e.g. tf-fvd.")
@click.option("--layer", default=None, help="Where to read features, e.g. logits.")
@captions_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write (.npz).")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
@video_options
def command(samples: str, extractor: str, out: Path, as_json: bool, **choices: Any) -> None:
    """Extract features of every video into one file.

    The file holds features (N, D) float32, ids, captions where known, and the signature of how they
    were made. The score commands take it in place of a folder, for --samples and for --reference.
    Finished rows are kept beside the file until it is complete, so a run that was killed goes on
    where it stopped.

    \b
    Examples:
      pyoco-eval features --samples UCF-101/ --extractor i3d --clip center --out ucf.npz
      pyoco-eval features --samples gen/ --extractor tiny3d --out gen.npz
      torchrun --nproc-per-node 8 -m pyoco_eval features --samples gen/ --extractor i3d --out g.npz
      pyoco-eval features --samples clips.npz --extractor c3d --layer fc7 --out fc7.npz \\
          --weights c3d=conv3d_deepnetA_ucf.npz --weights c3d-mean=mean2.npz
    """
    from pyoco_eval.cli.progress import TerminalProgress
    from pyoco_eval.extraction.extract_features import extract_features
    from pyoco_eval.processes import processes

    own = {name: choices.pop(name) for name in ("convention", "layer", "captions")}
    options = build_options(choices)
    side = extract_features(
        samples, extractor, **own, options=options, out=out, progress=TerminalProgress()
    )
    if processes().is_main:
        _print(side, out, as_json=as_json)


def _print(side: "MeasuredSet", out: Path, *, as_json: bool) -> None:
    signature = str(side.signature())
    if as_json:
        written = {
            "out": str(out),
            "num_rows": side.count,
            "dim": side.dim(),
            "num_videos": side.num_videos,
            "skipped": dict(side.skipped),
            "signature": signature,
        }
        say_json(written)
        return
    console = open_console(stderr=True)
    console.print(f"{side.count} rows x {side.dim()} features -> {out}", soft_wrap=True)
    console.print(signature, soft_wrap=True)
