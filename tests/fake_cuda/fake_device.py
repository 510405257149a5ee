"""A CUDA device whose tensors have a shape, a dtype and a layout, but no content.

Tensors of the CPU are real. What is moved to `cuda`, or made there, is fake from then on, and so is
what is computed from it: operators check devices and dtypes as CUDA's do. A number read from such a
tensor is 1; conditions hold, but nothing that `any` asks for is found. What is copied back to the
CPU is real again, and full of ones.

Not seen: what kernels compute, which one computes it, memory, streams, NCCL, times.
"""

import functools
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar
from unittest import mock

import torch
import torch.nn.functional as F
from cuda_attention import Attention
from cuda_engine import engine_knows_cuda
from torch import nn
from torch._subclasses import fake_tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

Network = TypeVar("Network", bound=nn.Module)
_ASKS_DEVICE = (torch.ops.prim.device.default,)
_ATTENTION = "scaled_dot_product_attention"
_aten = torch.ops.aten
_READ = (_aten._local_scalar_dense.default, _aten.item.default, _aten.is_nonzero.default)
_EMPTY = ("aten::empty", "aten::new_empty")
_ANY = (_aten.any.default, _aten.any.dim, _aten.any.dims)


class Machine(TorchDispatchMode):
    """Sends operators to the CPU, or to the device that is not there.

    Attributes:
        written: bytes that operators have written on the device, views apart.
        reads: how often the host has asked for a number of the device.
        value: what it hears, and what is in all that is copied to it.
        attention: which kernels took the calls of attention.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fake = FakeTensorMode()
        self.written = 0
        self.reads = 0
        self.value = 1.0
        self.attention = Attention()
        self._false: weakref.WeakValueDictionary[int, torch.Tensor] = weakref.WeakValueDictionary()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _ASKS_DEVICE and isinstance(args[0], FakeTensor):
            return args[0].fake_device
        given = [*_leaves(args), *_leaves(kwargs.values())]
        stand_ins = [value for value in given if isinstance(value, FakeTensor)]
        if not stand_ins and not any(_is_cuda(value) for value in given):
            return func(*args, **kwargs)
        if func in _READ:
            self.reads += 1
            return self._read(args[0])
        if func is _aten.index.Tensor and _is_mask(args[1]):
            return args[0].flatten(0, args[1][0].dim() - 1).clone()
        own: dict[int, torch.Tensor] = {}
        if len(stand_ins) < sum(isinstance(value, torch.Tensor) for value in given):
            change = functools.partial(self._faked, own=own)
            args, kwargs = tree_map_only(torch.Tensor, change, (args, kwargs))
        with self.fake:
            made = func(*args, **kwargs)
        if isinstance(made, FakeTensor) and made.fake_device.type == "cpu" and _on_cuda(stand_ins):
            return torch.empty_strided(made.shape, made.stride(), dtype=made.dtype).fill_(
                self.value
            )
        if func in _ANY:
            self._false[id(made)] = made
        if not func._schema.name.startswith(_EMPTY):  # written by whoever asked for it
            self._count(made, stand_ins, func._schema.is_mutable)
        return tree_map_only(torch.Tensor, lambda t: own.get(id(t), t), made) if own else made

    def _read(self, tensor: torch.Tensor) -> bool | int | float:
        if tensor.dtype == torch.bool:
            return self._false.get(id(tensor)) is not tensor
        return self.value if tensor.dtype.is_floating_point else 1

    def _faked(self, tensor: torch.Tensor, own: dict[int, torch.Tensor]) -> FakeTensor:
        """A tensor as operators of the device take it; `own` learns whose stand-in it is."""
        if isinstance(tensor, FakeTensor):
            return tensor
        stand_in = self.fake.from_tensor(tensor, static_shapes=True)
        own[id(stand_in)] = tensor
        return stand_in

    def _count(self, made: Any, given: list[FakeTensor], mutable: bool) -> None:
        before = {tensor.untyped_storage()._cdata for tensor in given}
        for tensor in _leaves((made,)):
            if not isinstance(tensor, FakeTensor) or tensor.fake_device.type != "cuda":
                continue
            if mutable or tensor.untyped_storage()._cdata not in before:
                self.written += tensor.numel() * tensor.element_size()


@contextmanager
def fake_cuda(count: int = 1) -> Iterator[Machine]:
    """Torch finds `count` CUDA devices that compute nothing.

    Devices other than `cuda:0` may hold tensors; backward passes run on the first alone.
    """
    with ExitStack() as stack:
        for name, found in _said(count).items():
            stack.enter_context(mock.patch.object(torch.cuda, name, found))
        stack.enter_context(mock.patch.object(fake_tensor, "init_gpu_context"))
        stack.enter_context(mock.patch.object(torch.Tensor, "tolist", _tolist))
        stack.enter_context(mock.patch.object(torch.Tensor, "__setitem__", _setitem))
        stack.enter_context(mock.patch.object(nn.Module, "_apply", _apply))
        stack.enter_context(mock.patch.object(torch, "empty", _empty))
        stack.enter_context(mock.patch.object(torch.Tensor, "pin_memory", lambda self: self))
        machine = Machine()
        stack.enter_context(mock.patch.object(F, _ATTENTION, machine.attention))
        stack.enter_context(_lists_pass_the_cpu())
        stack.enter_context(engine_knows_cuda())
        yield stack.enter_context(machine)


@contextmanager
def _lists_pass_the_cpu() -> Iterator[None]:
    """`torch.tensor` makes tensors of the CPU and moves them, which a mode sees."""
    before = torch._C._only_lift_cpu_tensors()  # type: ignore[attr-defined]
    torch._C._set_only_lift_cpu_tensors(True)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch._C._set_only_lift_cpu_tensors(before)  # type: ignore[attr-defined]


def hollow(network: Network, machine: Machine, device: str = "cpu") -> Network:
    """A network, of torch's meta device maybe, without content; its strides stay."""

    def emptied(t: torch.Tensor) -> torch.Tensor:
        with machine.fake:
            return torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device=device)

    network._apply(emptied)
    return network


