"""What the score commands share: arguments, running, printing."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyoco_eval.cli.options import build_options, video_options
from pyoco_eval.cli.terminal import open_console, say

if TYPE_CHECKING:
    from pyoco_eval.scoring.evaluate import Evaluation

Option = Callable[[Any], Any]


def score_options(*own: Option) -> Option:
    """Add --samples, the command's own options, those of output and of videos."""
    output = (
        click.option("--profile", type=click.Choice(["published", "embedded"]), default="published",
                     show_default=True, help="Published networks, or the small ones shipped."),
        click.option("--allow-small", is_flag=True, help="Print scores below the sample floor."),
        click.option("--interval", type=int, default=0, metavar="N", show_default=True,
                     help="95 % interval of a score from N half-samples; 0: none."),
        click.option("--group-by", default=None, metavar="RULE",
                     help="What counts as one in intervals and limits: ucf101, folder, prompt, "
                     "manifest, regex:PATTERN, FILE (columns file, group), none.  [default: a "
                     "manifest's column group, or names of UCF-101]"),
        click.option("--json", "as_json", is_flag=True, help="Print the record as JSON."),
        click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=None,
                     help="Write the full record (JSON), with the hash of every file."),
    )  # fmt: skip
    samples = click.option(
        "--samples",
        required=True,
        metavar="PATH",
        help="Generated videos: a folder, a file, or an .npz from `features`.",
    )

    def add(command: Any) -> Any:
        command = video_options(command)
        for option in reversed((samples, *own, *output)):
            command = option(command)
        return command

    return add


reference_options = (
    click.option(
        "--reference",
        default=None,
        metavar="PATH|NAME",
        help="Videos, an .npz from `features`, or a name.  [default: ucf101; embedded: shapes]",
    ),
    click.option(
        "--reference-clip",
        default=None,
        metavar="RULE",
        help="Clip rule of the reference if it is another, e.g. 16f-s1-random(seed=0).",
    ),
    click.option(
        "--reference-group-by",
        default=None,
        metavar="RULE",
        help="As --group-by, for the reference.",
    ),
)

extrapolate_option = click.option(
    "--extrapolate",
    is_flag=True,
    help="Also the distance that infinitely many samples would have (FVD∞, FID∞).",
)

captions_option = click.option(
    "--captions",
    default=None,
    metavar="FILE",
    help="CSV, TSV or JSON lines with the columns file and caption, for every video.",
)

convention_options = (
    click.option("--convention", default=None, help="Rule of a named tool."),
    click.option(
        "--also-as",
        default="",
        metavar="NAMES",
        help="Score under these conventions too, from the same decoding; comma-separated.",
    ),
)


def run_and_print(
    metrics: Sequence[str], samples: str, reference: str | None, **choices: Any
) -> None:
    """Score, then print for people or machines."""
    score_and_report(metrics, samples, reference, **choices)


def score_and_report(
    metrics: Sequence[str],
    samples: str,
    reference: str | None,
    *,
    conventions: Mapping[str, str],
    also_as: str = "",
    profile: str,
    allow_small: bool,
    interval: int,
    as_json: bool,
    out: Path | None,
    splits: str | None = None,
    captions: str | None = None,
    **choices: Any,
) -> "Evaluation | None":
    """Score and print; the evaluation on the process that prints, None on others."""

    from pyoco_eval.atomic import check_writable
    from pyoco_eval.cli.progress import TerminalProgress
    from pyoco_eval.processes import processes
    from pyoco_eval.report.record import refuse_to_overwrite
    from pyoco_eval.report.render import print_scores
    from pyoco_eval.scoring.evaluate import evaluate

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
        options=build_options(choices | {"allow_small": allow_small, "interval": interval}),
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
