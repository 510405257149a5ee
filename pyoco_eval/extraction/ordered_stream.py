"""Produce in several threads, consume in order, with a bounded number of results in memory."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Generic, TypeVar, cast

Item = TypeVar("Item")
Value = TypeVar("Value")

_POLL_SECONDS = 0.1


class _Done:
    """Ends one item's values; carries the exception that ended them early."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class OrderedStream(Generic[Item, Value]):
    """Run `produce(item)` for every item in threads and hand the values out in item order.

    At most `workers + 1` items are open at once and each holds at most `depth` values that have
    not been consumed, so memory does not grow with the number of items or values. An exception
    raised by `produce` reaches whoever consumes that item's values. Use as a context manager:
    leaving it stops the threads.

    >>> with OrderedStream([1, 2, 3], lambda n: iter(range(n)), workers=2) as stream:
    ...     [(n, list(values)) for n, values in stream]
    [(1, [0]), (2, [0, 1]), (3, [0, 1, 2])]
    """

    def __init__(
        self,
        items: Sequence[Item],
        produce: Callable[[Item], Iterable[Value]],
        *,
        workers: int,
        depth: int = 2,
    ) -> None:
        self._items = items
        self._produce = produce
        self._depth = depth
        self._stop = threading.Event()
        self._open_items = threading.Semaphore(workers + 1)
        self._next = 0
        self._lock = threading.Lock()
        self._queues: dict[int, queue.Queue[Value | _Done]] = {}
        self._announced = threading.Condition(self._lock)
        self._threads = [
            threading.Thread(target=self._work, name=f"decode-{i}", daemon=True)
            for i in range(min(workers, max(len(items), 1)))
        ]

    def __enter__(self) -> "OrderedStream[Item, Value]":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def __iter__(self) -> Iterator[tuple[Item, Iterator[Value]]]:
        for position, item in enumerate(self._items):
            with self._announced:
                self._announced.wait_for(lambda wanted=position: wanted in self._queues)  # type: ignore[misc]
                values = self._queues.pop(position)
            produced = self._drain(values)
            yield item, produced
            with suppress(Exception):  # what the consumer left must not block its worker
                for _ in produced:
                    pass
            self._open_items.release()

    def _drain(self, values: "queue.Queue[Value | _Done]") -> Iterator[Value]:
        while True:
            value = values.get()
            if isinstance(value, _Done):
                if value.error is not None:
                    raise value.error
                return
            yield value

    def _take(self) -> tuple[int, "queue.Queue[Value | _Done]"] | None:
        while not self._open_items.acquire(timeout=_POLL_SECONDS):
            if self._stop.is_set():
                return None
        with self._announced:
            if self._stop.is_set() or self._next >= len(self._items):
                self._open_items.release()
                return None
            position = self._next
            self._next += 1
            values: queue.Queue[Value | _Done] = queue.Queue(self._depth)
            self._queues[position] = values
            self._announced.notify_all()
        return position, values

    def _put(self, values: "queue.Queue[Value | _Done]", value: Value | _Done) -> bool:
        while not self._stop.is_set():
            try:
                values.put(value, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            position, values = taken
            error: BaseException | None = None
            try:
                for value in self._produce(self._items[position]):
                    if not self._put(values, value):
                        return
            except BaseException as raised:
                error = raised
            self._put(values, cast("Value | _Done", _Done(error)))
