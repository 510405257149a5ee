"""Copies between host memory and a device, beside the work of both."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import torch


class Mark(Protocol):
    """A point in the work of a device."""

    def query(self) -> bool:
        """Whether the device is past it."""
        ...

    def synchronize(self) -> None:
        """Wait for that."""
        ...


class _Past:
    """A point that lies behind."""

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        pass


class Transfers:
    """Copies that are done when they return, where nothing runs beside the CPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def host(self, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        """New host memory. May be called from any thread."""
        return torch.empty(tuple(shape), dtype=dtype)

    def to_device(self, values: torch.Tensor) -> torch.Tensor:
        """Begin a copy of host memory, which stays as it is until `copied` is past."""
        return values.to(self.device, copy=True)

    def copied(self) -> Mark:
        """The end of all copies to the device so far."""
        return _Past()

    def before_compute(self) -> None:
        """What is computed from now on waits, on the device, for all copies so far."""

    def to_host(self, rows: torch.Tensor) -> torch.Tensor:
        """Begin a copy back, which holds once `computed` is past."""
        return rows.cpu()

    def computed(self) -> Mark:
        """The end of all that was computed so far."""
        return _Past()


class CudaTransfers(Transfers):
    """Page-locked host memory, and a stream for copies beside the one that computes.

    What `to_device` returns belongs to the copying stream: whoever computes with it keeps it until
    `computed` is past, or its memory would be written to by a later copy.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        self._copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def host(self, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        with self._on_device():
            return torch.empty(tuple(shape), dtype=dtype, pin_memory=True)

    def to_device(self, values: torch.Tensor) -> torch.Tensor:
        with torch.cuda.stream(self._copies):
            return values.to(self.device, non_blocking=True)

    def copied(self) -> Mark:
        mark: Mark = self._copies.record_event()
        return mark

    def before_compute(self) -> None:
        torch.cuda.current_stream(self.device).wait_stream(self._copies)

    def to_host(self, rows: torch.Tensor) -> torch.Tensor:
        return self.host(rows.shape, rows.dtype).copy_(rows, non_blocking=True)

    def computed(self) -> Mark:
        mark: Mark = torch.cuda.current_stream(self.device).record_event()
        return mark

    def _on_device(self) -> AbstractContextManager[None]:
        """A thread that touches another GPU would hold memory there."""
        return torch.cuda.device(self.device)
