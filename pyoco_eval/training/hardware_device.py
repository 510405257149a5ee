"""From `hardware.device` to the device that accelerate takes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from pyoco_eval.devices import pick_device
from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.processes import local_size

_VARIABLE: Final = "ACCELERATE_TORCH_DEVICE"


def asked_device(name: str) -> torch.device | None:
    """What the config names; None for `auto`, which accelerate finds.

    Raises:
        UsageError, MissingError: as `pick_device`.
    """
    if name == "auto":
        return None
    try:
        return pick_device(name)
    except (UsageError, MissingError) as error:
        raise type(error)(str(error).replace("--device ", "hardware.device=")) from error


@contextmanager
def accelerate_told(device: torch.device | None) -> Iterator[None]:
    """While accelerate looks for its device: one GPU of several, where a single process has it.

    Several processes get their GPUs from it by their numbers, the same as `pick_device` finds.
    """
    if device is None or device.index is None or local_size() > 1:
        yield
        return
    torch.cuda.set_device(device)
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = str(device)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before
