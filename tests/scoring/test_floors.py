"""What can be counted is refused before anything is decoded."""

from dataclasses import replace

import numpy as np
import pytest

from pyoco_eval.evaluation.evaluate import evaluate
from pyoco_eval.extraction.frame_rules import FrameRule
from pyoco_eval.extraction.options import Options
from pyoco_eval.metrics.conventions import CONVENTIONS
from pyoco_eval.metrics.kernel import KernelRule
from pyoco_eval.metrics.sample_floor import SmallSampleError, frechet_floor
from pyoco_eval.scoring.metric import metric_under

DIM = 64


def test_a_curve_needs_three_subset_sizes() -> None:
    rule = CONVENTIONS["embedded-fvd"]
    options = replace(Options(), extrapolate=True, allow_small=True)
    least = frechet_floor(DIM) + 2
    metric_under(rule, options).check_counts(DIM, least, None)
    with pytest.raises(SmallSampleError, match="--extrapolate"):
        metric_under(rule, options).check_counts(DIM, least - 1, None)


def test_halves_of_a_kernel_distance_need_four_rows() -> None:
    rule = CONVENTIONS["embedded-kvd"]
    options = replace(Options(), interval=100)
    least = max(4, KernelRule.parse(rule.estimator).floor)
    metric_under(rule, options).check_counts(DIM, least, least)
    with pytest.raises(SmallSampleError):
        metric_under(rule, options).check_counts(DIM, 3, 4)


def test_the_remedy_is_the_one_that_brings_rows() -> None:
    rule = CONVENTIONS["clean-kid"]
    with pytest.raises(SmallSampleError, match="or --frames all"):
        metric_under(rule, replace(Options(), frames=FrameRule("middle"))).check_counts(DIM, 4, 4)
    with pytest.raises(SmallSampleError, match="or --clip all"):
        metric_under(rule, Options()).check_counts(DIM, 4, 4)


def test_every_score_that_lacks_rows_is_named_at_once() -> None:
    clips = np.zeros((4, 8, 16, 16, 3), np.uint8)
    with pytest.raises(SmallSampleError) as raised:
        evaluate(clips, clips, metrics=["kid", "prdc", "fvd"], profile="embedded")
    for text in ("kid under embedded-kid", "prdc under embedded-prdc", "4 generated"):
        assert text in str(raised.value)
