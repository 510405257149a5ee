"""The Inception network of FID: the 2015-12-05 graph, for evaluation only.

It differs from the Inception-v3 of the paper and of torchvision: 1008 classes, average pools that
leave the padding out of their mean, and a max pool in the pool branch of the last block. Batch
normalisation is already folded into the convolutions here (`inception_checkpoint.fold`), and the
1x1 convolution of a pool branch runs before its average pool: both are linear, every mean is over
constant weights that sum to one, so the result is the same and the pool reads fewer channels.

Axes: B batch, C channels, H, W, D features.

References:
    Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2015.
    http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz
"""

from typing import Final

import torch
import torch.nn.functional as F
from torch import nn

LAYER_DIMS = {
    "64": 64,
    "192": 192,
    "768": 768,
    "pool3": 2048,
    "logits": 1008,
    "logits-unbiased": 1008,
    "probs": 1008,
}

_STEM_IMAGES: Final = 4
"""Images that take the large first layers at once on the CPU. More of them write to memory mapped
anew for every layer, which costs a quarter of the time; the later layers like large batches."""


class ConvReLU(nn.Conv2d):
    """Convolution with the folded batch normalisation, then ReLU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, D, H', W')."""
        return F.relu_(super().forward(x))


class AveragePooledConvReLU(ConvReLU):
    """3x3 average pool that does not count padding, then 1x1 convolution and ReLU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, D, H, W)."""
        x = self._conv_forward(x, self.weight, self.bias)
        return F.relu_(F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False))


class MaxPooledConvReLU(ConvReLU):
    """3x3 max pool, then 1x1 convolution and ReLU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, D, H, W)."""
        return super().forward(F.max_pool2d(x, 3, stride=1, padding=1))


class BlockA(nn.Module):
    """35x35 -> 35x35, (B, C, H, W) -> (B, 224 + pool_channels, H, W)."""

    def __init__(self, channels: int, pool_channels: int) -> None:
        super().__init__()
        self.branch1x1 = ConvReLU(channels, 64, 1)
        self.branch5x5_1 = ConvReLU(channels, 48, 1)
        self.branch5x5_2 = ConvReLU(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = ConvReLU(channels, 64, 1)
        self.branch3x3dbl_2 = ConvReLU(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = ConvReLU(96, 96, 3, padding=1)
        self.branch_pool = AveragePooledConvReLU(channels, pool_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The branches, one after the other along C."""
        narrow = self.branch1x1(x)
        wide = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([narrow, wide, double, self.branch_pool(x)], 1)


class BlockB(nn.Module):
    """35x35 -> 17x17, (B, 288, H, W) -> (B, 768, H', W')."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch3x3 = ConvReLU(channels, 384, 3, stride=2)
        self.branch3x3dbl_1 = ConvReLU(channels, 64, 1)
        self.branch3x3dbl_2 = ConvReLU(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = ConvReLU(96, 96, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The branches, one after the other along C."""
        single = self.branch3x3(x)
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([single, double, F.max_pool2d(x, 3, stride=2)], 1)


class BlockC(nn.Module):
    """17x17 -> 17x17, (B, 768, H, W) -> (B, 768, H, W), with factorised 7x7 convolutions."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        row, column = (1, 7), (7, 1)
        self.branch1x1 = ConvReLU(channels, 192, 1)
        self.branch7x7_1 = ConvReLU(channels, width, 1)
        self.branch7x7_2 = ConvReLU(width, width, row, padding=(0, 3))
        self.branch7x7_3 = ConvReLU(width, 192, column, padding=(3, 0))
        self.branch7x7dbl_1 = ConvReLU(channels, width, 1)
        self.branch7x7dbl_2 = ConvReLU(width, width, column, padding=(3, 0))
        self.branch7x7dbl_3 = ConvReLU(width, width, row, padding=(0, 3))
        self.branch7x7dbl_4 = ConvReLU(width, width, column, padding=(3, 0))
        self.branch7x7dbl_5 = ConvReLU(width, 192, row, padding=(0, 3))
        self.branch_pool = AveragePooledConvReLU(channels, 192, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The branches, one after the other along C."""
        narrow = self.branch1x1(x)
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([narrow, single, double, self.branch_pool(x)], 1)


class BlockD(nn.Module):
    """17x17 -> 8x8, (B, 768, H, W) -> (B, 1280, H', W')."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch3x3_1 = ConvReLU(channels, 192, 1)
        self.branch3x3_2 = ConvReLU(192, 320, 3, stride=2)
        self.branch7x7x3_1 = ConvReLU(channels, 192, 1)
        self.branch7x7x3_2 = ConvReLU(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = ConvReLU(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = ConvReLU(192, 192, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The branches, one after the other along C."""
        small = self.branch3x3_2(self.branch3x3_1(x))
        large = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        large = self.branch7x7x3_4(large)
        return torch.cat([small, large, F.max_pool2d(x, 3, stride=2)], 1)


class BlockE(nn.Module):
    """8x8 -> 8x8, (B, C, H, W) -> (B, 2048, H, W), with forked 3x3 convolutions."""

    def __init__(self, channels: int, pool: type[ConvReLU]) -> None:
        super().__init__()
        row, column = (1, 3), (3, 1)
        self.branch1x1 = ConvReLU(channels, 320, 1)
        self.branch3x3_1 = ConvReLU(channels, 384, 1)
        self.branch3x3_2a = ConvReLU(384, 384, row, padding=(0, 1))
        self.branch3x3_2b = ConvReLU(384, 384, column, padding=(1, 0))
        self.branch3x3dbl_1 = ConvReLU(channels, 448, 1)
        self.branch3x3dbl_2 = ConvReLU(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = ConvReLU(384, 384, row, padding=(0, 1))
        self.branch3x3dbl_3b = ConvReLU(384, 384, column, padding=(1, 0))
        self.branch_pool = pool(channels, 192, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The branches, one after the other along C."""
        narrow = self.branch1x1(x)
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        forks = [
            self.branch3x3_2a(single),
            self.branch3x3_2b(single),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
        ]
        return torch.cat([narrow, *forks, self.branch_pool(x)], 1)


class InceptionNetwork(nn.Module):
    """Images to the features of one layer. Module names are those of the published state dict."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = ConvReLU(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = ConvReLU(32, 32, 3)
        self.Conv2d_2b_3x3 = ConvReLU(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = ConvReLU(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvReLU(80, 192, 3)
        self.Mixed_5b = BlockA(192, pool_channels=32)
        self.Mixed_5c = BlockA(256, pool_channels=64)
        self.Mixed_5d = BlockA(288, pool_channels=64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b = BlockC(768, width=128)
        self.Mixed_6c = BlockC(768, width=160)
        self.Mixed_6d = BlockC(768, width=160)
        self.Mixed_6e = BlockC(768, width=192)
        self.Mixed_7a = BlockD(768)
        self.Mixed_7b = BlockE(1280, AveragePooledConvReLU)
        self.Mixed_7c = BlockE(2048, MaxPooledConvReLU)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x: torch.Tensor, layer: str = "pool3") -> torch.Tensor:
        """Run up to one layer and no further.

        Args:
            x: float32 (B, 3, 299, 299), about [-1, 1].
            layer: a key of `LAYER_DIMS`. `64`, `192` and `768` are means over space after the first
                and second max pool and before the auxiliary classifier, as in pytorch-fid and
                torch-fidelity; `logits-unbiased` leaves out the bias of the classifier, as the
                Inception Score does.

        Returns:
            float32 (B, D).
        """
        together = _STEM_IMAGES if x.device.type == "cpu" else max(1, len(x))
        x = torch.cat([self._stem(images, layer) for images in torch.split(x, together)])
        if layer in ("64", "192"):
            return _mean_over_space(x)
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))  # (B, 768, 17, 17)
        if layer == "768":
            return _mean_over_space(x)
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))  # (B, 2048, 8, 8)
        return self._classify(_mean_over_space(x), layer)

    def _stem(self, x: torch.Tensor, layer: str) -> torch.Tensor:
        """(B, 3, 299, 299) -> (B, 192, 35, 35), or (B, 64, 73, 73) for the layer `64`."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = F.max_pool2d(x, 3, stride=2)
        if layer == "64":
            return x
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        return F.max_pool2d(x, 3, stride=2)

    def _classify(self, pool3: torch.Tensor, layer: str) -> torch.Tensor:
        """(B, 2048) -> (B, D) of the four last layers."""
        if layer == "pool3":
            return pool3
        if layer == "logits-unbiased":
            return F.linear(pool3, self.fc.weight)
        logits: torch.Tensor = self.fc(pool3)
        return logits if layer == "logits" else logits.softmax(dim=1)


def _mean_over_space(x: torch.Tensor) -> torch.Tensor:
    """(B, C, H, W) -> float32 (B, C)."""
    return x.float().mean(dim=(2, 3))
