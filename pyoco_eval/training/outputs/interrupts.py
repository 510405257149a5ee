"""Signals end a run with a checkpoint before a scheduler kills it; a second Ctrl-C at once.

SIGTERM comes from `kill`, `timeout` and schedulers, SIGUSR1 and SIGUSR2 from `sbatch --signal` and
Grid Engine, SIGINT from the keyboard.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType
from typing import Final

from pyoco_eval.errors import PyocoEvalError

REQUEUE_CODE: Final = 75
"""EX_TEMPFAIL of sysexits.h: try again later."""


class Stop(IntEnum):
    """Who wants the run to end; of several the greatest counts."""

    NOBODY = 0
    KEYBOARD = 1
    SCHEDULER = 2


_EXIT_CODES: Final = {Stop.KEYBOARD: 130, Stop.SCHEDULER: REQUEUE_CODE}


class StoppedError(PyocoEvalError):
    """The run was asked to stop and kept its state.

    Args:
        who: asked; Ctrl-C exits with 130, a scheduler's signal with `REQUEUE_CODE`.
    """

    def __init__(self, message: str, who: Stop) -> None:
        super().__init__(message)
        self.who = who
        self.exit_code = _EXIT_CODES[who]


class Interrupts:
    """Whether the run was asked to stop.

    Attributes:
        asked: by a signal.
    """

    def __init__(self) -> None:
        self.asked = Stop.NOBODY

    @contextmanager
    def listening(self) -> Iterator["Interrupts"]:
        """Catch the signals in the block; outside the main thread there is nothing to catch."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        names = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
        before = {name: signal.getsignal(name) for name in names}
        for name in names:
            signal.signal(name, self._heard)
        try:
            yield self
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        by_hand = number == signal.SIGINT
        if self.asked == Stop.KEYBOARD and by_hand:
            raise KeyboardInterrupt
        self.asked = max(self.asked, Stop.KEYBOARD if by_hand else Stop.SCHEDULER)
