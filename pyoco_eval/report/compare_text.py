"""Comparisons as a person reads them on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pyoco_eval.metrics.catalogue import display_name
from pyoco_eval.metrics.interval_text import cell_text
from pyoco_eval.records.compare import Comparison, ScoreDifference
from pyoco_eval.records.pairing import ABOUT
from pyoco_eval.records.record import ScoreRecord
from pyoco_eval.visible import one_line


def print_comparisons(
    comparisons: Sequence[Comparison], unused: Sequence[str], console: Console
) -> None:
    """A table per metric, the best score first, then what a reader must know.

    Comparisons without differences, because recipes disagree, are left to `refusal`.
    """
    warnings: list[str] = []
    for comparison in comparisons:
        if not comparison.differences:
            continue
        _print_one(comparison, console)
        warnings += comparison.warnings
    for warning in dict.fromkeys(warnings):
        console.print(Text(f"! {warning}", style="yellow"))
    if unused:
        console.print(Text(f"! Not in every record: {'; '.join(unused)}.", style="yellow"))


def refusal(comparisons: Sequence[Comparison]) -> str | None:
    """Why scores were not compared, key by key; None if all of them compare."""
    refused = [comparison for comparison in comparisons if comparison.refused]
    if not refused:
        return None
    lines = []
    for comparison in refused:
        lines.append(f"{_title(comparison)} scores do not compare: other recipes")
        for found in comparison.refused:
            lines.append(f"  {found.key}: {found.meaning}")
            width = max(map(len, comparison.names))
            pairs = zip(comparison.names, found.values, strict=True)
            lines += [f"    {name.ljust(width)}  {value}" for name, value in pairs]
    lines.append("Score again with the same recipe, or see the numbers all the same with --force.")
    return "\n".join(lines)


def _title(comparison: Comparison) -> str:
    name = display_name(comparison.metric)
    return f"{name} ({comparison.convention})"


def _print_one(comparison: Comparison, console: Console) -> None:
    title = Text(_title(comparison), style="bold")
    if comparison.refused:
        keys = ", ".join(found.key for found in comparison.refused)
        title.append(f"  not comparable: {keys}", style="bold red")
    console.print(title, soft_wrap=True)
    spread = any(_uncertainty(score) for score in comparison.scores)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("record", overflow="fold")
    table.add_column("score", justify="right", no_wrap=True)
    if spread:
        table.add_column("± or interval", no_wrap=True)
    table.add_column("N", no_wrap=True)
    for name, score in comparison.ranked():
        spreads = [Text(_uncertainty(score))] if spread else []
        n = score.recipe.get("n", "-")
        table.add_row(Text(one_line(name)), Text(f"{score.value:.6g}", "bold green"), *spreads, n)
    console.print(table)
    for difference in comparison.differences:
        line = f"{difference.of} - {difference.against}: {_amount(difference)}"
        verdict = "" if comparison.refused else f"; {difference.verdict}"
        console.print(Text(line + verdict), soft_wrap=True)
        if difference.basis is not None:
            console.print(Text(f"  {ABOUT[difference.basis]}.", "dim"), soft_wrap=True)
    console.print()


def _amount(difference: ScoreDifference) -> str:
    text = f"{difference.value:+.6g}"
    if difference.interval is not None:
        low, high = difference.interval
        whose = "of infinitely many samples" if difference.of_limits else "of as many samples"
        text += f", {whose} {low:+.5g} to {high:+.5g}"
    return text


def _uncertainty(score: ScoreRecord) -> str:
    if score.interval is not None:
        return cell_text(score.value, score.interval, score.extras, score.recipe.get("ci"))
    return f"± {score.std:.3g}" if score.std is not None else ""
