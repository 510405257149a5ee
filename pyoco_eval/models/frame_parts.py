"""Layers that look at single frames, on a few frames at a time: the same result in less memory.

Axes: N frames, C channels, H, W.
"""

from collections.abc import Callable

import torch

from pyoco_eval.models.frame_context import single_frames
from pyoco_eval.models.layers import FrameContext


def in_parts(
    layer: Callable[..., torch.Tensor],
    size: int,
    *frames: torch.Tensor,
    context: FrameContext | None = None,
) -> torch.Tensor:
    """`layer(*frames)`, each (N, C, H, W), on `size` of the frames at a time.

    With gradients, or a size of 0, all are taken together: what a part would free, the backward
    pass keeps.

    Args:
        context: of the frames; the layer is then called with its part of it first.
    """
    count = len(frames[0])
    if not size or torch.is_grad_enabled():
        size = count
    whole: torch.Tensor | None = None
    for start in range(0, count, size):
        chosen = slice(start, start + size)
        part = [each[chosen] for each in frames]
        made = layer(*part) if context is None else layer(single_frames(context, chosen), *part)
        if len(made) == count:
            return made
        if whole is None:
            whole = torch.empty(
                (count, *made.shape[1:]), dtype=made.dtype, device=made.device,
                memory_format=torch.channels_last,
            )  # fmt: skip
        whole[chosen] = made
    assert whole is not None
    return whole
