"""What the catalogue of metrics says of scores."""

import pytest

from pyoco_eval.metrics.catalogue import (
    METRICS,
    PROFILES,
    display_name,
    extrapolated,
    has_interval,
    is_better_higher,
    is_unbiased,
    metric_of,
)
from pyoco_eval.metrics.conventions import CONVENTIONS

SCORES = [
    # name, as printed, higher is better, unbiased, has an interval
    ("fvd", "FVD", False, False, True),
    ("fvd-inf", "FVD∞", False, False, False),
    ("fid", "FID", False, False, True),
    ("clip-fid", "CLIP-FID", False, False, True),
    ("clip-fid-inf", "CLIP-FID∞", False, False, False),
    ("is", "IS", True, False, True),
    ("kvd", "KVD", False, True, True),
    ("kid", "KID", False, True, True),
    ("clipsim", "CLIPSIM", True, True, True),
    ("precision", "precision", True, False, False),
    ("coverage", "coverage", True, False, False),
    ("noise-same", "noise, same video", False, False, False),
    ("made-up", "made-up", False, False, False),
    ("is-inf", "is-inf", False, False, False),
]


@pytest.mark.parametrize(("score", "display", "higher", "unbiased", "interval"), SCORES)
def test_facts_of_scores(
    score: str, display: str, higher: bool, unbiased: bool, interval: bool
) -> None:
    assert display_name(score) == display
    assert is_better_higher(score) == higher
    assert is_unbiased(score) == unbiased
    assert has_interval(score) == interval


def test_scores_belong_to_metrics() -> None:
    assert metric_of("density") == METRICS["prdc"]
    assert metric_of("kid-inf") is None
    assert extrapolated() == ["fvd", "fid", "clip-fid"]


@pytest.mark.parametrize("name", METRICS.own)
def test_every_profile_has_a_convention_of_the_metric(name: str) -> None:
    row = METRICS[name]
    assert set(row.conventions) == set(PROFILES)
    assert {CONVENTIONS[rule].metric for rule in row.conventions.values()} == {name}
    assert CONVENTIONS[row.conventions["embedded"]].label == "embedded"
