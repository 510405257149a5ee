"""From `--device` to the device that computes, and what it can compute with."""

from collections.abc import Iterable
from functools import cache
from typing import Final

import torch

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.processes import local_rank, local_size

EMULATED: Final = "bf16-emulated"
"""How scores are signed whose bfloat16 values were multiplied without instructions for them."""


def pick_device(name: str) -> torch.device:
    """The device of this process, for every command that takes `--device`.

    `auto` is CUDA where there is one, else the CPU. Where a launcher started several processes on
    this machine, `auto` and `cuda` are a GPU of each one's own, as far as there are so many.

    Raises:
        UsageError: not a device, or one GPU for several processes of this machine.
        MissingError: a device this machine does not have.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device {name!r}: use auto, cpu, cuda, cuda:1 or mps") from error
    count = torch.cuda.device_count()
    present = {"cpu": True, "cuda": (device.index or 0) < count}
    present["mps"] = torch.backends.mps.is_available()
    if not present.get(device.type, False):
        raise MissingError(f"--device {name}: not available here; use --device cpu")
    rank = local_rank()
    if device.type != "cuda" or rank is None:
        return device
    if name == "cuda":
        return torch.device("cuda", rank % count)
    together = local_size()
    if together > 1:
        raise UsageError(
            f"--device {name}: is one GPU for {together} processes of this machine; --device cuda "
            "gives each its own"
        )
    return device


def conv3d_fault() -> str:
    """What is wrong with bfloat16 convolutions over time on this machine's GPUs; empty if nothing.

    cuDNN 9.10 to 9.14, the former with the usual build of torch 2.9, computes wrong numbers for
    large inputs (pytorch#163539).
    """
    version = torch.backends.cudnn.version() if torch.cuda.is_available() else None  # type: ignore[no-untyped-call]
    if version is None or not 91000 <= version < 91500:
        return ""
    named = f"{version // 10000}.{version // 100 % 100}"
    return f"cuDNN {named} computes wrong bfloat16 convolutions over time (pytorch#163539)"


def refuse_faulty_conv3d(modules: Iterable[torch.nn.Module], device: torch.device) -> None:
    """Before networks run in bfloat16 on `device`.

    Raises:
        UsageError: one of them convolves over time, which comes out wrong here.
    """
    if device.type != "cuda" or not (fault := conv3d_fault()):
        return
    if any(isinstance(layer, torch.nn.Conv3d) for module in modules for layer in module.modules()):
        raise UsageError(
            f"--precision bf16: {fault}; use --precision fp32, or install nvidia-cudnn-cu12>=9.15"
        )


def arithmetic(precision: str, device: torch.device, *, tf32: bool = False) -> str:
    """A precision as it is signed: `fp32`, `bf16`, or `bf16-emulated` on devices without it.

    With `tf32` it is named so on CUDA, whose products then round; bfloat16 comes before it.

    Features of the last two differ by 1e-3 (I3D) to 9e-3 (CLIP) of their length, so scores say
    which it was.
    """
    supported = True
    if precision == "bf16" and device.type == "cpu":
        supported = onednn_takes(torch.bfloat16)
    if precision == "bf16" and device.type == "cuda":
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == "fp32" and tf32 and device.type == "cuda":
        return "tf32"
    return precision if supported else EMULATED


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
