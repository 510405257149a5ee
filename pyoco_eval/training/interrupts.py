"""Ctrl-C and SIGTERM end a run after its step, with a checkpoint; a second Ctrl-C at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pyoco_eval.errors import PyocoEvalError


class StoppedError(PyocoEvalError):
    """The run was asked to stop and kept its state."""

    exit_code = 130


class Interrupts:
    """Whether the run was asked to stop.

    Attributes:
        asked: by a signal.
    """

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def listening(self) -> Iterator["Interrupts"]:
        """Catch the signals in the block; outside the main thread there is nothing to catch."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
        for name in before:
            signal.signal(name, self._heard)
        try:
            yield self
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True
