"""Inference whose numbers do not depend on the speed settings of the device or the caller."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def exact_inference() -> Iterator[None]:
    """Plain float32: no gradients, no autocast, no TF32, deterministic convolutions.

    TF32 keeps ten bits of each factor, about 1e-3 of a feature; PyTorch allows it in convolutions
    on CUDA by default, and in matrix products where the caller asked for speed. On processors that
    multiply bfloat16, the caller may have asked for that as well, and keep eight bits.
    """
    with (
        _full_products(),
        torch.inference_mode(),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
        torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False),
    ):
        yield


@contextmanager
def _full_products() -> Iterator[None]:
    """PyTorch has an old setting for all backends and, since 2.9, one for each operator."""
    operators = [
        (operator, operator.fp32_precision)
        for operator in _operators()
        if hasattr(operator, "fp32_precision")
    ]
    try:
        before = torch.get_float32_matmul_precision()
    except RuntimeError:  # the new settings contradict each other, as the old one sees it
        before = ""
    torch.set_float32_matmul_precision("highest")
    for operator, _ in operators:
        operator.fp32_precision = "ieee"
    try:
        yield
    finally:
        if before:
            torch.set_float32_matmul_precision(before)
        for operator, precision in operators:
            operator.fp32_precision = precision


def _operators() -> list[Any]:
    backends = (torch.backends.mkldnn, torch.backends.cuda)
    return [
        getattr(backend, name)
        for backend in backends
        for name in ("conv", "matmul")
        if hasattr(backend, name)
    ]
