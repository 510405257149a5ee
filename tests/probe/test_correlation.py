"""Cosine statistics against plain loops, known correlations, and what intervals promise."""

import numpy as np
import pytest
from noise_maps import draw, measured, progressive

from pyoco_eval.errors import UsageError
from pyoco_eval.probe import correlation
from pyoco_eval.probe.correlation import cosines_among, frame_cosines, measure_similarity


def test_cosines_equal_plain_loops() -> None:
    maps = draw(5, 3, 7)

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    whole = cosines_among(lambda v: maps[v].reshape(3, 1, 7), [4, 0, 2, 1], block=3)
    for i, u in enumerate([4, 0, 2, 1]):
        for j, v in enumerate([4, 0, 2, 1]):
            for s in range(3):
                for t in range(3):
                    assert whole[i, s, j, t] == pytest.approx(
                        cosine(maps[u, s], maps[v, t]), abs=1e-6
                    )
    assert frame_cosines(maps[1])[0, 2] == pytest.approx(cosine(maps[1, 0], maps[1, 2]), rel=1e-12)


def test_table_equals_plain_loops() -> None:
    maps = draw(4, 3, 6, progressive(3, 0.6))
    found = measured(maps, num_resamples=20)
    unit = maps / np.linalg.norm(maps, axis=2, keepdims=True)
    same = [unit[v, s] @ unit[v, t] for v in range(4) for s in range(3) for t in range(s + 1, 3)]
    different = [
        unit[u, s] @ unit[v, t]
        for u in range(4) for v in range(u + 1, 4) for s in range(3) for t in range(3)
    ]  # fmt: skip
    assert (found.same.num_pairs, found.different.num_pairs) == (len(same), len(different))
    for spread, values in ((found.same, same), (found.different, different)):
        assert spread.mean == pytest.approx(np.mean(values), rel=1e-5)
        assert spread.std == pytest.approx(np.std(values), rel=1e-5)
    apart = [unit[v, s] @ unit[v, s + 1] for v in range(4) for s in range(2)]
    assert found.by_distance[0] == pytest.approx(np.mean(apart), rel=1e-12)


def test_known_correlation_is_found() -> None:
    """D = 4096: a cosine is the correlation to within 1/√D a pair."""
    rho, maps = 0.7, draw(30, 6, 4096, progressive(6, 0.7))
    found = measured(maps)
    expected = rho ** np.arange(1, 6)
    np.testing.assert_allclose(found.by_distance, expected, atol=0.01)
    np.testing.assert_allclose(found.frame_correlation, progressive(6, rho), atol=0.01)
    assert found.different.mean == pytest.approx(0, abs=0.002)
    assert found.different.std == pytest.approx(4096**-0.5, rel=0.05)
    assert found.excess[0] > 0.3
    assert found.null.p_value == 1 / 1001
    assert abs(found.null.mean) < 0.03 < found.same.interval[0]


def test_the_fitted_matrix_is_a_correlation() -> None:
    matrix = measured(draw(3, 8, 5, progressive(8, 0.9))).frame_correlation
    assert np.linalg.eigvalsh(matrix).min() > -1e-12
    np.testing.assert_array_equal(np.diag(matrix), 1)


def test_independent_noise_is_no_finding() -> None:
    """Of twenty sets without any correlation, one in twenty has a p-value below 0.05."""
    values = [measured(draw(8, 4, 64, seed=s), num_resamples=200).null.p_value for s in range(40)]
    assert sum(value < 0.05 for value in values) <= 6
    assert 0.3 < np.mean(values) < 0.7


def test_intervals_cover_what_varies_from_video_to_video() -> None:
    """Every video has a correlation of its own, 0.2 or 0.8: the truth is their mean."""
    covered = 0
    for trial in range(60):
        rng = np.random.default_rng(trial)
        maps = np.concatenate([
            draw(1, 4, 512, progressive(4, r), seed=1000 * trial + i)
            for i, r in enumerate(rng.choice([0.2, 0.8], size=30))
        ])  # fmt: skip
        low, high = measured(maps, num_resamples=300, seed=trial).by_distance_interval[:, 0]
        covered += low <= 0.5 <= high
    assert 51 <= covered <= 60, "a nominal 95 % of 60 is 57"


def test_compared_videos_may_be_some_of_all() -> None:
    maps = draw(9, 3, 100, progressive(3, 0.5))
    within = np.stack([frame_cosines(video) for video in maps])
    some = [1, 4, 8]
    found = measure_similarity(within, cosines_among(lambda v: maps[v], some), some)
    assert (found.num_videos, found.num_videos_between) == (9, 3)
    assert found.different.num_pairs == 3 * 9
    assert found.same.num_pairs == 27


def test_the_seed_decides_every_draw() -> None:
    maps = draw(6, 3, 50)
    first, again, other = (measured(maps, seed=s) for s in (1, 1, 2))
    assert first.same == again.same
    assert first.null == again.null
    assert first.same.interval != other.same.interval
    assert first.same.mean == other.same.mean


def test_resamples_in_blocks_have_the_same_law(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = draw(12, 3, 50, progressive(3, 0.6))
    whole = measured(maps, num_resamples=4000)
    monkeypatch.setattr(correlation, "_DRAWN_AT_ONCE", 12 * 7)
    parts = measured(maps, num_resamples=4000)
    assert parts.same.mean == whole.same.mean
    for spread in ("same", "different"):
        expected, found = getattr(whole, spread).interval, getattr(parts, spread).interval
        np.testing.assert_allclose(found, expected, atol=0.01)


def test_a_map_of_zeros_is_similar_to_none() -> None:
    maps = draw(2, 3, 10)
    maps[0, 1] = 0
    assert frame_cosines(maps[0])[0, 1] == 0


@pytest.mark.parametrize("shape", [(1, 4), (3, 1)])
def test_one_video_or_one_frame_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="needs two of each"):
        measured(draw(*shape, 10))
