"""Limits of time that a server cannot stretch by sending a byte now and then.

The timeouts of sockets count from the last byte. A server that drips one byte a second in a header,
a chunk size or `100 Continue`s never meets them; here whole answers have a limit.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self, TypeVar

THREAD: Final = "pyoco-eval-within"

_Answer = TypeVar("_Answer")


def within(seconds: float, ask: Callable[[], _Answer]) -> _Answer:
    """What `ask` returns or raises, if it does so in time.

    It runs in a thread of its own, which is left behind when it is late: nothing but a byte from
    the server would wake it.

    Raises:
        TimeoutError: no answer after so many seconds.
    """
    answers: list[_Answer] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(ask())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True, name=THREAD)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise TimeoutError(f"no whole answer within {seconds:g} s")
    return answers[0]


class Watch:
    """Ends a connection on which too little arrives, whatever its reader is waiting for.

    Args:
        raw: the answer being read, with `fileno()`.
        seconds: in which `least` bytes must arrive.

    Attributes:
        expired: it has ended the connection; the reader then sees an error or the end.
        arrived: bytes so far, counted by the reader.
    """

    def __init__(self, raw: Any, seconds: float, least: int) -> None:
        self._socket = socket.socket(fileno=os.dup(raw.fileno()))
        self._seconds = seconds
        self._least = least
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.expired = False
        self.arrived = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        mark, since = 0, time.monotonic()
        while not self._over.wait(min(0.2, self._seconds / 5)):
            if self.arrived - mark >= self._least:
                mark, since = self.arrived, time.monotonic()
            elif time.monotonic() - since > self._seconds:
                self.expired = True
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError:  # closed by the server meanwhile
                    return
                return
