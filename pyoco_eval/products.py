"""How many bits of each factor float32 products keep: the one place that reads and sets it.

On CUDA products may round their factors to ten bits (TF32), about 1e-3 of the result; PyTorch lets
convolutions do so unless told otherwise. On CPUs that multiply bfloat16 they may keep eight.

PyTorch 2.9 names a precision for every operator (`fp32_precision`), which kernels go by, beside the
older switches. The older ones raise an error where the newer were set to what they cannot say, so
they are only read with care here, and set first.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

_OPERATORS: Final = tuple(
    (backend, operator) for backend in ("cuda", "mkldnn") for operator in ("matmul", "conv", "rnn")
)
_ABOVE: Final = (("generic", "all"), ("cuda", "all"), ("mkldnn", "all"))
"""What operators go by that have no setting of their own."""

_State = dict[tuple[str, str], str]


class Products:
    """The settings of this process when it was made."""

    def __init__(self) -> None:
        self._older = _older()
        self._newer = _newer()

    def round_factors(self, allowed: bool) -> None:
        """TF32 in all products on CUDA, or full float32 everywhere."""
        torch.set_float32_matmul_precision("highest")
        torch._C._set_cudnn_allow_tf32(False)
        for backend, operator in _OPERATORS:
            _set(backend, operator, "ieee")
        if allowed:
            torch.backends.cuda.matmul.allow_tf32 = True
            torch._C._set_cudnn_allow_tf32(True)

    def restore(self) -> None:
        """As it was."""
        matmul, convolutions = self._older
        if matmul is not None:
            torch.set_float32_matmul_precision(matmul)
        if convolutions is not None:
            torch._C._set_cudnn_allow_tf32(convolutions)
        for (backend, operator), precision in self._newer.items():
            _set(backend, operator, precision)


@contextmanager
def products(*, tf32: bool) -> Iterator[None]:
    """Around what is computed with TF32 on CUDA, or with none; afterwards all is as it was."""
    before = Products()
    before.round_factors(tf32)
    try:
        yield
    finally:
        before.restore()


def rounded_products() -> tuple[str, ...]:
    """Which products of this process CUDA may round now: `matmul`, `conv`, both or none."""
    names = ("matmul", "conv")
    return tuple(name for name in names if _get("cuda", name) == "tf32")


def _older() -> tuple[str | None, bool | None]:
    """None for what the older switches cannot say, which makes them raise."""
    matmul: str | None
    convolutions: bool | None
    try:
        matmul = torch.get_float32_matmul_precision()
    except RuntimeError:
        matmul = None
    try:
        convolutions = torch._C._get_cudnn_allow_tf32()
    except RuntimeError:
        convolutions = None
    return matmul, convolutions


def _newer() -> _State:
    """Each setting by itself: one that follows those above it is read without them."""
    found: _State = {}
    for backend, operator in _ABOVE:
        found[backend, operator] = _get(backend, operator)
        _set(backend, operator, "none")
    for backend, operator in _OPERATORS:
        found[backend, operator] = _get(backend, operator)
    for backend, operator in _ABOVE:
        _set(backend, operator, found[backend, operator])
    return found


def _get(backend: str, operator: str) -> str:
    return str(torch._C._get_fp32_precision_getter(backend, operator))


def _set(backend: str, operator: str, precision: str) -> None:
    torch._C._set_fp32_precision_setter(backend, operator, precision)
