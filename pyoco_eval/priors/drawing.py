"""Noise of a prior as a tensor: for the `latents` of a pipeline, or a training step of one's own.

Axes: B videos, T frames, C channels, H, W.
"""

from collections.abc import Sequence

import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.priors import NoisePrior, parse_prior
from pyoco_eval.seeding import torch_generator

LAYOUTS = ("btchw", "bcthw")


def noise(
    spec: str | NoisePrior,
    shape: Sequence[int],
    seeds: int | Sequence[int],
    *,
    layout: str = "btchw",
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Noise of a prior: the same for a seed in any batch, on any device.

    >>> latents = noise("progressive:alpha=2", (1, 4, 16, 32, 32), [7], layout="bcthw")

    goes into a pipeline of diffusers as `latents`. The first noise of `pyoco-eval sample` for a
    seed is this one, too.

    Args:
        spec: a prior, or its spec as `--prior` takes it.
        shape: of the result, in the order of `layout`: five numbers.
        seeds: one for each video; a single number counts up from there.
        layout: `btchw`, as networks of this package take it, or `bcthw`, as those of diffusers.
        dtype, device: of the result.

    Raises:
        UsageError: no such prior or layout, a shape of other than five positive numbers, or another
            number of seeds than videos.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"layout {layout!r}: use {' or '.join(LAYOUTS)}")
    if len(shape) != 5 or min(shape) < 1:
        raise UsageError(f"shape {tuple(shape)}: noise of videos has five axes, {layout}")
    sizes = dict(zip(layout, shape, strict=True))
    numbers = range(seeds, seeds + shape[0]) if isinstance(seeds, int) else list(seeds)
    if len(numbers) != shape[0]:
        raise UsageError(f"seeds: {len(numbers)} for {shape[0]} videos; give one for each")
    prior = parse_prior(spec) if isinstance(spec, str) else spec
    drawn = prior.sample(
        (sizes["c"], sizes["h"], sizes["w"]),
        sizes["t"],
        [torch_generator("sample", seed) for seed in numbers],
        dtype=dtype,
        device=device,
    )
    return drawn.transpose(1, 2).contiguous() if layout == "bcthw" else drawn
