"""Comparisons cancel what errors share: the reference always, videos of one name where they are."""

from typing import Any

import numpy as np
import pytest

from pyoco_eval.errors import UsageError
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.frechet_interval import frechet_interval
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.records.compare import compare_records
from pyoco_eval.records.record import Record, ScoreRecord, SourceRecord
from pyoco_eval.scoring.signing import interval_extras

DIM = 8
NAMES = np.array([f"prompt {k}" for k in range(80)])
OTHERS = np.array([f"other {k}" for k in range(80)])


def record(
    rows: np.ndarray, reference: np.ndarray, names: np.ndarray | None, *, resamples: int = 40
) -> Record:
    names = None if names is None else names[: len(rows)]
    interval = frechet_interval(rows, reference, groups_generated=names, num_resamples=resamples)
    recipe = {"net": "toy", "n": f"{len(rows)}/{len(reference)}", "ci": f"halves{resamples}-95%"}
    score = ScoreRecord(
        metric="fvd",
        value=frechet_distance(rows, reference).distance,
        interval=(interval.low, interval.high),
        signature=str(Signature.of(recipe)),
        recipe=recipe,
        num_samples=len(rows),
        num_reference=len(reference),
        extras=interval_extras(interval),
    )
    name = str(rows[0, 0])
    return Record(
        version="", scores=[score], samples=SourceRecord(name=name, digest=name, num_videos=1)
    )


def sets(seed: int, count: int, worse: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two models' rows for the same prompts, and the reference."""
    rng = np.random.default_rng([seed, count])
    prompts = rng.normal(size=(count, DIM))
    good, bad = (
        (np.sqrt(0.95) * prompts + np.sqrt(0.05) * rng.normal(size=(count, DIM))) * 1.2 + 0.3
        for _ in range(2)
    )
    return good, bad + worse, rng.normal(size=(count, DIM))


def compared(a: Record, b: Record, pair: bool | None = None) -> Any:
    (comparison,), _ = compare_records({"a": a, "b": b}, pair=pair)
    (difference,) = comparison.differences
    return difference


@pytest.mark.parametrize("count", [80, 14], ids=["limit", "as-many"])
def test_a_worse_model_is_found_by_pairs_where_independent_errors_hide_it(count: int) -> None:
    worse = 0.08 if count == 80 else 0.5
    found = {"paired": 0, "independent": 0}
    for seed in range(20):
        good, bad, reference = sets(seed, count, worse)
        a, b = (record(rows, reference, NAMES) for rows in (good, bad))
        for basis, pair in (("paired", None), ("independent", False)):
            difference = compared(a, b, pair)
            assert difference.basis == basis
            assert difference.of_limits == (count == 80)
            found[basis] += difference.verdict == "a is better than b at 95%"
    assert found["paired"] >= 16
    assert found["independent"] <= 4


def test_equal_models_are_rarely_called_different() -> None:
    false = 0
    for seed in range(60):
        good, bad, reference = sets(seed, 80, 0)
        a, b = (record(rows, reference, NAMES) for rows in (good, bad))
        false += "better" in compared(a, b).verdict
    assert false <= 8, "of 60 at 5 %, more than 8 happen once in 500 times"


def test_the_reference_is_shared_where_names_differ() -> None:
    """A small reference, hundreds of videos: its error is most of both scores', and cancels."""
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(40, DIM))
    many = np.array([f"video {k}" for k in range(1000)])
    more = np.array([f"clip {k}" for k in range(1000)])
    a = record(rng.normal(size=(1000, DIM)) * 1.3, reference, many)
    b = record(rng.normal(size=(1000, DIM)) * 1.3, reference, more)
    shared, alone = compared(a, b), compared(a, b, pair=False)
    assert (shared.basis, alone.basis) == ("reference shared", "independent")
    widths = [found.interval[1] - found.interval[0] for found in (shared, alone)]
    assert widths[0] < 0.6 * widths[1]


def test_paired_is_refused_with_the_reason() -> None:
    good, bad, reference = sets(0, 80, 0)
    first = record(good, reference, NAMES)
    for second, reason in (
        (record(bad, reference, OTHERS), "have other names"),
        (record(bad, reference, NAMES, resamples=20), "halves were drawn otherwise"),
        (record(bad, reference[:60], NAMES), "the references were divided otherwise"),
    ):
        with pytest.raises(UsageError, match=f"--paired(?s:.)*{reason}"):
            compare_records({"a": first, "b": second}, pair=True, force=True)
    old = record(bad, reference, NAMES)
    del old.scores[0].extras["interval_names"]
    assert compared(first, old).basis == "independent"
    with pytest.raises(UsageError, match="no scores of halves"):
        compare_records({"a": first, "b": old}, pair=True)
