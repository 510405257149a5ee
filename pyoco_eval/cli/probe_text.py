"""A probe as a person reads it on a terminal."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pyoco_eval.probe.outcome import Probe


def print_probe(probe: "Probe", out: Path, console: Console) -> None:
    """Table 1, the fits, the round trip, the signature, and what a reader must know."""
    found = probe.similarity
    level = f"{found.level:.0%}"
    table = _table("cosine similarity", "mean ± std", f"{level} over videos", "pairs")
    for name, spread in (("same video", found.same), ("different videos", found.different)):
        table.add_row(name, f"{spread.mean:.3f} ± {spread.std:.3f}", _interval(spread.interval),
                      f"{spread.num_pairs:,}")  # fmt: skip
    null = found.null
    table.add_row("shuffled frames", f"{null.mean:.3f}", _interval(null.interval),
                  f"p = {null.p_value:.2g}")  # fmt: skip
    console.print(table)
    console.print()
    table = _table("fitted prior", "alpha", level, "rms error", "fits better")
    for fit in probe.fits:
        table.add_row(fit.prior, f"{fit.alpha:.3g}", _interval(fit.interval), f"{fit.rmse:.4f}",
                      f"{fit.share_best:.0%} of resamples")  # fmt: skip
    console.print(table)
    console.print()
    trip = probe.round_trip
    table = _table("steps", "PSNR, dB", "relative error", "change of maps")
    rows = zip(
        trip.num_steps, trip.psnr(), trip.relative_error(), trip.relative_change(), strict=True
    )
    for steps, psnr, error, change in rows:
        style = "bold" if steps == probe.num_steps else ""
        moved = "-" if steps == trip.num_steps[-1] else f"{change:.2g}"
        table.add_row(f"{steps}", f"{psnr:.1f}", f"{error:.2g}", moved, style=style)
    console.print(table)
    noise = probe.noise
    console.print(
        f"\nnoise maps: std {noise['std']:.3f}, kurtosis {noise['kurtosis']:.2f}, "
        f"similarity to their own frame {noise['alignment']:.3f}"
    )
    console.print(Text(f"\n{probe.signature}", style="dim"), soft_wrap=True)
    if probe.warnings:
        console.print()
    for warning in probe.warnings:
        loud = warning.startswith("DO NOT")
        console.print(Text(f"! {warning}", style="bold red" if loud else "yellow"), soft_wrap=True)
    console.print(f"\nrecord: {out / 'probe.json'}", soft_wrap=True)
    console.print(f"prior:  empirical:{out / 'noise-prior.npz'}", soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(columns[0], no_wrap=True)
    for name in columns[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _interval(bounds: tuple[float, float]) -> str:
    return f"[{bounds[0]:.3g}, {bounds[1]:.3g}]"
