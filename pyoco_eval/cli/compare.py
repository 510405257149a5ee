"""`pyoco-eval compare`."""

from pathlib import Path

import click

from pyoco_eval.cli.terminal import open_console, say_json


@click.command(
    name="compare",
    short_help="Compare the scores of records, if they can be compared.",
    epilog="""\b
Examples:
  pyoco-eval compare before.json after.json
  pyoco-eval compare runs/*.json --json
  pyoco-eval compare runs/ucf/results.json
  pyoco-eval compare runs/before/ runs/after/
  pyoco-eval compare ours.json theirs.json --force
  pyoco-eval compare a.json b.json --paired    # the same prompts; an error if names differ

\b
The exit code is 1 where recipes do not agree; every key that differs is named.""",
)
@click.argument(
    "records",
    nargs=-1,
    required=True,
    metavar="RECORD...",
    type=click.Path(path_type=Path),
)
@click.option("--force", is_flag=True, help="Show differences of other recipes too, labelled.")
@click.option(
    "--paired/--unpaired",
    "pair",
    default=None,
    help="Insist on pairing videos of one name (prompt, seed); or take all errors as independent.  "
    "[default: pair where names agree]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def command(records: tuple[Path, ...], force: bool, pair: bool | None, as_json: bool) -> None:
    """Compare every metric that the RECORDs (written with --out) have in common.

    Of results of run-protocol, every arm is a record. A folder stands for the run it is, or for the
    records in it; records of one set of videos count as one. Scores compare if their recipes agree:
    network, convention, counts, clips, reference and all
    else but frame sizes and intervals. Of two records the difference is the second less the first;
    of more, each less the best. Give intervals when scoring (--interval 100), and the difference
    has one too: errors that both share cancel, those of one reference always, those of the videos
    where both sets have the same names, as models that answer the same prompts or seeds do.
    """

    from pyoco_eval.errors import PyocoEvalError
    from pyoco_eval.records.compare import compare_records
    from pyoco_eval.report.compare_text import print_comparisons, refusal
    from pyoco_eval.report.sheet.loading import load_records

    loaded = load_records(records)
    comparisons, unused = compare_records(
        {name: record for name, (_, record) in loaded.items()}, force=force, pair=pair
    )
    refused = refusal(comparisons)
    if as_json:
        document = {
            "format": "pyoco-eval/comparison/1",
            "comparable": refused is None,
            "records": {name: str(path) for name, (path, _) in loaded.items()},
            "comparisons": [comparison.to_dict() for comparison in comparisons],
            "not_in_all": unused,
        }
        say_json(document)
    else:
        print_comparisons(comparisons, unused, open_console())
    if refused is not None and not force:
        raise PyocoEvalError(refused)
