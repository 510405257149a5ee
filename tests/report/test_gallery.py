"""The gallery's choice against brute force, and what it refuses."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.report.gallery.choose_clips import choose_clips, nearest_rows


def names(letter: str, count: int) -> list[str]:
    return [f"{letter}{number:04d}.mp4" for number in range(count)]


def test_nearest_rows_are_those_of_all_pairs_across_blocks() -> None:
    rng = np.random.default_rng(1)
    ours = rng.standard_normal((1500, 6)).astype(np.float32) + 300
    theirs = rng.standard_normal((2100, 6)).astype(np.float32) + 300
    distances, indices = nearest_rows(ours, theirs)
    pairs = cdist(ours.astype(np.float64), theirs.astype(np.float64))
    np.testing.assert_allclose(distances, pairs.min(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(indices, pairs.argmin(axis=1))


def test_a_copy_is_nearest_an_outlier_farthest_and_both_name_their_neighbour() -> None:
    rng = np.random.default_rng(2)
    reference = rng.standard_normal((40, 5))
    features = rng.standard_normal((30, 5))
    features[11] = reference[7]
    features[3] = 50.0
    chosen = choose_clips(names("g", 30), features, reference, names("r", 40), num=4)
    assert [choice.role for choice in chosen] == ["nearest"] * 4 + ["farthest"] * 4 + ["random"] * 4
    first, far = chosen[0], chosen[4]
    assert (first.id, first.distance, first.neighbour) == ("g0011.mp4", 0.0, "r0007.mp4")
    assert far.id == "g0003.mp4"
    ranked = [choice.distance for choice in chosen[:4]]
    assert ranked == sorted(ranked)  # type: ignore[type-var]
    assert not {c.id for c in chosen[:4]} & {c.id for c in chosen[4:8]}


def test_random_clips_depend_on_the_seed_alone_and_need_no_features() -> None:
    ids = names("g", 100)
    first = choose_clips(ids, seed=3)
    assert first == choose_clips(ids, seed=3) != choose_clips(ids, seed=4)
    assert [choice.role for choice in first] == ["random"] * 8
    assert len({choice.id for choice in first}) == 8
    assert [choice.id for choice in first] == sorted(choice.id for choice in first)


def test_rows_of_one_video_are_one_video() -> None:
    features = np.array([[0.0], [4.0], [10.0], [12.0]])
    chosen = choose_clips(["a", "a", "b", "b"], features, np.array([[0.0], [11.0]]), ["x", "y"])
    found = {choice.id: (choice.distance, choice.neighbour) for choice in chosen}
    assert found == {"a": (2.0, "x"), "b": (1.0, "y")}


def test_few_videos_are_shown_once_per_end() -> None:
    features = np.arange(3.0)[:, None]
    chosen = choose_clips(["a", "b", "c"], features, np.zeros((1, 1)), num=8)
    roles = [(choice.role, choice.id) for choice in chosen if choice.role != "random"]
    assert roles == [("nearest", "a"), ("nearest", "b"), ("farthest", "c")]


def test_what_cannot_be_measured_is_refused() -> None:
    rows = np.zeros((2, 3))
    with pytest.raises(UsageError, match="1 or more"):
        choose_clips(["a"], num=0)
    with pytest.raises(UsageError, match="both sides"):
        choose_clips(["a", "b"], rows)
    with pytest.raises(PyocoEvalError, match="2 feature rows do not fit 1 ids"):
        choose_clips(["a"], rows, rows)
    with pytest.raises(PyocoEvalError, match="2 reference rows do not fit 1 ids"):
        choose_clips(["a", "b"], rows, rows, ["x"])
    with pytest.raises(PyocoEvalError, match="3 and 4 dimensions"):
        choose_clips(["a", "b"], rows, np.zeros((2, 4)))
    with pytest.raises(PyocoEvalError, match="without NaN"):
        choose_clips(["a", "b"], rows * np.nan, rows)
