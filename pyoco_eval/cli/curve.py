"""`pyoco-eval curve`."""

from pathlib import Path
from typing import Any

import click

from pyoco_eval.cli.score_command import ScoreCommand
from pyoco_eval.cli.scoring import (
    convention_options,
    reference_options,
    score_and_report,
    score_options,
)
from pyoco_eval.cli.terminal import say
from pyoco_eval.metrics.catalogue import METRICS


@click.command("curve", cls=ScoreCommand)
@score_options(
    click.option(
        "--metric",
        type=click.Choice([name for name, row in METRICS.own.items() if row.extrapolates]),
        default="fvd",
        show_default=True,
        help="Which distance.",
    ),
    *reference_options,
    *convention_options,
    click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), default=None,
                 help="Draw the curve: .png, .svg or .pdf."),
    click.option("--csv", "table", type=click.Path(path_type=Path, dir_okay=False), default=None,
                 help="Write the curve as CSV."),
)  # fmt: skip
def command(
    metric: str,
    samples: str,
    reference: str | None,
    convention: str | None,
    plot: Path | None,
    table: Path | None,
    **choices: Any,
) -> None:
    """A distance against the number of samples, and its limit at infinitely many.

    Fréchet distances are too large by about a constant over N, and the constant differs from model
    to model. Random subsets of both sides, a line in 1/N, its value at 0 (Chong and Forsyth, 2020).

    \b
    Examples:
      pyoco-eval curve --samples generated/ --reference real/ --plot fvd.svg
      pyoco-eval curve --metric fid --samples gen.npz --reference real.npz --csv fid.csv
    """
    from pyoco_eval.atomic import check_writable
    from pyoco_eval.errors import UsageError
    from pyoco_eval.report.charts.curve import FIGURE_SUFFIXES, draw_curve, write_curve

    if plot is not None and plot.suffix.lower() not in FIGURE_SUFFIXES:
        raise UsageError(f"--plot {plot}: use one of {', '.join(FIGURE_SUFFIXES)}")
    for path, argument in ((plot, "--plot"), (table, "--csv")):
        if path is not None:
            check_writable(path, argument)
    conventions = {metric: convention} if convention else {}
    evaluation = score_and_report(
        [metric], samples, reference, conventions=conventions, extrapolate=True, **choices
    )
    if evaluation is None:
        return
    limit = evaluation[f"{metric}-inf"]
    if table is not None:
        write_curve(limit, table)
        say(f"table: {table}", err=True)
    if plot is not None:
        draw_curve(limit, plot)
        say(f"figure: {plot}", err=True)
