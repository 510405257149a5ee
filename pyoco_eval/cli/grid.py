"""`pyoco-eval grid`."""

from pathlib import Path
from typing import Any

import click

from pyoco_eval.cli.terminal import say


@click.command(
    name="grid",
    short_help="Show the same seeds across models or priors, in a picture and a page.",
    epilog="""\b
Layouts:
  strips        a line for each DIR, its samples side by side, every n-th frame of each
  side-by-side  a column for each DIR, a line for each prompt
  gallery       the samples of one DIR, captions below

\b
Samples of several folders are matched by the index in their manifests (folders of
`pyoco-eval sample`), else by the number in the names of their files, else by the names.
Prompts that differ are an error, seeds that differ are told.

\b
--out holds grid.png, grid.html (every clip plays in step), and grid.json with the file,
sha256, seed and recipe behind each cell.

\b
Examples:
  pyoco-eval grid 'α = 0=a0/' 'α = 1=a1/' 'α = 10=a10/' --out grid/
  pyoco-eval grid before=before/ after=after/ --layout side-by-side --pick 3,8,21 --out grid/
  pyoco-eval grid samples/ --layout gallery --num 12 --columns 3 --out grid/
  pyoco-eval grid ours=samples/ theirs=videos/ --every 2 --font DejaVuSans.ttf --out grid/""",
)
@click.argument("folders", nargs=-1, required=True, metavar="NAME=DIR...")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--layout",
    type=click.Choice(["strips", "side-by-side", "gallery"]),
    default="strips",
    show_default=True,
)
@click.option("--num", type=click.IntRange(1), help="Samples, the first ones.  [default: up to 4]")
@click.option("--pick", metavar="LIST", help="Numbers or names of samples instead, such as 3,8,21.")
@click.option(
    "--every",
    type=click.IntRange(1),
    metavar="N",
    help="Every N-th frame in a strip.  [default: 4, more where strips exceed 8 frames]",
)
@click.option(
    "--columns",
    type=click.IntRange(1),
    help="Samples beside each other.  [default: as many as 2,000 pixels hold]",
)
@click.option(
    "--scale",
    type=click.IntRange(1),
    metavar="K",
    help="Enlarge every pixel of the picture K times.  [default: small frames to 96 pixels; large "
    "ones are reduced to 256]",
)
@click.option(
    "--fps", type=click.FloatRange(0, min_open=True), help="Of the page.  [default: the clips' own]"
)
@click.option(
    "--font",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="TrueType font of the picture, for what is not ASCII.",
)
def command(folders: tuple[str, ...], out: Path, pick: str | None, **given: Any) -> None:
    """Show the samples of one or several DIRs as one picture and one playing page.

    A DIR is a folder of `pyoco-eval sample`, any other folder of videos, or a manifest; it is
    called NAME, or by its own name.
    """
    from pyoco_eval.cli.progress import TerminalProgress
    from pyoco_eval.report.grid.fill import GridChoices
    from pyoco_eval.report.grid.make import make_grid
    from pyoco_eval.report.grid.sample_folder import open_sample_folder, parse_named

    opened = [open_sample_folder(name, place) for name, place in parse_named(folders)]
    picked = tuple(part.strip() for part in (pick or "").split(",") if part.strip())
    made = make_grid(opened, out, GridChoices(pick=picked, **given), TerminalProgress())
    for note in made.notes:
        say(f"note: {note}", err=True)
    say(f"{made.num_cells} cells in {made.picture} and {made.page}, told by {made.record}")
