"""C3D trained on Sports-1M and UCF-101, as TGANv2's Inception Score uses it. For evaluation only.

Pools cover the whole input: where a window does not fit it is cut at the end, nothing is padded at
the start (7 becomes 4 at pool5). Symmetric padding there, as many ports have it, pools other
windows.

Axes: B batch, C channels, T frames, H, W, D features.

References:
    Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks, 2015.
    https://github.com/pfnet-research/tgan2
"""

from typing import Final

import torch
import torch.nn.functional as F
from torch import nn

from pyoco_eval.features.layers.conv_relu3d import ConvReLU3d

INPUT_SIZE: Final = 112
NUM_FRAMES: Final = 16
LAYER_DIMS: Final = {"logits": 101, "probs": 101, "fc6": 4096, "fc7": 4096}

CONVOLUTIONS: Final = {
    "conv1a": (3, 64),
    "conv2a": (64, 128),
    "conv3a": (128, 256),
    "conv3b": (256, 256),
    "conv4a": (256, 512),
    "conv4b": (512, 512),
    "conv5a": (512, 512),
    "conv5b": (512, 512),
}
POOLS: Final = {
    "conv1a": (1, 2, 2),
    "conv2a": (2, 2, 2),
    "conv3b": (2, 2, 2),
    "conv4b": (2, 2, 2),
    "conv5b": (2, 2, 2),
}


class C3DNetwork(nn.Module):
    """Pixels less their mean to features; parameters carry the names of the Chainer links."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleDict(
            {name: ConvReLU3d(*channels, kernel=3) for name, channels in CONVOLUTIONS.items()}
        )
        self.fc6 = nn.Linear(512 * 1 * 4 * 4, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, LAYER_DIMS["logits"])

    def forward(self, x: torch.Tensor, layer: str) -> torch.Tensor:
        """Features of one layer.

        Args:
            x: (B, 3, 16, 112, 112).
            layer: `fc6`, `fc7` (4096 each, after their ReLU), `logits` or `probs` (101 each).

        Returns:
            (B, D).
        """
        x = self.convolve(x).float().flatten(1)
        x = F.relu_(self.fc6(x))
        if layer == "fc6":
            return x
        x = F.relu_(self.fc7(x))
        if layer == "fc7":
            return x
        x = self.fc8(x)
        return x.softmax(1) if layer == "probs" else x

    def convolve(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, 16, 112, 112) -> (B, 512, 1, 4, 4)."""
        for name, convolution in self.convolutions.items():
            x = convolution(x)
            if name in POOLS:
                x = F.max_pool3d(x, POOLS[name], ceil_mode=True)
        return x
