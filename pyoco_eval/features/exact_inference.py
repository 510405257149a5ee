"""Inference whose numbers do not depend on the speed settings of the device."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def exact_inference() -> Iterator[None]:
    """No gradients, and no TF32 convolutions: PyTorch allows those on CUDA by default.

    TF32 keeps ten bits of each factor, about 1e-3 of a feature.
    """
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield
