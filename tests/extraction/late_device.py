"""A device that does everything as late as it may, for tests without one."""

from collections.abc import Callable, Sequence

import torch

from pyoco_eval.extraction.feeding.transfers import Mark, Transfers


class Point:
    """Passed once its work is done, which somebody must wait for."""

    def __init__(self, do: Callable[[], None]) -> None:
        self._do = do
        self.done = False

    def query(self) -> bool:
        return self.done

    def synchronize(self) -> None:
        if not self.done:
            self._do()
        self.done = True


class LateTransfers(Transfers):
    """Copies to the device happen when it computes, copies back when somebody waits for them.

    Host memory that is written to too early, or read too early, then shows: it is full of 77s, or
    zero.
    """

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.copies = 0
        self.at_work = self.most_at_work = 0
        self._to_come: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._marks: list[Point] = []
        self._back: list[tuple[torch.Tensor, torch.Tensor]] = []

    def host(self, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        return torch.full(tuple(shape), 77, dtype=dtype)

    def to_device(self, values: torch.Tensor) -> torch.Tensor:
        there = torch.full_like(values, 77)
        self._to_come.append((there, values))
        self.copies += 1
        return there

    def copied(self) -> Mark:
        self._marks.append(Point(self.before_compute))
        return self._marks[-1]

    def before_compute(self) -> None:
        for there, values in self._to_come:
            there.copy_(values)
            values.fill_(77)  # whoever has the buffer next may do that from here on
        self._to_come.clear()
        for mark in self._marks:
            mark.done = True
        self._marks.clear()

    def to_host(self, rows: torch.Tensor) -> torch.Tensor:
        self._back.append((torch.zeros_like(rows), rows))
        return self._back[-1][0]

    def computed(self) -> Mark:
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        host, rows = self._back.pop()

        def arrive() -> None:
            host.copy_(rows)
            self.at_work -= 1

        return Point(arrive)
