"""3x3x3 convolution on the CPU with a third fewer multiplications.

Axes: B batch, C channels, O out channels, T frames, H, W.

Two neighbouring rows of the output see four rows of the input, d0..d3. With g0..g2 the rows of the
kernel, the six products of rows they need follow from four, Winograd's minimal filter F(2, 3):

    y0 = d0 g0 + d1 g1 + d2 g2 = m0 + m1 + m2      m0 = (d0 - d2) g0
    y1 = d1 g0 + d2 g1 + d3 g2 = m1 - m2 + m3      m1 = (d1 + d2) (g0 + g1 + g2) / 2
                                                   m2 = (d2 - d1) (g0 - g1 + g2) / 2
                                                   m3 = (d3 - d1) g2

where each product is a convolution over the two other axes. Sums are a third as long, so features
of I3D are as close to float64 ones as with direct convolutions (3e-7 of their length).

References: Winograd, Arithmetic Complexity of Computations, 1980; Lavin and Gray, Fast Algorithms
for Convolutional Neural Networks, 2016 (section 4.1).
"""

from typing import Final

import torch
import torch.nn.functional as F

from pyoco_eval.features.layers.convolution3d import conv3d

MIN_CHANNELS: Final = 32  # with fewer, the sums of rows cost what the products save
MIN_ROWS: Final = 14
_PASS_ELEMENTS: Final = 640_000  # of one product: four of them stay in the cache
_PADDING: Final = (1, 0, 1)


def suits_row_pairs(x: torch.Tensor) -> bool:
    """Whether `conv3d_row_pairs` takes this input and is faster: float32 on the CPU, not tiny."""
    on_cpu = x.device.type == "cpu" and x.dtype == torch.float32
    _, channels, _, height, _ = x.shape
    return on_cpu and channels >= MIN_CHANNELS and height >= MIN_ROWS and height % 2 == 0


def row_filters(weight: torch.Tensor) -> list[torch.Tensor]:
    """The kernels of m0..m3.

    Args:
        weight: (O, C, 3, 3, 3).

    Returns:
        Four of (O, C, 3, 1, 3), rounded once.
    """
    g0, g1, g2 = torch.split(weight.double(), 1, dim=3)
    filters = [g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2]
    return [g.to(weight.dtype, memory_format=torch.channels_last_3d) for g in filters]


def conv3d_row_pairs(
    x: torch.Tensor, filters: list[torch.Tensor], bias: torch.Tensor
) -> torch.Tensor:
    """Convolution of stride 1 that keeps the size, zeros around the input.

    Args:
        x: (B, C, T, H, W), H even.
        filters: `row_filters` of the kernel.
        bias: (O,).

    Returns:
        (B, O, T, H, W) with the channel innermost in memory.
    """
    batch, _, frames, height, width = x.shape
    shape = (batch, len(bias), frames, height, width)
    y = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last_3d)
    padded = F.pad(x, (0, 0, 1, 1))
    step = 2 * max(1, _PASS_ELEMENTS // (len(bias) * frames * width))
    for first in range(0, height, step):
        end = min(first + step, height)
        _two_rows_each(padded[:, :, :, first : end + 2], filters, bias, y[:, :, :, first:end])
    return y


def _two_rows_each(
    d: torch.Tensor, filters: list[torch.Tensor], bias: torch.Tensor, out: torch.Tensor
) -> None:
    """(B, C, T, 2 n + 2, W) -> out (B, O, T, 2 n, W)."""
    d0, d1, d2, d3 = d[:, :, :, :-2:2], d[:, :, :, 1:-1:2], d[:, :, :, 2::2], d[:, :, :, 3::2]
    m0 = conv3d(d0 - d2, filters[0], bias, padding=_PADDING)
    m1 = conv3d(d1 + d2, filters[1], None, padding=_PADDING)
    m2 = conv3d(d2 - d1, filters[2], None, padding=_PADDING)
    m3 = conv3d(d3 - d1, filters[3], bias, padding=_PADDING)
    torch.add(m0.add_(m1), m2, out=out[:, :, :, 0::2])
    torch.add(m1.sub_(m2), m3, out=out[:, :, :, 1::2])
