"""The energy distance of rows on a line has a closed form."""

import numpy as np
import pytest

import pyoco_eval
from pyoco_eval.metrics.conventions import CONVENTIONS
from pyoco_eval.scoring.metric import metric_under
from pyoco_eval.scoring.options import Options
from pyoco_eval.scoring.sides import Side
from pyoco_eval.statistics.files import FeatureSet


def side(values: list[float]) -> Side:
    ids = tuple(map(str, range(len(values))))
    rows = FeatureSet(np.array(values, np.float32)[:, None], ids, {})
    recipe = {"net": "tiny3d-shapes-embedding@d1870701", "size": "8x8", "clip": "16f-s1-first"}
    return Side("a", "0" * 64, recipe, len(ids), len(ids), features=rows)


def test_two_points_against_two() -> None:
    metric = metric_under(CONVENTIONS["embedded-energy"], Options())
    (score,) = metric.scores(side([0, 1]), side([4, 6]))
    assert score.value == pytest.approx(2 * 4.5 - 1 - 2)
    assert score.signature.get("est") == "unbiased"


def test_it_is_scored_like_the_others() -> None:
    clips = np.random.default_rng(0).integers(0, 255, (4, 8, 16, 16, 3), np.uint8)
    found = pyoco_eval.evaluate(
        clips[:2], clips[2:], metrics=["energy"], profile="embedded", num_frames=8
    )
    assert found["energy"].signature.get("conv") == "embedded-energy"
