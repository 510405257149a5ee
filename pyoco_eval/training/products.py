"""Whether CUDA may round the factors of float32 products to ten bits (TF32).

PyTorch lets convolutions do so unless told otherwise; a run states it either way. Both settings
are made through the names that keep PyTorch's older and newer ones in step: where only the newer
`fp32_precision` is set, whoever reads the older one gets an error.
"""

import torch


class Products:
    """The setting of this process."""

    def __init__(self) -> None:
        self._before = (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)

    def round_factors(self, allowed: bool) -> None:
        """Allow TF32 in matrix products and convolutions, or in none."""
        self._set(allowed, allowed)

    def restore(self) -> None:
        """As it was before."""
        self._set(*self._before)

    @staticmethod
    def _set(matmul: bool, convolution: bool) -> None:
        torch.backends.cuda.matmul.allow_tf32 = matmul
        torch.backends.cudnn.allow_tf32 = convolution
