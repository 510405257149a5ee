"""What torch's C++ needs before autograd walks tensors of a CUDA device that is not there.

Operators on fake tensors need nothing of the kind. The backward pass does: it asks for the guard of
each tensor's device and for its current stream, which a build without CUDA does not have. No
compiler is used. Torch lets Python supply a device guard, for a backend of one's own, and keeps
guards in a table by device: the guard made there is put in CUDA's place as well. Whether there is
an accelerator is asked of an object with virtual functions; a copy of their table is put in its
place, in which two of them answer yes. Both are taken out again.
"""

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch

ROOT: Final = Path(torch.__file__).parent
_CUDA, _OWN = 1, 20
"""Places of two devices in the table of guards: CUDA's, and that for backends of one's own."""
_TABLE = 96
"""Virtual functions copied: more than there are."""
_YES: Final = ctypes.cast(ctypes.pythonapi.Py_IsInitialized, ctypes.c_void_p).value
"""A function that answers 1 to whatever it is asked."""


def hindrance() -> str:
    """Why this build of torch cannot be told that it has a GPU; empty if it can."""
    if torch.cuda.is_available():
        return "there is a real CUDA device here, which tests marked gpu use"
    if not hasattr(getattr(torch._C, "_acc", None), "DeviceGuard"):
        return f"torch {torch.__version__} takes no device guard from Python"
    try:
        _guards()
        _asked()
    except (OSError, ValueError, AttributeError) as error:
        return f"torch {torch.__version__} is laid out otherwise here: {error}"
    return ""


@contextmanager
def engine_knows_cuda() -> Iterator[None]:
    """The backward pass takes tensors on `cuda:0`; it runs in the caller's thread alone."""
    guards, hooks = _guards(), _hooks()
    table, guard = hooks.value, guards[_CUDA]
    assert table is not None
    whole = ctypes.c_void_p * (_TABLE + 2)  # two words before the functions are of the type
    answers = whole(*whole.from_address(table - 2 * ctypes.sizeof(ctypes.c_void_p)))
    for place in _asked():
        answers[2 + place] = _YES
    guards[_CUDA] = _made_guard()
    hooks.value = ctypes.addressof(answers) + 2 * ctypes.sizeof(ctypes.c_void_p)
    try:
        with torch.autograd.set_multithreading_enabled(False):
            yield
    finally:
        hooks.value, guards[_CUDA] = table, guard


_kept: list[Any] = []


def _made_guard() -> int:
    if not _kept:

        class Guard(torch._C._acc.DeviceGuard):  # type: ignore[name-defined, misc]
            def type_(self) -> Any:
                return torch._C._autograd.DeviceType.CUDA

        guards = _guards()
        before = guards[_OWN]
        guard = Guard()
        torch._C._acc.register_python_privateuseone_device_guard(guard)  # type: ignore[attr-defined]
        _kept.extend((guard, guards[_OWN]))
        guards[_OWN] = before
    return int(_kept[1])


def _guards() -> Any:
    return (ctypes.c_void_p * (_OWN + 1)).in_dll(
        _library("c10"), "_ZN3c104impl26device_guard_impl_registryE"
    )


def _hooks() -> ctypes.c_void_p:
    """The first word of the object that is asked: where its virtual functions are."""
    find = _library("torch_cpu")._ZN2at6detail12getCUDAHooksEv
    find.restype = ctypes.c_void_p
    return ctypes.c_void_p.from_address(find())


def _library(name: str) -> ctypes.CDLL:
    found = sorted((ROOT / "lib").glob(f"lib{name}.*"))
    if not found:
        raise OSError(f"no lib{name}")
    return ctypes.CDLL(str(found[0]))


def _asked() -> list[int]:
    """Numbers of the virtual functions that must answer yes, by torch's own header."""
    header = ROOT / "include" / "ATen" / "detail" / "AcceleratorHooksInterface.h"
    text = header.read_text(encoding="utf-8")
    functions = re.findall(r"virtual\s[^~;{]*?(\w+)\(", text[text.index("~Accelerator") :])
    return [2 + functions.index(name) for name in ("isBuilt", "hasPrimaryContext")]
