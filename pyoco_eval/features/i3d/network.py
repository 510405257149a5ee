"""I3D: Inception-v1 inflated to video, as the TF-Hub graph `deepmind/i3d-kinetics-400/1` has it.

For evaluation only: batch normalisation is already folded into the convolutions. Every convolution
and max pool pads as TensorFlow's SAME does, for any number of frames.

Axes: B batch, C channels (RGB), T frames, H, W, D features.

References:
    Carreira and Zisserman, Quo Vadis, Action Recognition?, 2017.
    https://github.com/google-deepmind/kinetics-i3d
"""

import torch
import torch.nn.functional as F
from torch import nn

from pyoco_eval.features.layers.conv_relu3d import ConvReLU3d
from pyoco_eval.features.layers.same_padding import same_max_pool3d

INPUT_SIZE = 224
MIN_FRAMES = 9
NUM_CLASSES = 400
LAYER_DIMS = {"logits": NUM_CLASSES, "probs": NUM_CLASSES, "pool": 1024}

Triple = tuple[int, int, int]


class MaxPool(nn.Module):
    """Max pool with SAME padding."""

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, T, H, W) to (B, C, T', H', W'), each length divided by its stride, rounded up."""
        return same_max_pool3d(x, self.kernel, self.stride)


class Mixed(nn.Module):
    """Inception block: (B, C, T, H, W) -> (B, widths[0] + [2] + [4] + [5], T, H, W)."""

    def __init__(self, channels: int, widths: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        self.b0 = ConvReLU3d(channels, widths[0], 1)
        self.b1a = ConvReLU3d(channels, widths[1], 1)
        self.b1b = ConvReLU3d(widths[1], widths[2], 3)
        self.b2a = ConvReLU3d(channels, widths[3], 1)
        self.b2b = ConvReLU3d(widths[3], widths[4], 3)
        self.b3b = ConvReLU3d(channels, widths[5], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The four branches, one after the other along C."""
        pooled = same_max_pool3d(x, (3, 3, 3), (1, 1, 1))
        branches = [self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)]
        return torch.cat(branches, 1)


class I3DNetwork(nn.Module):
    """Frames in [-1, 1] to features; parameters carry the names of the PyTorch ports."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleDict(
            {
                "Conv3d_1a_7x7": ConvReLU3d(3, 64, 7, stride=2),
                "MaxPool3d_2a_3x3": MaxPool((1, 3, 3), (1, 2, 2)),
                "Conv3d_2b_1x1": ConvReLU3d(64, 64, 1),
                "Conv3d_2c_3x3": ConvReLU3d(64, 192, 3),
                "MaxPool3d_3a_3x3": MaxPool((1, 3, 3), (1, 2, 2)),
                "Mixed_3b": Mixed(192, (64, 96, 128, 16, 32, 32)),
                "Mixed_3c": Mixed(256, (128, 128, 192, 32, 96, 64)),
                "MaxPool3d_4a_3x3": MaxPool((3, 3, 3), (2, 2, 2)),
                "Mixed_4b": Mixed(480, (192, 96, 208, 16, 48, 64)),
                "Mixed_4c": Mixed(512, (160, 112, 224, 24, 64, 64)),
                "Mixed_4d": Mixed(512, (128, 128, 256, 24, 64, 64)),
                "Mixed_4e": Mixed(512, (112, 144, 288, 32, 64, 64)),
                "Mixed_4f": Mixed(528, (256, 160, 320, 32, 128, 128)),
                "MaxPool3d_5a_2x2": MaxPool((2, 2, 2), (2, 2, 2)),
                "Mixed_5b": Mixed(832, (256, 160, 320, 32, 128, 128)),
                "Mixed_5c": Mixed(832, (384, 192, 384, 48, 128, 128)),
            }
        )
        self.logits = nn.Linear(1024, NUM_CLASSES)

    def forward(self, x: torch.Tensor, layer: str) -> torch.Tensor:
        """Features of one layer.

        The 1x1 convolution of the logits is linear, so it follows the mean over time here.

        Args:
            x: (B, 3, T, 224, 224) in [-1, 1], T >= 9.
            layer: `logits` (400), `probs` (softmax of the logits) or `pool` (1024).

        Returns:
            (B, D).
        """
        for stage in self.stages.values():
            x = stage(x)
        pool = F.avg_pool3d(x.float(), (2, 7, 7), stride=1).mean((2, 3, 4))
        if layer == "pool":
            return pool
        logits: torch.Tensor = self.logits(pool)
        return logits.softmax(1) if layer == "probs" else logits
