"""Inference whose numbers do not depend on the speed settings of the device or the caller."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pyoco_eval.products import products


@contextmanager
def exact_inference() -> Iterator[None]:
    """Plain float32: no gradients, no autocast, no TF32, deterministic convolutions.

    Whatever the caller has set, by PyTorch's older switches or its newer ones, is as before
    afterwards.
    """
    with (
        products(tf32=False),
        torch.inference_mode(),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
        _deterministic_convolutions(),
    ):
        yield


@contextmanager
def _deterministic_convolutions() -> Iterator[None]:
    """Not by `torch.backends.cudnn.flags`, whose older switches raise where newer ones are set."""
    before = (
        torch._C._get_cudnn_enabled(),
        torch._C._get_cudnn_benchmark(),
        torch._C._get_cudnn_deterministic(),
    )
    _set_cudnn(enabled=True, benchmark=False, deterministic=True)
    try:
        yield
    finally:
        _set_cudnn(*before)


def _set_cudnn(enabled: bool, benchmark: bool, deterministic: bool) -> None:
    torch._C._set_cudnn_enabled(enabled)
    torch._C._set_cudnn_benchmark(benchmark)
    torch._C._set_cudnn_deterministic(deterministic)
