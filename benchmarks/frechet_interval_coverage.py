"""How often the interval of a Fréchet distance holds the true one, where the truth is known.

python benchmarks/frechet_interval_coverage.py --dims 16 64 --rows-per-dim 5 --trials 300
python benchmarks/frechet_interval_coverage.py --dims 400 --rows 2048 --case wide \\
    --out coverage.jsonl --minutes 8      # as often as needed: trials already there are kept
python benchmarks/frechet_interval_coverage.py --embedded --trials 300 --out coverage.jsonl
python benchmarks/frechet_interval_coverage.py --table coverage.jsonl

Laws: `gaussian`; `student`, a multivariate t of 5 degrees of freedom; `classes`, ten of which carry
half of the variance; `sources`, four clips of each source with an intra-class correlation of 0.7,
told to the interval; `untold`, the same, not told. `--embedded` draws from features of 1,000 moving
shapes and of 1,000 noisy ones: their moments are the truth.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.frechet_interval import frechet_interval
from pyoco_eval.statistics.moments import Moments

CASES = {"same": (0.0, 1.0), "mean": (0.3, 1.0), "wide": (0.1, 1.2), "narrow": (0.1, 0.8)}
"""Shift and scale of the generated side, in standard deviations."""

PER_SOURCE, CORRELATION = 4, 0.7

Draw = Callable[[np.random.Generator, int, int], np.ndarray]


def gaussian(rng: np.random.Generator, rows: int, dim: int) -> np.ndarray:
    return rng.normal(size=(rows, dim))


def student(rng: np.random.Generator, rows: int, dim: int) -> np.ndarray:
    return rng.normal(size=(rows, dim)) * np.sqrt(3 / rng.chisquare(5, size=(rows, 1)))


def classes(rng: np.random.Generator, rows: int, dim: int) -> np.ndarray:
    centres = np.random.default_rng(0).normal(size=(10, dim))
    centres = (centres - centres.mean(axis=0)) / centres.std(axis=0)
    return np.sqrt(0.5) * (centres[rng.integers(10, size=rows)] + rng.normal(size=(rows, dim)))


def sources(rng: np.random.Generator, rows: int, dim: int) -> np.ndarray:
    shared = np.repeat(rng.normal(size=(rows // PER_SOURCE, dim)), PER_SOURCE, axis=0)
    own = rng.normal(size=(rows, dim))
    return np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own


LAWS: dict[str, Draw] = {
    "gaussian": gaussian,
    "student": student,
    "classes": classes,
    "sources": sources,
    "untold": sources,
}
"""Rows (N, D) of mean 0 and variance 1 in every dimension."""


def known_laws(options: argparse.Namespace, trial: int) -> Iterator[tuple[dict, Callable]]:
    """What a trial is, and what it draws: generated rows, reference rows, truth, groups."""
    for dim in options.dims:
        rows = (options.rows or options.rows_per_dim * dim) // PER_SOURCE * PER_SOURCE
        for power in options.spectrum:
            deviations = np.arange(1.0, dim + 1) ** (-power / 2)
            for law in options.law:
                for case in options.case:
                    shift, scale = CASES[case]

                    def draw(
                        law: str = law,
                        dim: int = dim,
                        rows: int = rows,
                        shift: float = shift,
                        scale: float = scale,
                        deviations: np.ndarray = deviations,
                    ) -> tuple:
                        rng = np.random.default_rng([dim, rows, trial])
                        x, y = (LAWS[law](rng, rows, dim) for _ in range(2))
                        truth = float(np.sum(((scale - 1) ** 2 + shift**2) * deviations**2))
                        groups = np.arange(rows) // PER_SOURCE if law == "sources" else None
                        return (x * scale + shift) * deviations, y * deviations, truth, groups

                    setting = {"law": law, "D": dim, "N": rows, "spectrum": power, "case": case}
                    yield setting, draw


def embedded_features(count: int) -> tuple[np.ndarray, np.ndarray]:
    """(count, D) features of moving shapes by the embedded video network, and of noisy ones."""
    import torch

    from pyoco_eval.features.tiny.extractor import load_tiny
    from pyoco_eval.shapes.dataset import MovingShapes

    network, shapes = load_tiny("tiny3d"), MovingShapes("train")
    rng = np.random.default_rng(0)
    found: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    with torch.inference_mode():
        for index in range(2 * count):
            frames = shapes[index].frames
            noisy = index >= count
            if noisy:
                noise = rng.normal(scale=6, size=frames.shape)
                frames = np.clip(np.rint(frames + noise), 0, 255).astype(np.uint8)
            row = network.extract(network.prepare(frames)[None])
            found[noisy].append(row.double().numpy()[0])
    return np.array(found[0]), np.array(found[1])


def embedded(pool: Path, trial: int, rows: int) -> Iterator[tuple[dict, Callable]]:
    """Draws with replacement from finite populations of real features."""
    if not pool.exists():
        clean, noisy = embedded_features(1000)
        np.savez(pool, clean=clean, noisy=noisy)
    with np.load(pool) as stored:
        clean, noisy = stored["clean"], stored["noisy"]
    truth = frechet_distance(Moments.of(noisy), Moments.of(clean), ddof=0).distance

    def draw() -> tuple:
        rng = np.random.default_rng([7, trial])
        chosen = rng.integers(len(clean), size=(2, rows))
        return noisy[chosen[0]], clean[chosen[1]], truth, None

    yield (
        {"law": "embedded", "D": clean.shape[1], "N": rows, "spectrum": "-", "case": "noise"},
        draw,
    )


def measured(draw: Callable, resamples: int) -> dict[str, object]:
    x, y, truth, groups = draw()
    interval = frechet_interval(
        x, y, groups_generated=groups, groups_reference=groups, num_resamples=resamples
    )
    return {
        "truth": truth,
        "score": frechet_distance(Moments.of(x), Moments.of(y)).distance,
        "low": interval.low,
        "high": interval.high,
        "centre": interval.centre,
        "limits": interval.limits,
        "deviation": interval.deviation,
        "halves": interval.halves,
        "target": interval.target,
    }


def table(lines: list[dict]) -> None:
    """One row per setting. `1/N alone` is the interval about the limit for 1/N alone."""
    grouped = defaultdict(list)
    for line in lines:
        keys = ("law", "D", "N", "spectrum", "case", "resamples", "target")
        grouped[tuple(line[key] for key in keys)].append(line)
    print(
        "law       D    N     spectrum case    target  trials  truth   score   1/N limit  centre  "
        "sd of centre  its estimate  covers  1/N alone  median width"
    )
    for (law, dim, rows, power, case, _, target), found in grouped.items():
        truth, score, low, high, deviation = (
            np.array([line[key] for line in found], float)
            for key in ("truth", "score", "low", "high", "deviation")
        )
        covers = np.mean((low <= truth) & (truth <= high))
        text = f"{law:9s} {dim:<4d} {rows:<5d} {power!s:8s} {case:7s} {target:7s} {len(found):>5d} "
        text += f"{truth.mean():7.4g} {score.mean():8.4g} "
        if target == "limit":
            simple = np.array([line["limits"][0] for line in found])
            centre = np.array([line["centre"] for line in found])
            ends = np.maximum(simple[:, None] + 1.96 * deviation[:, None] * [-1, 1], 0)
            alone = np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1]))
            text += f"{simple.mean():9.4g} {centre.mean():9.4g} {centre.std(ddof=1):11.4g} "
            text += f"{deviation.mean():13.4g} {covers:9.3f} {alone:9.3f}"
        else:
            text += f"{'-':>9s} {'-':>9s} {score.std(ddof=1):11.4g} {deviation.mean():13.4g} "
            text += f"{covers:9.3f} {'-':>9s}"
        print(f"{text} {np.median(high - low):10.4g}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--dims", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--rows", type=int, default=None, help="of each side")
    parser.add_argument("--rows-per-dim", type=int, default=5)
    parser.add_argument("--resamples", type=int, default=20)
    parser.add_argument("--law", choices=LAWS, nargs="+", default=list(LAWS))
    parser.add_argument("--case", choices=CASES, nargs="+", default=list(CASES))
    parser.add_argument("--spectrum", type=int, nargs="+", default=[1], help="variance i^-POWER")
    parser.add_argument("--embedded", action="store_true", help="draw from embedded features")
    parser.add_argument("--pool", type=Path, default=Path("embedded_pool.npz"))
    parser.add_argument("--out", type=Path, default=None, help="JSON lines; trials there are kept")
    parser.add_argument("--minutes", type=float, default=np.inf)
    parser.add_argument("--table", type=Path, default=None, help="print the table of a file")
    options = parser.parse_args()
    source = options.table or options.out
    lines = [json.loads(text) for text in source.open()] if source and source.exists() else []
    if options.table:
        return table(lines)
    key = ("law", "D", "N", "spectrum", "case", "resamples", "trial")
    done = {tuple(line[name] for name in key) for line in lines}
    end = time.monotonic() + 60 * options.minutes
    for trial in range(options.trials):
        draws = (
            embedded(options.pool, trial, options.rows or 512)
            if options.embedded
            else known_laws(options, trial)
        )
        for setting, draw in draws:
            setting |= {"resamples": options.resamples, "trial": trial}
            if tuple(setting[name] for name in key) in done:
                continue
            if time.monotonic() > end:
                return table(lines)
            lines.append(setting | measured(draw, options.resamples))
            if options.out:
                with options.out.open("a") as file:
                    file.write(json.dumps(lines[-1]) + "\n")
    return table(lines)


if __name__ == "__main__":
    main()
