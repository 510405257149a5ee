"""One 3-D convolution for every batch size, number format and processor.

`torch.nn.functional.conv3d` sends small inputs on the CPU to a kernel several times slower than
oneDNN's, so that one clip costs more than a quarter of four. Asking for oneDNN keeps the speed, and
makes a clip's features independent of how many threads and clips there are to choose by.

That operator refuses number formats the processor has no instructions for. Then bfloat16 values are
multiplied as float32 ones and the sums rounded to bfloat16: what such instructions do, up to the
order of the sums. PyTorch's own way without them takes minutes for a clip.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from pyoco_eval.devices import onednn_takes


def conv3d(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Sequence[int] = (1, 1, 1),
    padding: Sequence[int] = (0, 0, 0),
) -> torch.Tensor:
    """`torch.nn.functional.conv3d`, by oneDNN where the tensors are on the CPU.

    Args:
        x: (B, C, T, H, W), float32 or bfloat16.
        weight: (out channels, C, kt, kh, kw), like `x`.
        bias: (out channels,), like `x`, or None for zero.
        stride, padding: per axis T, H, W.

    Returns:
        (B, out channels, T', H', W'), like `x`.
    """
    if x.device.type == "cpu" and onednn_takes(x.dtype):
        return torch.mkldnn_convolution(x, weight, bias, padding, stride, (1, 1, 1), 1)
    if x.device.type == "cpu" and x.dtype == torch.bfloat16:
        exact_bias = None if bias is None else bias.float()
        return conv3d(x.float(), weight.float(), exact_bias, stride, padding).bfloat16()
    return F.conv3d(x, weight, bias, tuple(stride), tuple(padding))
