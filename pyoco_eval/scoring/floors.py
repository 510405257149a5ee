"""Refusing, before anything is decoded, what could only end below the sample floor."""

from pyoco_eval.metrics.conventions import Convention
from pyoco_eval.metrics.frechet_bounds import FEWEST_GROUPS
from pyoco_eval.metrics.inception_score import SplitRule
from pyoco_eval.metrics.kernel import KernelRule
from pyoco_eval.metrics.manifold import neighbours
from pyoco_eval.metrics.sample_floor import (
    SmallSampleError,
    check_frechet_floor,
    check_splits_floor,
    frechet_floor,
)
from pyoco_eval.scoring.networks import sees_frames
from pyoco_eval.scoring.options import Options
from pyoco_eval.scoring.sides import Side
from pyoco_eval.videos.source import VideoSource

_LEAST_OF_HALVES = 4
"""Rows of a side whose halves have a kernel distance."""


def row_bound(
    side: Side | None, source: VideoSource | None, rule: Convention, options: Options
) -> int | None:
    """Feature rows a side has, or can have at most; None where videos do not bound them."""
    if side is not None:
        return side.count
    if source is None or options.clip.select == "all":
        return None
    frames = sees_frames(rule) and options.frames.select == "all"
    return len(source) * (options.clip.num_frames if frames else 1)


def refuse_hopeless(
    rule: Convention,
    dim: int,
    num_generated: int | None,
    num_reference: int | None,
    options: Options,
    splits: str | None,
) -> None:
    """Refuse if even a perfect run could not reach the sample floor.

    Args:
        num_generated, num_reference: rows at most, None for any number.

    Raises:
        SmallSampleError: too few videos, unless small samples are allowed.
    """
    known = [count for count in (num_generated, num_reference) if count is not None]
    if not known or rule.metric == "clipsim":
        return
    if rule.metric == "is":
        if num_generated is not None:
            count = SplitRule.parse(splits or rule.splits).count
            check_splits_floor(num_generated, count, allow_small=options.allow_small)
        return
    if rule.metric in ("kvd", "kid", "prdc"):
        kernel = rule.metric != "prdc"
        floor = KernelRule.parse(rule.estimator).floor if kernel else neighbours(rule.estimator) + 1
        if min(known) < floor:
            chosen = sees_frames(rule) and options.frames.select != "all"
            more = "--frames all" if chosen else "--clip all"
            raise SmallSampleError(
                f"{min(known)} feature rows are too few: {rule.metric} under {rule.name} "
                f"({rule.estimator}) needs {floor} of each side. Give more videos or {more}"
            )
        if kernel and options.interval and min(known) < _LEAST_OF_HALVES:
            raise SmallSampleError(
                f"--interval {options.interval}: {min(known)} feature rows are too few, each side "
                f"needs {_LEAST_OF_HALVES} to be halved; give more videos or leave it out"
            )
        return
    floor = frechet_floor(dim)
    counts = [floor if count is None else count for count in (num_generated, num_reference)]
    check_frechet_floor(counts[0], counts[1], dim, allow_small=options.allow_small)
    if options.interval and min(counts) < FEWEST_GROUPS:
        raise SmallSampleError(
            f"--interval {options.interval}: {counts[0]} generated and {counts[1]} reference rows "
            f"are too few, {FEWEST_GROUPS} are needed on each side; give more videos, or leave it "
            "out"
        )
    least = frechet_floor(dim) + 2
    if options.extrapolate and min(known) < least:
        raise SmallSampleError(
            f"--extrapolate: {min(known)} feature rows are too few, subsets of three sizes above "
            f"{dim} need {least} of each side; give more videos or leave it out"
        )
