"""One seed per sample, derived from names, so that a draw depends on its own sample alone."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(*parts: str | int) -> int:
    """Map a path of names to a seed in [0, 2**63), the same on every machine and process.

    >>> derive_seed(0, "clip") == derive_seed(0, "clip")
    True
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def numpy_generator(*parts: str | int) -> np.random.Generator:
    """A numpy generator (PCG64) for the sample that `parts` name."""
    return np.random.Generator(np.random.PCG64(derive_seed(*parts)))


def torch_generator(*parts: str | int) -> "torch.Generator":
    """A CPU generator for the sample that `parts` name.

    Noise is drawn on the CPU and then moved, so that every device starts from the same numbers.
    """
    import torch

    return torch.Generator().manual_seed(derive_seed(*parts))