def _said(count: int) -> dict[str, Callable[..., Any]]:
    return {
        "is_available": lambda: True,
        "device_count": lambda: count,
        "current_device": lambda: 0,
        "set_device": lambda device: None,
        "is_bf16_supported": lambda including_emulation=True: True,
        "is_initialized": lambda: True,
        "_lazy_init": lambda: None,
        "get_rng_state": lambda device=0: torch.empty(0, dtype=torch.uint8),
        "set_rng_state": lambda state, device=0: None,
        "manual_seed_all": lambda seed: None,
        "synchronize": lambda device=None: None,
        "get_device_capability": lambda device=None: (9, 0),
    }


def _leaves(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _leaves(value)
        else:
            yield value


def _is_mask(indices: list[torch.Tensor | None]) -> bool:
    return len(indices) == 1 and indices[0] is not None and indices[0].dtype == torch.bool


def _is_cuda(value: object) -> bool:
    return isinstance(value, torch.device) and value.type == "cuda"


def _on_cuda(tensors: Iterable[FakeTensor]) -> bool:
    return any(tensor.fake_device.type == "cuda" for tensor in tensors)


_real_empty = torch.empty
_real_tolist = torch.Tensor.tolist
_real_setitem = torch.Tensor.__setitem__


def _empty(*shape: Any, pin_memory: bool = False, **told: Any) -> torch.Tensor:
    """Page-locked memory is CUDA's, which is not here; that of the host does."""
    del pin_memory
    return _real_empty(*shape, **told)


def _tolist(self: torch.Tensor) -> Any:
    if not isinstance(self, FakeTensor):
        return _real_tolist(self)
    return _real_tolist(self.cpu())


def _setitem(self: torch.Tensor, index: Any, value: Any) -> None:
    """Lists as indices become tensors in C++, where no mode sees them: here before."""
    _real_setitem(self, torch.tensor(index) if isinstance(index, list) else index, value)


def _apply(
    self: nn.Module, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True
) -> nn.Module:
    """As torch's, but always with new parameters: it cannot exchange the content of fake ones."""
    for child in self.children():
        child._apply(fn)
    for name, parameter in self._parameters.items():
        if parameter is not None:
            with torch.no_grad():
                moved = fn(parameter)
            self._parameters[name] = nn.Parameter(moved, parameter.requires_grad)
    for name, buffer in self._buffers.items():
        if buffer is not None:
            self._buffers[name] = fn(buffer)
    return self
