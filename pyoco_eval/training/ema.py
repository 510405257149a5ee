"""The exponential average of the weights that becomes the model.

Reference: Karras et al. (2022), Table 7: the half-life is given in training samples, and early on
it is a share of the samples seen so far, so that the first weights are soon forgotten.
"""

from collections.abc import Iterable

import torch


def ema_weight(
    samples_seen: int, batch: int, halflife_samples: float, warmup_ratio: float | None
) -> float:
    """What the average keeps of itself in one step.

    Args:
        samples_seen: including those of this step.
        batch: samples of this step.
        halflife_samples: samples after which a weight counts half.
        warmup_ratio: share of `samples_seen` that bounds the half-life; None for no bound.

    Returns:
        0.5 ** (batch / half-life), in (0, 1).
    """
    if warmup_ratio is not None:
        halflife_samples = min(halflife_samples, samples_seen * warmup_ratio)
    return float(0.5 ** (batch / halflife_samples))


@torch.no_grad()
def update_ema(
    averages: Iterable[torch.Tensor], weights: Iterable[torch.Tensor], keep: float
) -> None:
    """average <- keep * average + (1 - keep) * weight, in place, in the dtype of the average."""
    pairs = list(zip(averages, weights, strict=True))
    floating = [pair for pair in pairs if pair[0].is_floating_point()]
    if floating:
        torch._foreach_lerp_([a for a, _ in floating], [w for _, w in floating], 1 - keep)
    for average, weight in pairs:
        if not average.is_floating_point():
            average.copy_(weight)
