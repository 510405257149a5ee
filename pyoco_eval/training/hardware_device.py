"""From `hardware` of a config to the device and the group of this process."""

import os
import time
from contextlib import suppress
from datetime import timedelta
from typing import Final

import torch
from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from pyoco_eval.devices import pick_device
from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.processes import await_launched

LONGEST_STEP: Final = timedelta(minutes=30)
"""How long a process waits for the slowest of the others within a step, as torch's default."""


def asked_device(name: str) -> torch.device:
    """What the config names, with the number of this process's GPU where it has one of several.

    Raises:
        UsageError, MissingError: as `pick_device`.
    """
    try:
        device = pick_device(name)
    except (UsageError, MissingError) as error:
        raise type(error)(str(error).replace("--device ", "hardware.device=")) from error
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


class TrainingGroup:
    """The processes that a launcher started for one training, or this one alone.

    A group that a training script made before is used and left as it is.

    Attributes:
        rank, size: number of this process, and how many there are.

    Raises:
        UsageError: the launcher's variables make no sense.
        PeerError: a process of the launcher does not come.
    """

    _made_here = 0
    """Groups so far of this process, and so of each."""

    def __init__(self, device: torch.device) -> None:
        self._store: Store | None = None
        launched = "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1
        if launched and not distributed.is_initialized():
            await_launched()
            # NCCL carries tensors of GPUs alone; what is gathered on CPUs goes by gloo.
            backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
            store, rank, size = next(rendezvous("env://", timeout=LONGEST_STEP))
            # A second training of these processes must not find the addresses of the first.
            number = TrainingGroup._made_here = TrainingGroup._made_here + 1
            self._store = PrefixStore(f"pyoco-eval/training/{number}", store)
            distributed.init_process_group(
                backend, timeout=LONGEST_STEP, store=self._store, rank=rank, world_size=size
            )
        together = distributed.is_initialized()
        self.rank = distributed.get_rank() if together else 0
        self.size = distributed.get_world_size() if together else 1

    def wait(self) -> None:
        """For all processes."""
        if self.size > 1:
            distributed.barrier()

    def wait_for_the_last_time(self) -> None:
        """For all processes, each of which may leave from then on.

        Gloo forgets a message that it has received if its sender closes the connection before the
        message is looked at. So all say by another way that they have looked.
        """
        self.wait()
        if self._store is None:
            return
        key = "through"
        with suppress(RuntimeError):  # whoever kept the store has seen all, and has left
            self._store.add(key, 1)
            while self._store.add(key, 0) < self.size:
                time.sleep(0.01)

    def leave(self) -> None:
        """The group ends, if this made it; another run may begin in this process."""
        if self._store is not None:
            with suppress(RuntimeError):  # one that died has taken the group with it
                distributed.destroy_process_group()
            self._store = None
