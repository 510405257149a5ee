"""What the score commands share: arguments, running, printing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyoco_eval.cli.options import Decorator, build_options, options_of, with_options
from pyoco_eval.cli.terminal import open_console, say
from pyoco_eval.extraction.options import (
    LimitChoices,
    ReferenceChoices,
    ScoreChoices,
    VideoChoices,
)

if TYPE_CHECKING:
    from pyoco_eval.evaluation.evaluate import Evaluation

SAMPLES = click.option(
    "--samples",
    default=None,
    metavar="PATH",
    help="Generated videos: a folder, a file, or an .npz from `features`.",
)
PROFILE = click.option(
    "--profile",
    type=click.Choice(["published", "embedded"]),
    default="published",
    show_default=True,
    help="Published networks, or the small ones shipped.",
)
OUTPUT = (
    click.option("--json", "as_json", is_flag=True, help="Print the record as JSON."),
    click.option(
        "--out",
        type=click.Path(path_type=Path, dir_okay=False),
        default=None,
        help="Write the full record (JSON), with the hash of every file.",
    ),
)


def score_options(*own: Decorator) -> Decorator:
    """Add --samples, the command's own options, those of output and of videos."""
    rest = (*options_of(ScoreChoices), *OUTPUT, *options_of(VideoChoices))
    return with_options(SAMPLES, *own, PROFILE, *rest)


reference_options = (
    click.option(
        "--reference",
        default=None,
        metavar="PATH|NAME",
        help="Videos, an .npz from `features`, or a name.  [default: ucf101; embedded: shapes]",
    ),
    *options_of(ReferenceChoices),
)
(extrapolate_option,) = options_of(LimitChoices)

captions_option = click.option(
    "--captions",
    default=None,
    metavar="FILE",
    help="CSV, TSV or JSON lines with the columns file and caption, for every video.",
)

also_as_option = click.option(
    "--also-as",
    default="",
    metavar="NAMES",
    help="Score under these conventions too, from the same decoding; comma-separated.",
)
convention_options = (
    click.option("--convention", default=None, help="Rule of a named tool."),
    also_as_option,
)
conventions_option = click.option(
    "--convention",
    "named",
    multiple=True,
    metavar="METRIC=NAME",
    help="Rule of a named tool, e.g. fid=pytorch-fid.",
)


def score_and_report(
    metrics: Sequence[str],
    samples: str,
    reference: str | None,
    *,
    conventions: Mapping[str, str],
    also_as: str = "",
    profile: str,
    as_json: bool,
    out: Path | None,
    splits: str | None = None,
    captions: str | None = None,
    **choices: Any,
) -> "Evaluation | None":
    """Score and print; the evaluation on the process that prints, None on others."""

    from pyoco_eval.atomic import check_writable
    from pyoco_eval.cli.progress import TerminalProgress
    from pyoco_eval.evaluation.evaluate import evaluate
    from pyoco_eval.processes import processes
    from pyoco_eval.records.record import refuse_to_overwrite
    from pyoco_eval.report.render import print_scores

    if out is not None:
        check_writable(out, "--out")
        refuse_to_overwrite(out, "--out")
    evaluation = evaluate(
        samples,
        reference,
        metrics=metrics,
        profile=profile,
        conventions=conventions,
        also_as=split_names(also_as),
        splits=splits,
        captions=captions,
        options=build_options(choices),
        progress=TerminalProgress(),
    )
    if not processes().is_main:
        return None
    if out is not None:
        evaluation.record.save(out)
    if as_json:
        say(evaluation.record.to_json(files=False))
    else:
        print_scores(evaluation.scores, open_console())
    if out is not None:
        say(f"\nrecord: {out}", err=True)
    return evaluation


def split_names(text: str) -> list[str]:
    """`a, b` as a list of names."""
    return [name.strip() for name in text.split(",") if name.strip()]


def conventions_of(pairs: Sequence[str]) -> dict[str, str]:
    """`fid=pytorch-fid` and such as metric -> convention.

    Raises:
        UsageError: no `=` in one of them.
    """
    from pyoco_eval.errors import UsageError

    conventions = {}
    for pair in pairs:
        metric, separator, name = pair.partition("=")
        if not separator:
            raise UsageError(f"--convention {pair!r}: write METRIC=NAME, e.g. fid=pytorch-fid")
        conventions[metric] = name
    return conventions
