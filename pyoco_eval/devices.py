"""From `--device` to the device that computes."""

import torch

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.processes import local_rank


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU; each of several processes has its own GPU.

    Raises:
        UsageError: not a device.
        MissingError: a device this machine does not have.
    """
    if name == "auto":
        if not torch.cuda.is_available():
            return torch.device("cpu")
        rank = local_rank()
        return torch.device("cuda" if rank is None else f"cuda:{rank % torch.cuda.device_count()}")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device {name!r}: use auto, cpu, cuda, cuda:1 or mps") from error
    present = {"cpu": True, "cuda": (device.index or 0) < torch.cuda.device_count()}
    present["mps"] = torch.backends.mps.is_available()
    if not present.get(device.type, False):
        raise MissingError(f"--device {name}: not available here; use --device cpu")
    return device
