"""Batches on a device before they are asked for.

A thread takes them from the processes that read samples, copies them into page-locked memory and
from there to the device, on a stream of its own, while the network works on the batch before.
"""

import queue
import threading
from collections.abc import Callable
from typing import Final, Protocol

import torch

from pyoco_eval.training.data.samples import Batch

_POLL_SECONDS: Final = 0.2
_AHEAD: Final = 1
"""Batches that wait on the device; one more is on its way, and one at work."""


class Mover(Protocol):
    """Brings batches to where the network is."""

    def begin(self, batch: Batch) -> Batch:
        """The batch, under way; called in a thread."""
        ...

    def arrived(self, batch: Batch) -> Batch:
        """The same batch, for whatever is computed from now on; called where that is."""
        ...


class CudaMover:
    """Copies on a stream of its own.

    Args:
        device: of the network.
        frames: whether frames go there; a cache of latents wants them on the host.
    """

    def __init__(self, device: torch.device, *, frames: bool = True) -> None:
        self._device = device
        self._frames = frames
        self._copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def begin(self, batch: Batch) -> Batch:
        """Wait for the copies too: only this thread does, and page-locked memory is free again."""
        with torch.cuda.device(self._device), torch.cuda.stream(self._copies):
            moved = batch.moved(self._copied, frames=self._frames)
        self._copies.synchronize()
        return moved

    def _copied(self, values: torch.Tensor) -> torch.Tensor:
        return values.pin_memory().to(self._device, non_blocking=True)

    def arrived(self, batch: Batch) -> Batch:
        """Memory of a batch is not written to again before what is computed with it is done."""
        computing = torch.cuda.current_stream(self._device)

        def noted(values: torch.Tensor) -> torch.Tensor:
            if values.device == self._device:
                values.record_stream(computing)
            return values

        return batch.moved(noted)


class Ahead:
    """Batches of a source, moved in a thread before they are asked for.

    Args:
        source: the next batch, None after the last, or `TimeoutError` while there is none yet. What
            else it raises is raised by `next`.
        mover: of the batches.
    """

    def __init__(self, source: Callable[[], Batch | None], mover: Mover) -> None:
        self._source = source
        self._mover = mover
        self._found: queue.Queue[Batch | BaseException | None] = queue.Queue(_AHEAD)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
        self._thread.start()

    def next(self) -> Batch | None:
        """The next batch, or None after the last.

        Raises:
            TimeoutError: there is none yet.
        """
        try:
            found = self._found.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            raise TimeoutError from None
        if isinstance(found, BaseException):
            raise found
        return None if found is None else self._mover.arrived(found)

    def close(self) -> None:
        """End the thread."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        found: Batch | BaseException | None = None
        while not self._ending.is_set():
            try:
                found = self._source()
                if found is not None:
                    found = self._mover.begin(found)
            except TimeoutError:
                continue
            except BaseException as error:
                found = error
            self._put(found)
            if not isinstance(found, Batch):
                return

    def _put(self, found: Batch | BaseException | None) -> None:
        while not self._ending.is_set():
            try:
                self._found.put(found, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return
