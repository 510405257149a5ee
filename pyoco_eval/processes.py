"""Which processes score together: this one alone, those of `torchrun`, or those of a group.

How they talk to each other is in `peers`.
"""

import atexit
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pyoco_eval.errors import UsageError
from pyoco_eval.launching import is_command
from pyoco_eval.peers import (
    SILENCE_VARIABLE,
    KeyValueStore,
    PeerError,
    Processes,
    first_line,
    silence_from_environment,
)

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

_LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")

_joined: Processes | None = None
_handed: Processes | None = None
_kept: "list[object]" = []
_of_groups: "list[tuple[ProcessGroup, Processes]]" = []


def processes() -> Processes:
    """Those handed to `sharing`; for a command those that `torchrun` started; else this one alone.

    A library call joins no group by itself: in a training script the others may never make it.
    Raises UsageError for a launcher's variables that make no sense, PeerError as `gather` does.
    """
    global _joined
    if _handed is not None:
        return _handed
    if not is_command():
        return Processes(0, 1)
    if _joined is None:
        _joined = _join()
    return _joined


@contextmanager
def sharing(group: "ProcessGroup | None") -> Iterator[Processes]:
    """Share what is done here with the processes of a group; all of them must do it.

    Args:
        group: of `torch.distributed`, on any backend; None changes nothing.

    Raises:
        UsageError: this process is no member.
    """
    global _handed
    before = _handed
    if group is not None:
        _handed = _of_group(group)
    try:
        yield processes()
    finally:
        _handed = before


@contextmanager
def alone() -> Iterator[None]:
    """Do what follows in this process only, whatever others there are."""
    global _handed
    before, _handed = _handed, Processes(0, 1)
    try:
        yield
    finally:
        _handed = before


def _of_group(group: "ProcessGroup") -> Processes:
    """Kept, since rounds of messages are counted from the first call on."""
    from torch import distributed

    for known, found in _of_groups:
        if known is group:
            return found
    rank = distributed.get_rank(group)
    if rank < 0:
        raise UsageError("group: this process is no member of it; call only on its members")
    carrier = group
    if distributed.get_backend(group) != "gloo":  # NCCL carries nothing that is not on a GPU
        ranks = distributed.get_process_group_ranks(group)
        carrier = distributed.new_group(ranks, backend="gloo", use_local_synchronization=True)
    store = distributed.distributed_c10d.PrefixStore("pyoco-eval", carrier.get_group_store())
    found = Processes(
        rank, distributed.get_world_size(group), cast("KeyValueStore", store), carrier
    )
    _of_groups.append((group, found))
    return found


def local_rank() -> int | None:
    """Number of this process on its machine, None if it was not launched with others."""
    value = os.environ.get("LOCAL_RANK")
    return int(value) if value is not None and "WORLD_SIZE" in os.environ else None


def own_cores() -> int:
    """CPU cores that this process may keep busy, at least one.

    What affinity (Slurm, taskset) and a quota (containers) leave of the machine, shared among the
    processes that were launched on it together.
    """
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    cores = len(allowed) if allowed is not None else os.cpu_count() or 1
    quota = _quota(Path("/sys/fs/cgroup/cpu.max"))
    if quota is not None:
        cores = min(cores, math.ceil(quota))
    together = os.environ.get("LOCAL_WORLD_SIZE", "1")
    beside = int(together) if local_rank() is not None and together.isdigit() else 1
    return max(1, cores // max(1, beside))


def _quota(file: Path) -> float | None:
    """Cores of a cgroup's quota: `800000 100000` is eight; None for `max` or without cgroups."""
    try:
        quota, period = file.read_text(encoding="ascii").split()
        return float(quota) / float(period)
    except (OSError, ValueError):
        return None


def local_size() -> int:
    """How many processes were launched together on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("WORLD_SIZE") or 1)


def _join() -> Processes:
    size = os.environ.get("WORLD_SIZE", "1")
    if size == "1" or "RANK" not in os.environ:
        return Processes(0, 1)
    missing = [name for name in _LAUNCHED if name not in os.environ]
    if missing:
        raise UsageError(
            f"WORLD_SIZE={size} says that several processes run, but {', '.join(missing)} is not "
            "set; start them with torchrun, or unset WORLD_SIZE"
        )
    from torch import distributed

    silence = silence_from_environment()
    try:
        if distributed.is_initialized():  # by a training script, maybe for GPUs alone
            group = distributed.new_group(backend="gloo")
        else:
            distributed.init_process_group("gloo", timeout=timedelta(seconds=silence))
            group = distributed.group.WORLD
            atexit.register(_end_group)
    except (RuntimeError, ValueError) as error:
        raise _cannot_meet(size, error, silence) from error
    store = distributed.distributed_c10d.PrefixStore("pyoco-eval", group.get_group_store())
    rank, count = distributed.get_rank(), distributed.get_world_size()
    return Processes(rank, count, cast("KeyValueStore", store), group)


def await_launched() -> None:
    """Wait until every process of the launcher is there, for training that joins them later.

    What joins them has one limit for meeting and for the slowest step alike, of half an hour. One
    that died before it joined should not cost the others that.

    Raises:
        UsageError: the launcher's variables make no sense.
        PeerError: not all came within the seconds of `SILENCE_VARIABLE`.
    """
    size = os.environ.get("WORLD_SIZE", "1")
    if size == "1" or "RANK" not in os.environ:
        return
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    if distributed.is_initialized():
        return
    silence = silence_from_environment()
    end = time.monotonic() + silence
    try:
        meeting = next(rendezvous("env://", timeout=timedelta(seconds=silence)))
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store = distributed.distributed_c10d.PrefixStore(f"pyoco-eval-there-{attempt}", meeting[0])
        _kept.append(store)  # others find the launcher's store through the first process's
        there = store.add("count", 1)
        while there < int(size):
            if time.monotonic() > end:
                raise RuntimeError(f"{there} of {size} came")
            time.sleep(0.05)
            there = store.add("count", 0)
    except (RuntimeError, ValueError) as error:
        raise _cannot_meet(size, error, silence) from error


def _cannot_meet(size: str, error: Exception, silence: float) -> PeerError:
    return PeerError(
        f"the {size} processes cannot meet ({first_line(error)}): one died before it joined, "
        f"or comes later than {silence:.0f} s; {SILENCE_VARIABLE} is the seconds to wait"
    )


def _end_group() -> None:
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()
