"""A program with the names, layers and paddings of StyleGAN-V's I3D, with made-up weights.

It pads as hassony2's port of I3D does: zeros that do not depend on the length of an axis, then max
pools that go beyond the end.
"""

from typing import Final

import torch
import torch.nn.functional as F
from torch import nn

MIXED = {
    "3b": (192, (64, 96, 128, 16, 32, 32)),
    "3c": (256, (128, 128, 192, 32, 96, 64)),
    "4b": (480, (192, 96, 208, 16, 48, 64)),
    "4c": (512, (160, 112, 224, 24, 64, 64)),
    "4d": (512, (128, 128, 256, 24, 64, 64)),
    "4e": (512, (112, 144, 288, 32, 64, 64)),
    "4f": (528, (256, 160, 320, 32, 128, 128)),
    "5b": (832, (256, 160, 320, 32, 128, 128)),
    "5c": (832, (384, 192, 384, 48, 128, 128)),
}


def fixed_padding(kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> list[int]:
    """Width, height, time, each before and after."""
    pads: list[int] = []
    for k, s in reversed(list(zip(kernel, stride, strict=True))):
        total = max(k - s, 0)
        pads += [total // 2, total - total // 2]
    return pads


class Unit(nn.Module):
    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int,
        stride: int = 1,
        *,
        eps: float,
        last: bool = False,
    ) -> None:
        super().__init__()
        pads = fixed_padding((kernel,) * 3, (stride,) * 3)
        self.pad = nn.ConstantPad3d(tuple(pads), 0.0)  # type: ignore[arg-type]
        self.conv3d = nn.Conv3d(channels, out, kernel, stride, bias=last)
        self.batch3d = nn.Identity() if last else nn.BatchNorm3d(out, eps=eps)
        self.last = last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.batch3d(self.conv3d(self.pad(x)))
        return x if self.last else F.relu(x)


class Pool(nn.Module):
    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.pad = nn.ConstantPad3d(tuple(fixed_padding(kernel, stride)), 0.0)  # type: ignore[arg-type]
        self.pool = nn.MaxPool3d(kernel, stride, ceil_mode=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(self.pad(x))  # type: ignore[no-any-return]


class Mixed(nn.Module):
    def __init__(self, channels: int, widths: tuple[int, ...], eps: float) -> None:
        super().__init__()
        a, b, c, d, e, f = widths
        self.branch_0 = Unit(channels, a, 1, eps=eps)
        self.branch_1 = nn.Sequential(Unit(channels, b, 1, eps=eps), Unit(b, c, 3, eps=eps))
        self.branch_2 = nn.Sequential(Unit(channels, d, 1, eps=eps), Unit(d, e, 3, eps=eps))
        pool = Pool((3, 3, 3), (1, 1, 1))
        self.branch_3 = nn.Sequential(pool, Unit(channels, f, 1, eps=eps))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = [self.branch_0(x), self.branch_1(x), self.branch_2(x), self.branch_3(x)]
        return torch.cat(found, 1)


class I3DProgram(nn.Module):
    """(B, 3, T, H, W), 0..255 if told to rescale, to (B, 400)."""

    mode: Final[str]  # so that the script has one of the branches alone

    def __init__(self, eps: float = 1e-3, mode: str = "trilinear") -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(11)
            self.conv3d_1a_7x7 = Unit(3, 64, 7, 2, eps=eps)
            self.maxPool3d_2a_3x3 = Pool((1, 3, 3), (1, 2, 2))
            self.conv3d_2b_1x1 = Unit(64, 64, 1, eps=eps)
            self.conv3d_2c_3x3 = Unit(64, 192, 3, eps=eps)
            self.maxPool3d_3a_3x3 = Pool((1, 3, 3), (1, 2, 2))
            self.maxPool3d_4a_3x3 = Pool((3, 3, 3), (2, 2, 2))
            self.maxPool3d_5a_2x2 = Pool((2, 2, 2), (2, 2, 2))
            for name, (channels, widths) in MIXED.items():
                setattr(self, f"mixed_{name}", Mixed(channels, widths, eps))
            self.conv3d_0c_1x1 = Unit(1024, 400, 1, eps=eps, last=True)
            for module in self.modules():
                if isinstance(module, nn.Conv3d):
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if isinstance(module, nn.BatchNorm3d):
                    assert module.running_mean is not None
                    assert module.running_var is not None
                    nn.init.normal_(module.bias, std=0.1)
                    nn.init.uniform_(module.weight, 0.8, 1.2)
                    nn.init.normal_(module.running_mean, std=0.1)
                    nn.init.uniform_(module.running_var, 0.5, 1.5)
        self.mode = mode
        self.eval()

    def forward(
        self,
        x: torch.Tensor,
        rescale: bool = False,
        resize: bool = False,
        return_features: bool = False,
    ) -> torch.Tensor:
        x = x.float()
        if resize:
            if self.mode == "trilinear":
                x = F.interpolate(x, [x.shape[2], 224, 224], mode="trilinear", align_corners=False)
            elif self.mode == "corners":
                x = F.interpolate(x, [x.shape[2], 224, 224], mode="trilinear", align_corners=True)
            else:
                x = F.interpolate(x, [x.shape[2], 224, 224], mode="nearest")
        if rescale:
            x = x / 255 * 2 - 1
        x = self.maxPool3d_2a_3x3(self.conv3d_1a_7x7(x))
        x = self.maxPool3d_3a_3x3(self.conv3d_2c_3x3(self.conv3d_2b_1x1(x)))
        x = self.maxPool3d_4a_3x3(self.mixed_3c(self.mixed_3b(x)))
        x = self.mixed_4e(self.mixed_4d(self.mixed_4c(self.mixed_4b(x))))
        x = self.mixed_5c(self.mixed_5b(self.maxPool3d_5a_2x2(self.mixed_4f(x))))
        x = self.conv3d_0c_1x1(F.avg_pool3d(x, [2, 7, 7], [1, 1, 1]))
        logits = x.squeeze(3).squeeze(3).mean(2)
        return logits if return_features else logits.softmax(1)
