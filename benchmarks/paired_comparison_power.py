"""How often `compare` finds a worse model, and how often one where there is none.

python benchmarks/paired_comparison_power.py --trials 200

Two models answer the same prompts, against one reference. Features of a prompt's two videos share
most of their variance. The worse model's features are shifted a little; for false positives it is
as good as the other. Every trial writes two records as `pyoco-eval fvd --interval` does, and
compares them: errors paired, and all taken for independent. A third model, as the worse one but
for prompts of its own, shares the reference alone. Below 2 (D + 1) rows the difference is that of
scores of as many videos.
"""

import argparse
from collections import Counter

import numpy as np

from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.frechet_interval import frechet_interval
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.records.compare import compare_records
from pyoco_eval.records.record import Record, ScoreRecord, SourceRecord
from pyoco_eval.scoring.signing import bounds, interval_extras

SHARED = 0.95
"""Correlation of the features of two videos of one prompt."""


def score(rows: np.ndarray, reference: np.ndarray, names: np.ndarray, resamples: int) -> Score:
    """What `pyoco-eval fvd --interval` gives, from features."""
    interval = frechet_interval(rows, reference, groups_generated=names, num_resamples=resamples)
    recipe = {"net": "simulated", "n": f"{len(rows)}/{len(reference)}", "ref": "real@00000000"}
    recipe["ci"] = f"{interval.target}{resamples}"
    return Score(
        metric="fvd",
        value=frechet_distance(rows, reference).distance,
        signature=Signature.of(recipe),
        num_samples=len(rows),
        num_reference=len(reference),
        interval=bounds(interval),
        extras=interval_extras(interval),
    )


def record(name: str, found: Score) -> Record:
    samples = SourceRecord(name=name, digest=name, num_videos=found.num_samples)
    return Record(version="", scores=[ScoreRecord.of(found)], samples=samples)


def trial(seed: int, dim: int, rows: int, shift: float, resamples: int) -> dict[str, str]:
    """Verdict by basis: `worse`, `better` (of the model that is worse) or `not shown`."""
    rng = np.random.default_rng([seed, dim, rows])
    deviations = np.arange(1.0, dim + 1) ** -0.5
    reference = rng.normal(size=(rows, dim)) * deviations
    prompts, others_prompts = rng.normal(size=(2, rows, dim))
    good, bad, apart = (
        (
            (np.sqrt(SHARED) * own + np.sqrt(1 - SHARED) * rng.normal(size=(rows, dim))) * 1.2
            + 0.3
            + more
        )
        * deviations
        for own, more in ((prompts, 0.0), (prompts, shift), (others_prompts, shift))
    )
    names = np.array([f"prompt {row}" for row in range(rows)])
    others = np.array([f"other {row}" for row in range(rows)])
    first = record("good", score(good, reference, names, resamples))
    found = {}
    paired = record("bad", score(bad, reference, names, resamples))
    unpaired = record("bad", score(apart, reference, others, resamples))
    for basis, second, pair in (
        ("paired", paired, True),
        ("reference shared", unpaired, None),
        ("independent", paired, False),
    ):
        (comparison,), _ = compare_records({"good": first, "bad": second}, pair=pair)
        (difference,) = comparison.differences
        assert difference.basis == basis
        assert difference.interval is not None
        low, high = difference.interval
        found[basis] = "worse" if low > 0 else "better" if high < 0 else "not shown"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--rows", type=int, nargs="+", default=[160, 24])
    parser.add_argument("--resamples", type=int, default=100)
    parser.add_argument("--shift", type=float, default=0.06)
    options = parser.parse_args()
    print("rows  worse by   basis              found worse  found better  of trials")
    for rows in options.rows:
        for shift in (0.0, options.shift):
            counts: dict[str, Counter[str]] = {}
            for seed in range(options.trials):
                found = trial(seed, options.dim, rows, shift, options.resamples)
                for basis, verdict in found.items():
                    counts.setdefault(basis, Counter())[verdict] += 1
            for basis, found_counts in counts.items():
                print(
                    f"{rows:<5d} {shift:<10g} {basis:18s} {found_counts['worse']:>11d} "
                    f"{found_counts['better']:>13d} {options.trials:>10d}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
