"""What is unusual about a way to sample a model, in words: allowed, but never in silence."""

from collections.abc import Iterator

from pyoco_eval.models.checkpoint import ModelInfo
from pyoco_eval.priors import NoisePrior

FEW_UNCONDITIONAL = 0.02
"""Guidance of a model that saw a smaller share of its samples without text and label is noted."""


def sampling_notes(
    info: ModelInfo,
    prior: NoisePrior,
    num_frames: int,
    guidance_scale: float,
    size: tuple[int, int] | None = None,
) -> Iterator[str]:
    """One sentence for each way in which samples are not made as the model was trained.

    Args:
        info: of the model.
        prior, num_frames, guidance_scale: of the samples.
        size: (H, W) of the samples; None for the model's.
    """
    lengths = _trained(info)
    size = size or info.size
    if size not in lengths:
        asked, *trained = ("x".join(map(str, sides)) for sides in (size, *lengths))
        yield (
            f"frames of {asked} are asked for, the model was trained on {', '.join(trained)}: what "
            "other sizes look like is not learnt"
        )
    longest = lengths.get(size, info.num_frames)
    if num_frames > longest:
        yield (
            f"{num_frames} frames are asked for, the model was trained on {longest}: what "
            "happens beyond is not learnt"
        )
    if prior.spec != info.prior and num_frames > 1:
        yield f"the noise is {prior.spec}, the model was trained with {info.prior}"
    if num_frames > 1 and is_frozen(prior, num_frames):
        yield frozen_note(prior)
    share = info.provenance.get("unconditional_share")
    if guidance_scale != 1 and isinstance(share, float | int) and share < FEW_UNCONDITIONAL:
        yield guidance_note(guidance_scale, share)


def _trained(info: ModelInfo) -> dict[tuple[int, int], int]:
    """(H, W) it was trained on -> the most frames of it."""
    lengths = {info.size: info.num_frames}
    buckets = info.provenance.get("buckets")
    for bucket in buckets if isinstance(buckets, list | tuple) else ():
        if isinstance(bucket, list | tuple) and [type(n) for n in bucket] == [int] * 3:
            length, height, width = bucket
            lengths[height, width] = max(length, lengths.get((height, width), 0))
    return lengths


def guidance_note(guidance_scale: float, share: float) -> str:
    """Of guidance by a model that hardly ever, or never, saw everything dropped."""
    return (
        f"guidance {guidance_scale:g} leans on what the network makes without text and label, and "
        f"{share:.2%} of its training samples had neither; condition.all_dropout=0.1 is usual"
    )


def frozen_note(prior: NoisePrior) -> str:
    """Of a prior that `is_frozen`."""
    return f"{prior.spec} gives all frames one noise: samples are pictures that stand still"


def is_frozen(prior: NoisePrior, num_frames: int) -> bool:
    """Whether all frames have the same noise, as with alpha = inf."""
    return bool((prior.frame_covariance(num_frames) > 1 - 1e-9).all())
