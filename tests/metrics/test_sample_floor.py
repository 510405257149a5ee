"""Scores below the sample floor are refused, or labelled when forced."""

import pytest

from pyoco_eval.metrics.sample_floor import (
    LABEL,
    SmallSampleError,
    check_frechet_floor,
    check_splits_floor,
    frechet_floor,
)


@pytest.mark.parametrize("dim", [1, 400, 2048])
def test_a_frechet_distance_needs_more_rows_than_features_on_both_sides(dim: int) -> None:
    floor = frechet_floor(dim)
    assert floor == dim + 1
    assert check_frechet_floor(floor, floor, dim, allow_small=False) is None
    assert check_frechet_floor(floor, floor, dim, allow_small=True) is None
    for counts in ((floor - 1, floor), (floor, floor - 1)):
        with pytest.raises(SmallSampleError, match=f"{counts[0]} generated and {counts[1]}"):
            check_frechet_floor(*counts, dim, allow_small=False)
        assert check_frechet_floor(*counts, dim, allow_small=True) == LABEL


@pytest.mark.parametrize("splits", [1, 10])
def test_every_split_needs_two_samples(splits: int) -> None:
    assert check_splits_floor(2 * splits, splits, allow_small=False) is None
    with pytest.raises(SmallSampleError, match="--allow-small"):
        check_splits_floor(2 * splits - 1, splits, allow_small=False)
    assert check_splits_floor(2 * splits - 1, splits, allow_small=True) == LABEL
