"""The messages of many processes that score one set of videos together.

Each process takes a contiguous range of the videos; process 0 gathers what they found. Control
messages go through the key-value store that `torchrun` provides, features through gloo. Every
process beats once a second: one that falls silent, or says that it failed, ends the others with an
error that names it, so nobody waits for ever.
"""

import atexit
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.progress import Stage

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

SILENCE_VARIABLE: Final = "PYOCO_EVAL_PEER_TIMEOUT"
"""Environment variable: seconds after which a silent process counts as dead."""

UNIT: Final = 16
"""Shares start at multiples of it, so that files of so many samples have one writer."""

_DEFAULT_SILENCE = 120.0
_BEAT_SECONDS = 1.0
_POLL_SECONDS = 0.1
_PIECE = 1 << 28


class KeyValueStore(Protocol):
    """What is used of a `torch.distributed` key-value store."""

    def set(self, key: str, value: str) -> None:
        """Write a value."""
        ...

    def get(self, key: str) -> bytes:
        """Wait for a value and read it."""
        ...

    def add(self, key: str, amount: int) -> int:
        """Add to a counter, from 0 on; what it is then."""
        ...

    def check(self, keys: list[str]) -> bool:
        """Whether all of these have a value, without waiting."""
        ...

    def clone(self) -> "KeyValueStore":
        """Another connection to the same store, for another thread."""
        ...


class PeerError(PyocoEvalError):
    """Another process failed or is gone; this one only says so."""


