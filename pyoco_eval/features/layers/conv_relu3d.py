"""The unit of the video networks: 3-D convolution with SAME padding and a bias, then ReLU.

Axes: B batch, C channels, O out channels, T frames, H, W.
"""

import torch
import torch.nn.functional as F
from torch import nn

from pyoco_eval.features.layers.same_padding import same_conv3d
from pyoco_eval.features.layers.winograd_conv3d import (
    conv3d_row_pairs,
    row_filters,
    suits_row_pairs,
)


class ConvReLU3d(nn.Module):
    """(B, C, T, H, W) -> (B, O, ceil(T / stride), ceil(H / stride), ceil(W / stride)).

    For evaluation only: what `row_filters` makes of the kernel is kept from its first use until
    other weights are loaded.
    """

    def __init__(self, channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, channels, kernel, kernel, kernel))
        self.bias = nn.Parameter(torch.empty(out_channels))
        self.stride = (stride,) * 3
        self._row_filters: list[torch.Tensor] | None = None
        self.register_load_state_dict_post_hook(_forget_row_filters)  # type: ignore[no-untyped-call]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) to (B, D, T', H', W'), each length divided by its stride, rounded up."""
        if (self.weight.shape[2:], self.stride) == ((3, 3, 3), (1, 1, 1)) and suits_row_pairs(x):
            if self._row_filters is None:
                self._row_filters = row_filters(self.weight)
            return F.relu_(conv3d_row_pairs(x, self._row_filters, self.bias))
        return F.relu_(same_conv3d(x, self.weight, self.bias, self.stride))


def _forget_row_filters(unit: ConvReLU3d, _: object) -> None:
    unit._row_filters = None
