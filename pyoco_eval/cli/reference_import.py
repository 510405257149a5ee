"""`pyoco-eval reference import`: statistics that another tool stored."""

from pathlib import Path
from typing import Any

import click

from pyoco_eval.cli.options import build_options, video_options
from pyoco_eval.cli.terminal import say


@click.command(
    name="import",
    short_help="Take over mu and sigma of another tool.",
    epilog="""\b
Examples:
  pyoco-eval reference import fid_stats.npz --name sky --convention pytorch-fid \\
      --num-rows 50000 --frames first
  pyoco-eval reference import fvd_stats.npz --name sky --convention stylegan-v --num-rows 2048
  pyoco-eval fid --samples generated/ --reference sky --convention pytorch-fid --frames first""",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Name of the reference, of your own.")
@click.option(
    "--convention", "rule", required=True, metavar="NAME", help="Tool whose rule made them."
)
@click.option("--num-rows", type=int, required=True, help="Clips (FVD) or images (FID) they hold.")
@click.option(
    "--num-videos",
    type=click.IntRange(min=1),
    default=None,
    help="Videos these come from.  [default: as clips and frames imply]",
)
@click.option("--force", is_flag=True, help="Take the place of what is there.")
@video_options
def import_command(
    file: Path,
    name: str,
    rule: str,
    num_rows: int,
    num_videos: int | None,
    force: bool,
    **choices: Any,
) -> None:
    """Make the npz FILE of another tool (members mu and sigma) a reference called NAME.

    Such files do not say how they were made: you do, with the convention and the options of clips,
    frames and resizing. Every score against it is marked as resting on your word.
    """
    from pyoco_eval.references.import_mu_sigma import import_reference
    from pyoco_eval.statistics.files import read_header

    path = import_reference(
        file,
        name,
        rule=rule,
        num_rows=num_rows,
        num_videos=num_videos,
        force=force,
        options=build_options(choices),
    )
    say(f"imported: {path}")
    say(f"  {read_header(path)['signature']}")
