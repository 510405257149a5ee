"""From `--device` to the device that computes, and what it can compute with."""

from functools import cache
from typing import Final, Literal

import torch

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.processes import local_rank

EMULATED: Final = "bf16-emulated"
"""How scores are signed whose bfloat16 values were multiplied without instructions for them."""


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


def bf16_arithmetic(device: torch.device) -> Literal["bf16", "bf16-emulated"]:
    """How this device multiplies bfloat16: by its own instructions, or through float32.

    Features of the two differ by 1e-3 (I3D) to 9e-3 (CLIP) of their length, so scores say which.
    """
    if device.type == "cpu":
        return "bf16" if onednn_takes(torch.bfloat16) else EMULATED
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return EMULATED
    return "bf16"


@cache
def onednn_takes(dtype: torch.dtype) -> bool:
    """Whether oneDNN convolves this format here. The operator itself is asked, by a call.

    It is no documented part of PyTorch: a build may lack it, and a processor without the
    instructions of a format is refused. oneDNN keeps its own list of instructions, which
    `ONEDNN_MAX_CPU_ISA` shortens; PyTorch's `ATEN_CPU_CAPABILITY` does not.
    """
    one = torch.ones((1, 1, 1, 1, 1), dtype=dtype)
    try:
        torch.mkldnn_convolution(one, one, None, (0, 0, 0), (1, 1, 1), (1, 1, 1), 1)
    except (RuntimeError, AttributeError):
        return False
    return True
