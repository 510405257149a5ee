"""Host memory through which inputs pass on their way to a device, used again and again.

Fresh memory costs several times what the copy into it does: every page of it is first cleared,
and page-locking takes longer still.
"""

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np
import torch

from pyoco_eval.extraction.feeding.transfers import Mark, Transfers

_LEAST_BYTES = 1 << 16


@dataclass(eq=False)
class Load:
    """Values of one clip, copied to the device once for all networks that want them.

    Attributes:
        host: where they are in host memory.
        buffer: what they lie in, to be given back; None for memory of their own.
        there: on the device, once they are on their way.
    """

    host: torch.Tensor
    buffer: torch.Tensor | None = None
    there: torch.Tensor | None = None


class Staging:
    """Buffers, each of a power of two of bytes. Threads fill them, one of them sends them off."""

    def __init__(self, transfers: Transfers) -> None:
        self._transfers = transfers
        self._free: dict[int, list[torch.Tensor]] = {}
        self._given: dict[int, torch.Tensor] = {}
        self._leaving: deque[tuple[Mark, torch.Tensor]] = deque()
        self._lock = threading.Lock()
        self.made = 0
        """Buffers made so far; it stops growing once as many are made as are ever in use."""

    def frames(self, shape: tuple[int, ...]) -> np.ndarray:
        """uint8 memory to decode into; then `load` or `release` it."""
        buffer = self._take(int(np.prod(shape)))
        frames = _view(buffer, torch.uint8, shape).numpy()
        with self._lock:
            self._given[_address(frames)] = buffer
        return frames

    def load(self, values: np.ndarray | torch.Tensor) -> Load:
        """Values ready to be sent: where they are, if they lie in memory from `frames`."""
        if isinstance(values, np.ndarray):
            with self._lock:
                buffer = self._given.pop(_address(values), None)
            if buffer is not None:
                return Load(_view(buffer, torch.uint8, values.shape), buffer)
            values = torch.from_numpy(np.ascontiguousarray(values))
        buffer = self._take(values.numel() * values.element_size())
        host = _view(buffer, values.dtype, tuple(values.shape))
        return Load(host.copy_(values), buffer)

    def release(self, frames: np.ndarray) -> None:
        """Nothing more is read from memory that `frames` gave, unless it was loaded."""
        with self._lock:
            buffer = self._given.pop(_address(frames), None)
        if buffer is not None:
            self._give_back(buffer)

    def send(self, load: Load) -> torch.Tensor:
        """The values on the device, from where the copy waits for nobody."""
        if load.there is None:
            load.there = self._transfers.to_device(load.host)
            if load.buffer is not None:
                self._leaving.append((self._transfers.copied(), load.buffer))
                load.buffer = None
        while self._leaving and self._leaving[0][0].query():
            self._give_back(self._leaving.popleft()[1])
        return load.there

    def _take(self, num_bytes: int) -> torch.Tensor:
        size = 1 << max(num_bytes, _LEAST_BYTES).bit_length()
        with self._lock:
            free = self._free.get(size)
            if free:
                return free.pop()
            self.made += 1
        return self._transfers.host((size,), torch.uint8)

    def _give_back(self, buffer: torch.Tensor) -> None:
        with self._lock:
            self._free.setdefault(len(buffer), []).append(buffer)


def _view(buffer: torch.Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    num_bytes = int(np.prod(shape)) * dtype.itemsize
    return buffer[:num_bytes].view(dtype).view(shape)


def _address(values: np.ndarray) -> int:
    address: int = values.__array_interface__["data"][0]
    return address
