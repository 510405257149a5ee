"""Inference whose numbers do not depend on the speed settings of the device or the caller."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def exact_inference() -> Iterator[None]:
    """Plain float32: no gradients, no autocast, no TF32, deterministic convolutions.

    TF32 keeps ten bits of each factor, about 1e-3 of a feature; PyTorch allows it in convolutions
    on CUDA by default, and in matrix products where the caller asked for speed.
    """
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with (
            torch.inference_mode(),
            torch.autocast("cpu", enabled=False),
            torch.autocast("cuda", enabled=False),
            torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False),
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
