"""The numbers of a probe as CSV and npz, for whoever draws or doubts them."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from pyoco_eval.atomic import atomic_path
from pyoco_eval.probe.fit import correlation_curve
from pyoco_eval.probe.outcome import Probe


def write_tables(probe: Probe, within: np.ndarray, out: Path) -> None:
    """Write `table1.csv`, `by_distance.csv`, `round_trip.csv` and `similarity.npz` to `out`.

    Args:
        within: (V, T, T) cosines of the frames of every video, in the order of the record's files.
    """
    found, trip = probe.similarity, probe.round_trip
    _write(
        out / "table1.csv",
        ("pairs", "mean", "std", "low", "high", "num_pairs"),
        [
            ("same", found.same.mean, found.same.std, *found.same.interval, found.same.num_pairs),
            ("different", found.different.mean, found.different.std, *found.different.interval,
             found.different.num_pairs),
            ("shuffled", found.null.mean, found.null.std, *found.null.interval,
             found.same.num_pairs),
        ],
    )  # fmt: skip
    distances = range(1, found.num_frames)
    curves = [correlation_curve(fit.prior, fit.alpha, found.num_frames) for fit in probe.fits]
    _write(
        out / "by_distance.csv",
        ("distance", "mean", "low", "high", *(fit.spec() for fit in probe.fits)),
        zip(distances, found.by_distance, *found.by_distance_interval, *curves, strict=True),
    )
    _write(
        out / "round_trip.csv",
        ("num_steps", "psnr", "relative_error", "relative_change"),
        zip(
            trip.num_steps,
            trip.psnr(),
            trip.relative_error(),
            trip.relative_change(),
            strict=True,
        ),
    )
    with atomic_path(out / "similarity.npz") as partial, partial.open("wb") as file:
        np.savez(
            file,
            within=within,
            frame_correlation=found.frame_correlation,
            by_distance=found.by_distance,
            by_distance_interval=found.by_distance_interval,
            ids=np.array(list(probe.record.samples.files)),
            signature=np.array(str(probe.signature)),
        )


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with atomic_path(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            writer.writerow([f"{v:.8g}" if isinstance(v, float) else v for v in row])
