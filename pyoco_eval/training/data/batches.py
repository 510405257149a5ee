"""Batches of one process, read ahead by others.

Reading processes outlive the signals that go to a whole group of processes: whether the run ends
is for the training process to say.
"""

import ctypes
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import RawValue
from types import FrameType, TracebackType
from typing import Any, Self

from torch.utils.data import DataLoader

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.training.data.feeding import Ahead, Mover
from pyoco_eval.training.data.samples import Batch, Sample, TrainingSamples, collate

_POLL_SECONDS = 0.2
_AHEAD_BYTES = 4 << 30

_LEFT_ALONE = ("SIGINT", "SIGUSR1", "SIGUSR2", "SIGHUP")


class Batches:
    """What process `rank` of `size` trains on in each of `steps`: an iterator to be closed.

    Args:
        samples: of the run.
        steps: from the first to do to the last.
        batch: samples of a step over all processes, a multiple of `size`.
        workers: processes that read ahead; how many makes no difference to the samples.
        given_up: asked while a batch is waited for; if true, nobody wants it any more.
        mover: brings batches to a device ahead of time, in a thread; None leaves them on the CPU,
            where they are read when they are asked for.
    """

    def __init__(
        self,
        samples: TrainingSamples,
        steps: range,
        batch: int,
        *,
        workers: int,
        rank: int = 0,
        size: int = 1,
        given_up: Callable[[], bool] = lambda: False,
        mover: Mover | None = None,
    ) -> None:
        self._given_up = given_up
        self._closing: Any = RawValue(ctypes.c_bool, False)
        loader: DataLoader[Sample | PyocoEvalError] = DataLoader(
            samples,
            batch_sampler=_Steps(steps, batch, rank, size),
            num_workers=workers,
            collate_fn=partial(collate, drawing=samples.drawing),
            worker_init_fn=_OutlivesSignals(self._closing) if workers else None,
            timeout=_POLL_SECONDS if workers else 0,
            prefetch_factor=_ahead(samples, batch // size, workers),
        )
        with _held_back():
            self._found: Iterator[Batch | PyocoEvalError] | None = iter(loader)
        self._ahead = None if mover is None else Ahead(self._read, mover)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        """Raises PyocoEvalError: a sample cannot be had, or a reading process died."""
        batch = self.next_or_none()
        if batch is None:
            raise StopIteration
        return batch

    def next_or_none(self) -> Batch | None:
        """The next batch, or None after the last, or where it was given up."""
        while not self._given_up():
            try:
                return self._read() if self._ahead is None else self._ahead.next()
            except TimeoutError:
                continue
        return None

    def _read(self) -> Batch | None:
        """The next batch, or None after the last; raises TimeoutError while there is none yet."""
        assert self._found is not None, "closed"
        try:
            found = next(self._found)
        except StopIteration:
            return None
        except RuntimeError as error:
            if "DataLoader timed out" in str(error):
                raise TimeoutError from error
            if "DataLoader worker" not in str(error):
                raise
            raise PyocoEvalError(
                f"a process that reads samples died ({str(error).splitlines()[0]}). If the "
                "memory ran out, lower hardware.workers; 0 shows what it died of"
            ) from error
        if isinstance(found, PyocoEvalError):
            raise found
        return found

    def close(self) -> None:
        """End the thread and the reading processes."""
        self._closing.value = True
        if self._ahead is not None:
            self._ahead.close()
        self._ahead = self._found = None


def _ahead(samples: TrainingSamples, batch: int, workers: int) -> int | None:
    """Batches that each reading process has ready: two, or one where two of all are too large."""
    if not workers:
        return None
    together = 0 if samples.drawing is None else samples.drawing.sample_bytes * batch * workers
    return 2 if 2 * together <= _AHEAD_BYTES else 1


@contextmanager
def _held_back() -> Iterator[None]:
    """Signals wait until the block ends; in a process that starts within it, until it is set up."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _signals() -> list[int]:
    return [getattr(signal, name) for name in (*_LEFT_ALONE, "SIGTERM")]


class _Steps:
    """Numbers of one process's samples, step by step."""

    def __init__(self, steps: range, batch: int, rank: int, size: int) -> None:
        self._steps = steps
        self._batch = batch
        self._share = range(batch * rank // size, batch * (rank + 1) // size)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self._steps:
            yield [step * self._batch + place for place in self._share]

    def __len__(self) -> int:
        return len(self._steps)


class _OutlivesSignals:
    """Set up in a reading process: it ends when it is told to, or with the training process."""

    def __init__(self, closing: Any) -> None:
        self._closing = closing
        self._parent = os.getpid()

    def __call__(self, worker: int) -> None:  # noqa: ARG002
        for name in _LEFT_ALONE:
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        handler: Callable[[int, FrameType | None], None] = self._terminated
        signal.signal(signal.SIGTERM, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _signals())

    def _terminated(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._closing.value or os.getppid() != self._parent:
            os._exit(0)