class Processes:
    """This process alone, or one of several. All of them make the same calls in the same order.

    Attributes:
        rank: number of this process; 0 gathers, prints and writes.
        size: how many there are.
    """

    def __init__(
        self,
        rank: int,
        size: int,
        store: KeyValueStore | None = None,
        group: "ProcessGroup | None" = None,
    ) -> None:
        self.rank = rank
        self.size = size
        self._store = store
        self._group = group
        self._silence = silence_from_environment()
        self._rounds = 0
        self._checked = 0.0
        self._beats: dict[int, tuple[int, float]] = {}
        self._over = threading.Event()
        if store is not None:
            self._heart = threading.Thread(target=self._beat, args=(store.clone(),), daemon=True)
            self._heart.start()
            atexit.register(self._stop_beating)

    @property
    def is_main(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """The videos of this process: whole units, as even as they divide; possibly none."""
        units = -(-count // UNIT)
        start, stop = (units * part // self.size * UNIT for part in (self.rank, self.rank + 1))
        return range(min(start, count), min(stop, count))

    def gather(self, payload: bytes) -> list[bytes] | None:
        """Payloads of all processes in order on process 0, None elsewhere.

        Raises:
            PeerError: a process failed or died.
        """
        if self._store is None:
            return [payload]
        self._rounds += 1
        key = f"gather/{self._rounds}"
        if self.rank:
            self._set(f"{key}/{self.rank}", str(len(payload)))
            self._wait_for(f"{key}/go/{self.rank}")
            self._send(payload, 0)
            return None
        found = [payload]
        for peer in range(1, self.size):
            length = int(self._wait_for(f"{key}/{peer}"))
            self._set(f"{key}/go/{peer}", "")
            found.append(self._receive(length, peer))
        return found

    def broadcast(self, payload: bytes | None) -> bytes:
        """Give every process the payload of process 0.

        Raises:
            PeerError: a process failed or died.
        """
        if self._store is None:
            assert payload is not None
            return payload
        self._rounds += 1
        key = f"broadcast/{self._rounds}"
        if self.rank:
            length = int(self._wait_for(key))
            self._set(f"{key}/{self.rank}", "")
            return self._receive(length, 0)
        assert payload is not None
        self._set(key, str(len(payload)))
        for peer in range(1, self.size):
            self._wait_for(f"{key}/{peer}")
            self._send(payload, peer)
        return payload

    def total(self, amount: int) -> int:
        """The sum of what each process names, on all of them."""
        found = self.gather(str(amount).encode())
        whole = None if found is None else str(sum(map(int, found))).encode()
        return int(self.broadcast(whole))

    def count(self, name: str, amount: int) -> int:
        """Add to a counter that all processes share; returns its value."""
        if self._store is None:
            return amount
        with self._reachable():
            return int(self._store.add(f"count/{self._rounds}/{name}", amount))

    def check_peers(self) -> None:
        """Raises PeerError if another process said that it failed. Cheap enough for every video."""
        if self._store is None or time.monotonic() - self._checked < 1:
            return
        self._checked = time.monotonic()
        self._raise_if_failed()

    @contextmanager
    def announcing_failure(self) -> Iterator[None]:
        """Tell the others if what is done here fails, so that they stop too."""
        try:
            yield
        except PeerError:
            raise
        except BaseException as error:
            if self._store is not None:
                with suppress(PeerError):
                    self._set("failed", f"{self.rank}\n{first_line(error)}")
            raise

    def _set(self, key: str, value: str) -> None:
        assert self._store is not None
        with self._reachable():
            self._store.set(key, value)

    def _wait_for(self, key: str) -> str:
        assert self._store is not None
        while True:
            with self._reachable():
                if self._store.check([key]):
                    return str(self._store.get(key).decode())
            self._raise_if_failed()
            self._raise_if_silent()
            time.sleep(_POLL_SECONDS)

    def _raise_if_failed(self) -> None:
        assert self._store is not None
        with self._reachable():
            if not self._store.check(["failed"]):
                return
            rank, _, message = self._store.get("failed").decode().partition("\n")
        if int(rank) != self.rank:
            raise PeerError(f"process {rank} of {self.size} failed: {message}")

    def _raise_if_silent(self) -> None:
        assert self._store is not None
        now = time.monotonic()
        for peer in range(self.size):
            if peer == self.rank:
                continue
            with self._reachable():
                beat = int(self._store.add(f"beat/{peer}", 0))
            last, since = self._beats.get(peer, (-1, now))
            if beat != last:
                self._beats[peer] = (beat, now)
            elif now - since > self._silence:
                raise PeerError(
                    f"process {peer} of {self.size} has given no sign of life for "
                    f"{self._silence:.0f} s: it died or its machine hangs. Start the command again"
                    "; with --keep-features it goes on from what is on disk."
                )

    def _beat(self, store: KeyValueStore) -> None:
        with suppress(RuntimeError):  # the store is gone: whoever waits will say so
            store.add(f"beat/{self.rank}", 1)
            while not self._over.wait(_BEAT_SECONDS):
                store.add(f"beat/{self.rank}", 1)

    def _stop_beating(self) -> None:
        """An interpreter that ends while a thread is inside the store aborts."""
        self._over.set()
        self._heart.join(timeout=5)

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise PeerError(
                f"the process that started first cannot be reached any more ({first_line(error)})"
            ) from error

    def _send(self, payload: bytes, peer: int) -> None:
        import torch

        data = torch.from_numpy(np.frombuffer(payload, np.uint8).copy())
        with self._connected(peer):
            for piece in torch.split(data, _PIECE):
                torch.distributed.send(piece, group=self._group, group_dst=peer)

    def _receive(self, length: int, peer: int) -> bytes:
        import torch

        data = torch.empty(length, dtype=torch.uint8)
        with self._connected(peer):
            for piece in torch.split(data, _PIECE):
                torch.distributed.recv(piece, group=self._group, group_src=peer)
        return data.numpy().tobytes()

    @contextmanager
    def _connected(self, peer: int) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise PeerError(
                f"process {peer} of {self.size} broke off ({first_line(error)})"
            ) from error


class SharedStage:
    """A stage of work that shows how much is done in all processes together."""

    def __init__(self, stage: Stage, group: Processes) -> None:
        self._stage = stage
        self._group = group
        self._shown = 0

    def advance(self) -> None:
        """One piece more is done by this process; raises PeerError if another one failed."""
        done = self._group.count("videos", 1)
        self.show(done if self._group.size > 1 else self._shown + 1)
        self._group.check_peers()

    def show(self, done: int) -> None:
        """So many are known to be done in all."""
        for _ in range(done - self._shown):
            self._stage.advance()
        self._shown = max(done, self._shown)


def silence_from_environment() -> float:
    """Seconds after which a silent process counts as dead; raises UsageError for no number."""
    text = os.environ.get(SILENCE_VARIABLE)
    if text is None:
        return _DEFAULT_SILENCE
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not seconds > 2 * _BEAT_SECONDS:
        raise UsageError(f"{SILENCE_VARIABLE}={text}: a number of seconds above 2")
    return seconds


def first_line(error: BaseException) -> str:
    """Of its message, or else its type."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
