"""`pyoco-eval report`."""

from pathlib import Path

import click

from pyoco_eval.cli.terminal import say


@click.command(
    name="report",
    short_help="Make a page, Markdown or LaTeX from results or records.",
    epilog="""\b
Examples:
  pyoco-eval report runs/ucf/results.json --out report.html
  pyoco-eval report runs/*/results.json --out models.html --out models.tex
  pyoco-eval report before.json after.json --out comparison.md
  pyoco-eval report scores.json --samples generated/ --out report.html
  pyoco-eval report a.json b.json --samples a/ --samples b/ --out side-by-side.html
  pyoco-eval report scores.json --samples generated/ --features gen.npz \\
      --reference real/ --reference-features real.npz --out report.html

\b
Runs of one protocol share a table, and so do plain records.""",
)
@click.argument(
    "results",
    nargs=-1,
    required=True,
    metavar="RESULTS...",
    type=click.Path(path_type=Path, dir_okay=False),
)
@click.option(
    "--out",
    "outs",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write: .html, .md or .tex; may be given several times.",
)
@click.option(
    "--samples",
    metavar="PATH",
    multiple=True,
    help="Videos of a plain record, to show some of them; given once for each of several records, "
    "they stand side by side.",
)
@click.option(
    "--features",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Their rows from `features`: shows the nearest and farthest too.",
)
@click.option(
    "--reference", metavar="PATH", default=None, help="Reference videos, shown beside the nearest."
)
@click.option(
    "--reference-features",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Rows of the reference, from the same network.",
)
@click.option(
    "--num-clips",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Clips of each kind, with --samples.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of the clips drawn at random."
)
@click.option(
    "--clip-budget",
    type=click.FloatRange(0),
    default=12,
    show_default=True,
    metavar="MIB",
    help="Size of all clips of the page; 0: no clips.",
)
def command(
    results: tuple[Path, ...],
    outs: tuple[Path, ...],
    samples: tuple[str, ...],
    features: Path | None,
    reference: str | None,
    reference_features: Path | None,
    num_clips: int,
    seed: int,
    clip_budget: float,
) -> None:
    """Make a report from RESULTS: of run-protocol, or records written with --out.

    The page is one file that loads nothing: scores with intervals and signatures beside published
    rows, differences with what chance may do, figures, clips, the recipe in full.
    """
    from pyoco_eval.report.make import GalleryChoices, make_report

    gallery = None
    if samples or features is not None:
        gallery = GalleryChoices(samples, features, reference, reference_features, num_clips, seed)
    for path in make_report(results, outs, gallery, clip_budget=int(clip_budget * (1 << 20))):
        say(f"report: {path}", err=True)
