"""Batches for a network on a device, several of them at work while the next is put together."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch

from pyoco_eval.extraction.feeding.row_queue import Inputs, NetworkInput, RowQueue
from pyoco_eval.extraction.feeding.staging import Staging
from pyoco_eval.extraction.feeding.transfers import Mark, Transfers
from pyoco_eval.extraction.options import Options

BATCHES_IN_FLIGHT = 3
"""Enough that the device always has the next one; each holds its inputs in the device's memory."""


@dataclass(frozen=True, eq=False)
class _Waiting:
    """Rows on the device: (k, …), prepared or as `stored`."""

    rows: torch.Tensor
    stored: bool


@dataclass(frozen=True, eq=False)
class _Flight:
    """A batch at work.

    Attributes:
        rows: its features in host memory, once `end` is past.
        held: what the device still reads.
    """

    owners: list[int | None]
    rows: torch.Tensor
    end: Mark
    held: Sequence[_Waiting]


class DeviceRowQueue(RowQueue):
    """The waiting and flying inputs of one tap. Frames of any sizes share a batch."""

    def __init__(
        self, tap: NetworkInput, options: Options, staging: Staging, transfers: Transfers
    ) -> None:
        super().__init__(tap, options)
        self._staging = staging
        self._transfers = transfers
        self._arrived: deque[_Waiting] = deque()
        self._flights: deque[_Flight] = deque()

    def flush(self) -> None:
        super().flush()
        self._land(0)

    def _accept(self, inputs: Inputs) -> None:
        rows = self._staging.send(inputs.load)
        self._arrived.append(_Waiting(rows[None] if inputs.as_clip else rows, inputs.stored))

    def _run(self, count: int) -> None:
        held = self._next(count)
        self._transfers.before_compute()
        rows = self._transfers.to_host(self._launch(held))
        self._flights.append(_Flight(self._owners[:count], rows, self._transfers.computed(), held))
        del self._owners[:count]
        self._land(BATCHES_IN_FLIGHT)

    def _next(self, count: int) -> list[_Waiting]:
        """The first `count` rows."""
        taken: list[_Waiting] = []
        while count:
            first = self._arrived.popleft()
            if len(first.rows) > count:
                self._arrived.appendleft(_Waiting(first.rows[count:], first.stored))
                first = _Waiting(first.rows[:count], first.stored)
            taken.append(first)
            count -= len(first.rows)
        return taken

    def _launch(self, waiting: Sequence[_Waiting]) -> torch.Tensor:
        """Features (B, D) on the device. Networks that resize inside run once for each size."""
        extractor = self._tap.extractor
        alike = groupby(waiting, key=lambda one: (one.stored, one.rows.shape[1:]))
        prepared = []
        for (stored, _), group in alike:
            rows = _joined([one.rows for one in group])
            prepared.append(extractor.prepare_there(rows) if stored else rows)
        if len({rows.shape[1:] for rows in prepared}) == 1:
            return extractor.launch(_joined(prepared))
        return torch.cat([extractor.launch(rows) for rows in prepared])

    def _land(self, allowed: int) -> None:
        """Take in finished batches, and wait until no more than `allowed` are at work."""
        while self._flights and (len(self._flights) > allowed or self._flights[0].end.query()):
            flight = self._flights.popleft()
            flight.end.synchronize()
            self._keep(flight.owners, self._tap.extractor.checked(flight.rows).numpy())
        self._deliver()

    def _unfinished(self) -> set[int | None]:
        return super()._unfinished().union(*(flight.owners for flight in self._flights))

    def _forget(self, position: int) -> None:
        super()._forget(position)
        for flight in self._flights:
            flight.owners[:] = [None if owner == position else owner for owner in flight.owners]


def _joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
