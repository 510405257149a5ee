"""Scores as a person reads them on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.catalogue import display_name
from pyoco_eval.metrics.interval_text import cell_text
from pyoco_eval.records.record import EMBEDDED_NOTE


def print_scores(scores: Sequence[Score], console: Console) -> None:
    """Values as a table, then each score's signature, then what a reader must know.

    The table names the conventions where a metric is scored under several.
    """
    spread = any(_uncertainty(score) for score in scores)
    metrics = [score.metric for score in scores]
    several = len(set(metrics)) < len(metrics)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("metric", no_wrap=True)
    if several:
        table.add_column("convention", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    if spread:
        table.add_column("± or interval", no_wrap=True)
    table.add_column("N", justify="right", no_wrap=True)
    table.add_column("reference N", justify="right", no_wrap=True)
    for score in scores:
        table.add_row(
            Text(display_name(score.metric), style="bold"),
            *([score.signature.get("conv") or "-"] if several else []),
            Text(f"{score.value:.6g}", style="bold green"),
            *([Text(_uncertainty(score))] if spread else []),
            f"{score.num_samples:,}",
            f"{score.num_reference:,}" if score.num_reference is not None else "-",
        )
    console.print(table)
    for score in scores:
        console.print()
        console.print(Text(str(score), style="dim"), soft_wrap=True)
    warnings = list(dict.fromkeys(warning for score in scores for warning in score.warnings))
    if any(score.signature.get("label") == "embedded" for score in scores):
        warnings.append(EMBEDDED_NOTE)
    if warnings:
        console.print()
    for warning in warnings:
        console.print(Text(f"! {warning}", style="yellow"))


def _uncertainty(score: Score) -> str:
    if score.interval is not None:
        return cell_text(score.value, score.interval, score.extras, score.signature.get("ci"))
    return f"± {score.std:.3g}" if score.std is not None else ""
