"""Group normalisation that leaves frames as they came: channels last in memory, in their dtype.

Torch's own norm is right on a CPU. On CUDA it puts channels first, and under autocast it writes
float32: each norm of a bfloat16 network then costs two copies and twice the bytes. Here a group's
mean and variance come from one reading, in float32, and one multiply-add writes the result.

Axes: N frames, C channels, G groups, H, W.

References:
    Wu and He, Group Normalization (2018), eq. 1, 2 and 7.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


def silu(x: torch.Tensor) -> torch.Tensor:
    """SiLU of a tensor nobody else reads; in place where no gradient needs it."""
    return F.silu(x, inplace=not torch.is_grad_enabled())


class GroupNorm(nn.GroupNorm):
    """(N, C, H, W) to the same shape: mean 0 and variance 1 in each group of channels of a frame.

    Parameters are those of `torch.nn.GroupNorm`, by the same names.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """weight · x̂ + bias, x̂ the normalised frames, in x's dtype."""
        if not _by_hand(x):
            return super().forward(x)
        rows = len(x), -1
        return _Normalised.apply(  # type: ignore[no-any-return, no-untyped-call]
            x, self.weight.expand(rows), self.bias.expand(rows), self.num_groups, self.eps
        )

    def silu(self, x: torch.Tensor) -> torch.Tensor:
        """SiLU of the normalised frames."""
        return silu(self(x))

    def scaled(self, x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        """Normalised frames times 1 + `scale` plus `shift`, each (N, C)."""
        if not _by_hand(x):
            shift, scale = shift[:, :, None, None], scale[:, :, None, None]
            return torch.addcmul(shift, self(x), 1 + scale)
        # Both maps are one line per channel, so they are one line together.
        gain = 1 + scale.float()
        return _Normalised.apply(  # type: ignore[no-any-return, no-untyped-call]
            x, self.weight * gain, torch.addcmul(shift, self.bias, gain), self.num_groups, self.eps
        )


def _by_hand(x: torch.Tensor) -> bool:
    """On CUDA; but a compiler fuses torch's own operators better."""
    return x.device.type == "cuda" and not torch.compiler.is_compiling()


class _Normalised(torch.autograd.Function):
    """weight · x̂ + bias, with a weight and a bias (N, C) for each frame.

    Its gradients, with r = 1 / std, d = weight · dy, and means over a group of a frame:

        d_weight = Σ dy · x̂,  d_bias = Σ dy  over H and W,
        dx = r · (d - mean(d) - x̂ · mean(d · x̂)).
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        groups: int,
        eps: float,
    ) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            mean, rstd = _moments(x, groups, eps)
            ctx.save_for_backward(x, weight, mean, rstd)
            ctx.groups, ctx.bias_dtype = groups, bias.dtype
            gain = rstd * weight
            return _line(x, gain, bias - mean * gain)

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, mean, rstd = ctx.saved_tensors
        with torch.autocast(x.device.type, enabled=False):
            by_channel = {"dim": (2, 3), "dtype": mean.dtype}
            d_bias = dy.sum(**by_channel)  # (N, C), as all below
            d_weight = ((dy * x).sum(**by_channel) - mean * d_bias) * rstd
            positions = x.shape[2] * x.shape[3]
            mean_d = _over_groups(weight * d_bias, ctx.groups) / positions
            mean_dx = _over_groups(weight * d_weight, ctx.groups) / positions
            # dx by powers of dy, x and 1, as x̂ = r · (x - mean).
            of_x = -(rstd**2) * mean_dx
            dx = _line(x, of_x, -rstd * mean_d - mean * of_x)
            torch.addcmul(dx, dy, _like_frames(rstd * weight), out=dx)
        return dx, d_weight.to(weight.dtype), d_bias.to(ctx.bias_dtype), None, None


def _line(x: torch.Tensor, slope: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """slope · x + start by channel, in x's dtype and layout: kernels cast as they write."""
    y = torch.empty_like(x)
    return torch.addcmul(_like_frames(start), x, _like_frames(slope), out=y)


def _like_frames(rows: torch.Tensor) -> torch.Tensor:
    return rows[:, :, None, None]


def _over_groups(rows: torch.Tensor, groups: int) -> torch.Tensor:
    """(N, C): the mean over each channel's group."""
    by_group = rows.view(len(rows), groups, -1)
    return by_group.mean(2, keepdim=True).expand_as(by_group).flatten(1)


def _moments(x: torch.Tensor, groups: int, eps: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and 1 / std of each channel's group, each (N, C), float32 or better."""
    if x.dtype in (torch.bfloat16, torch.float16):
        # Squares less the squared mean lose what half precision never had.
        count = x.shape[2] * x.shape[3]
        mean = _over_groups(x.sum((2, 3), dtype=torch.float32) / count, groups)
        norm = torch.linalg.vector_norm(x, dim=(2, 3), dtype=torch.float32)
        variance = (_over_groups(norm.square() / count, groups) - mean.square()).clamp_(min=0)
    else:
        by_group = x.view(len(x), groups, -1, *x.shape[2:])
        both = torch.var_mean(by_group, dim=(2, 3, 4), correction=0)
        variance, mean = (each.repeat_interleave(by_group.shape[2], 1) for each in both)
    return mean, torch.rsqrt(variance + eps)
