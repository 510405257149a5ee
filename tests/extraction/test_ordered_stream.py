"""Ordered, bounded, stoppable production in threads."""

import threading
import time
from collections.abc import Iterator

import pytest

from pyoco_eval.extraction.ordered_stream import OrderedStream


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_values_arrive_in_item_order_whatever_finishes_first(workers: int) -> None:
    def produce(item: int) -> Iterator[tuple[int, int]]:
        time.sleep(0.002 * (5 - item % 5))
        for value in range(item % 4):
            yield item, value

    items = list(range(20))
    with OrderedStream(items, produce, workers=workers) as stream:
        seen = [(item, list(values)) for item, values in stream]
    assert seen == [(item, [(item, value) for value in range(item % 4)]) for item in items]


def test_memory_is_bounded_while_the_consumer_waits() -> None:
    produced = []

    def produce(item: int) -> Iterator[int]:
        for value in range(1000):
            produced.append(item)
            yield value

    with OrderedStream(range(50), produce, workers=3, depth=2) as stream:
        iterator = iter(stream)
        next(iterator)
        time.sleep(0.3)
        held = len(produced)
    assert held <= (3 + 1) * (2 + 1)


def test_an_error_reaches_the_consumer_of_that_item_only() -> None:
    def produce(item: int) -> Iterator[int]:
        yield item
        if item == 1:
            raise ValueError("broken")

    results = []
    with OrderedStream(range(3), produce, workers=2) as stream:
        for item, values in stream:
            try:
                results.append(list(values))
            except ValueError as error:
                results.append(f"{item} {error}")
    assert results == [[0], "1 broken", [2]]


def test_leaving_early_stops_every_thread() -> None:
    before = threading.active_count()
    with OrderedStream(range(1000), lambda n: iter(range(n)), workers=4) as stream:
        next(iter(stream))
    assert threading.active_count() == before


def test_no_items() -> None:
    with OrderedStream([], lambda n: iter([n]), workers=2) as stream:
        assert list(stream) == []
