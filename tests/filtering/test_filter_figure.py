"""The histograms: bins end at the threshold, odd scores draw, matplotlib is named."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pyoco_eval.errors import MissingError
from pyoco_eval.filtering.figure import Scale, _edges, check_drawable, draw_histograms


@pytest.mark.parametrize("least", [-5.0, 0.0, 0.3, 7.0])
@pytest.mark.parametrize("count", [1, 2, 1000])
def test_bins_hold_all_scores_and_end_at_the_threshold(least: float, count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    edges = _edges(values, least)
    assert np.histogram(values, edges)[0].sum() == count
    assert least in edges
    assert len(edges) <= 64


def test_equal_scores_and_one_score_alone(tmp_path: Path) -> None:
    one = {"clip": Scale("cosine", [0.5], 0.5)}
    draw_histograms(one, "1 of 1 videos kept", tmp_path / "one.png")
    two = one | {"aesthetic": Scale("score", [5.0] * 9, 6.0)}
    draw_histograms(two, "0 of 9 videos kept", tmp_path / "two.png")
    for name in ("one", "two"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingError, match=r"'pyoco-eval\[plots\]', or pass --no-figure"):
        check_drawable()
