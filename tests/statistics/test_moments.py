"""Moments: the same bits in any order of arrival, and digits kept under a large mean."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.statistics.moments import CHUNK_SIZE, MOST_ROWS, Moments, MomentsAccumulator


def assert_same_bits(a: Moments, b: Moments) -> None:
    assert a.count == b.count
    assert a.mean.tobytes() == b.mean.tobytes()
    assert a.m2.tobytes() == b.m2.tobytes()


def samples_of(sizes: list[int], dim: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(5, 3, (size, dim)).astype(np.float32) for size in sizes]


def accumulate(samples: list[np.ndarray], order: list[int], chunk_size: int) -> Moments:
    accumulator = MomentsAccumulator(samples[0].shape[1], chunk_size)
    for index in order:
        accumulator.add(index, samples[index])
    return accumulator.finish(len(samples))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_order_of_arrival_cannot_change_a_bit(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=40))
    chunk_size = data.draw(st.integers(1, 9))
    samples = samples_of(sizes, dim=5, seed=data.draw(st.integers(0, 9)))
    order = data.draw(st.permutations(range(len(samples))))
    expected = accumulate(samples, list(range(len(samples))), chunk_size)
    assert expected.count == sum(sizes)
    assert_same_bits(accumulate(samples, list(order), chunk_size), expected)


@settings(max_examples=40, deadline=None)
@given(batch=st.integers(1, 200), seed=st.integers(0, 5))
def test_batch_size_memory_layout_and_reused_buffers_cannot_change_a_bit(
    batch: int, seed: int
) -> None:
    rows = np.concatenate(samples_of([1] * 200, dim=7, seed=seed))
    expected = accumulate(list(rows[:, None]), list(range(200)), CHUNK_SIZE)
    accumulator = MomentsAccumulator(7)
    buffer = np.empty((batch, 7), np.float32, order="F")
    for start in range(0, 200, batch):
        filled = buffer[: min(batch, 200 - start)]
        filled[:] = rows[start : start + batch]
        for offset in range(len(filled)):
            accumulator.add(start + offset, filled[offset : offset + 1])
    assert_same_bits(accumulator.finish(200), expected)


def test_transposed_rows_of_one_sample_give_the_same_bits() -> None:
    rows = samples_of([90], dim=11, seed=0)[0]
    assert_same_bits(Moments.of(np.asfortranarray(rows)), Moments.of(rows))
    columns = MomentsAccumulator(11)
    columns.add(0, np.asfortranarray(rows))
    assert_same_bits(columns.finish(1), Moments.of(rows))


@pytest.mark.parametrize("chunk_size", [1, 7, 64, 1000])
@pytest.mark.parametrize(("centre", "spread"), [(0, 1), (1e4, 1e-2), (1e6, 1e-3), (-3e7, 5)])
def test_a_large_mean_costs_no_digits(centre: float, spread: float, chunk_size: int) -> None:
    rows = np.random.default_rng(1).normal(centre, spread, (500, 6))
    found = accumulate(list(rows[:, None]), list(range(500)), chunk_size)
    exact = rows.astype(np.longdouble)
    mean = exact.mean(axis=0)
    m2 = (exact - mean).T @ (exact - mean)
    assert found.mean == pytest.approx(mean.astype(float), rel=1e-15, abs=1e-15 * spread)
    # The mean of every chunk is rounded to 16 digits of `centre`; nothing worse may happen.
    rounding = 500 * spread * abs(centre) * 2.3e-16
    assert np.abs(found.m2 - m2).max() <= 1e-13 * m2.max() + rounding
    assert np.array_equal(found.m2, found.m2.T)


def test_covariance_is_that_of_numpy() -> None:
    rows = np.random.default_rng(2).normal(size=(50, 8))
    for ddof in (0, 1):
        np.testing.assert_allclose(
            Moments.of(rows).cov(ddof),
            np.cov(rows, rowvar=False, ddof=ddof),
            rtol=1e-12,
            atol=1e-15,
        )


def test_merge_is_the_union_and_empty_changes_nothing() -> None:
    rows = np.random.default_rng(3).normal(2, 1, (30, 4))
    both = Moments.of(rows[:11]).merge(Moments.of(rows[11:]))
    whole = Moments.of(rows)
    assert both.count == 30
    np.testing.assert_allclose(both.mean, whole.mean, rtol=1e-14)
    np.testing.assert_allclose(both.m2, whole.m2, rtol=1e-12, atol=1e-13)
    empty = Moments.of(rows[:0])
    assert empty.count == 0
    assert_same_bits(whole.merge(empty), whole)
    assert_same_bits(empty.merge(whole), whole)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_names_its_sample(bad: float) -> None:
    rows = np.ones((2, 3), np.float32)
    rows[1, 2] = bad
    with pytest.raises(PyocoEvalError, match="sample 4"):
        MomentsAccumulator(3).add(4, rows)


@pytest.mark.parametrize("shape", [(3,), (2, 4), (1, 2, 3)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(PyocoEvalError, match="sample 0"):
        MomentsAccumulator(3).add(0, np.ones(shape))


def test_every_sample_is_wanted_once() -> None:
    row = np.ones((1, 2))
    accumulator = MomentsAccumulator(2, chunk_size=2)
    accumulator.add(0, row)
    with pytest.raises(PyocoEvalError, match="sample 0 was given twice"):
        accumulator.add(0, row)
    accumulator.add(1, row)
    with pytest.raises(PyocoEvalError, match="sample 1 was given twice"):
        accumulator.add(1, row)
    with pytest.raises(PyocoEvalError, match="sample -1"):
        accumulator.add(-1, row)
    accumulator.add(3, row)
    with pytest.raises(PyocoEvalError, match=r"\[2\] are missing"):
        accumulator.finish(4)
    accumulator.add(2, row)
    assert accumulator.finish(4).count == 4


@pytest.mark.parametrize("total", [1, 3])
def test_more_samples_than_announced_are_an_error(total: int) -> None:
    accumulator = MomentsAccumulator(2, chunk_size=2)
    for index in range(4):
        accumulator.add(index, np.ones((1, 2)))
    with pytest.raises(PyocoEvalError, match="not expected"):
        accumulator.finish(total)


def test_only_left_out_samples_have_no_covariance() -> None:
    accumulator = MomentsAccumulator(2)
    accumulator.add(0, np.empty((0, 2)))
    moments = accumulator.finish(1)
    assert moments.count == 0
    with pytest.raises(PyocoEvalError, match="0 feature rows"):
        moments.cov(0)
    assert MomentsAccumulator(2).finish(0).count == 0


def test_one_row_has_a_covariance_only_without_bessel_correction() -> None:
    one = Moments.of(np.ones((1, 2)))
    assert np.array_equal(one.cov(0), np.zeros((2, 2)))
    with pytest.raises(PyocoEvalError, match="1 feature rows"):
        one.cov(1)


def test_samples_of_many_rows_are_reduced_at_once_and_change_nothing() -> None:
    rng = np.random.default_rng(0)
    counts = [3, MOST_ROWS + 1, 0, 700, MOST_ROWS, 1]
    samples = [rng.normal(50, 2, (count, 5)).astype(np.float32) for count in counts]
    found = []
    for order in (range(6), reversed(range(6))):
        accumulator = MomentsAccumulator(5, chunk_size=4)
        for index in order:
            accumulator.add(index, samples[index])
        found.append(accumulator.finish(6))
    expected = Moments.of(np.concatenate(samples))
    assert found[0].count == sum(counts)
    np.testing.assert_array_equal(found[0].m2, found[1].m2)
    np.testing.assert_allclose(found[0].mean, expected.mean, rtol=1e-13)
    np.testing.assert_allclose(found[0].m2, expected.m2, rtol=1e-10)
