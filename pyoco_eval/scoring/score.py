"""From the statistics of two sides to a signed score."""

from pyoco_eval.errors import UsageError
from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.conventions import Convention
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.inception_score import SplitRule, inception_score
from pyoco_eval.metrics.resampling import Interval, frechet_interval
from pyoco_eval.metrics.sample_floor import (
    SmallSampleError,
    check_frechet_floor,
    check_splits_floor,
    frechet_floor,
)
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.scoring.options import Options
from pyoco_eval.scoring.references import WHOLE
from pyoco_eval.scoring.sides import Side
from pyoco_eval.version import __version__
from pyoco_eval.videos.source import VideoSource


def score_frechet(rule: Convention, generated: Side, reference: Side, options: Options) -> Score:
    """FVD, FID or CLIP-FID.

    Raises:
        SmallSampleError: too few rows, unless allowed.
    """
    floor = check_frechet_floor(
        generated.count, reference.count, generated.dim(), allow_small=options.allow_small
    )
    terms = frechet_distance(generated.gaussian(), reference.gaussian(), ddof=rule.ddof)
    interval = _interval(generated, reference, rule, options)
    recipe = dict(generated.recipe)
    recipe |= {
        "n": f"{generated.count}/{reference.count}",
        "size": f"{generated.recipe['size']}/{reference.recipe['size']}",
        "ref": reference.label(),
        "cov": "n-1" if rule.ddof else "n",
    }
    if interval is not None:
        recipe["ci"] = f"halves{interval.num_resamples}-{interval.level:.0%}-seed{interval.seed}"
        recipe["ci"] += "" if reference.features is not None else "-refexact"
    for key in ("dec", "input", "skip"):
        ours, theirs = (side.recipe.get(key, "-") for side in (generated, reference))
        if ours != theirs or (key == "skip" and ours != "-"):
            recipe[key] = f"{ours}/{theirs}"
    warnings = _warnings(generated, floor) + _warnings(reference, None)
    if interval is not None:
        warnings.append(
            "The interval is for the distance that infinitely many videos would give; the score "
            "itself is larger by the bias of its finite number."
        )
    if generated.digest == reference.digest:
        warnings.append("Both sides hold the same videos, so a distance of zero is no achievement.")
    return Score(
        metric=rule.metric,
        value=terms.distance,
        signature=_sign(recipe, rule, floor),
        num_samples=generated.count,
        num_reference=reference.count,
        interval=None if interval is None else (interval.low, interval.high),
        extras={
            "mean_term": terms.mean,
            "covariance_term": terms.covariance,
            "num_videos": generated.num_videos,
            "num_reference_videos": reference.num_videos,
            **({} if interval is None else {"interval_centre": interval.centre}),
        },
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _interval(
    generated: Side, reference: Side, rule: Convention, options: Options
) -> Interval | None:
    """Interval of the distance that infinitely many videos would give, if asked for."""
    if not options.interval:
        return None
    if generated.features is None:
        raise UsageError(
            f"--interval: {generated.name} holds statistics, an interval needs features"
        )
    known = reference.features
    return frechet_interval(
        generated.features.features,
        reference.to_moments() if known is None else known.features,
        groups_generated=generated.row_groups(),
        groups_reference=None if known is None else reference.row_groups(),
        num_resamples=options.interval,
        ddof=rule.ddof,
    )


def score_inception(
    rule: Convention, generated: Side, options: Options, splits: str | None
) -> Score:
    """Inception Score, mean and standard deviation over splits.

    Raises:
        UsageError: the stored side has moments but no rows.
        SmallSampleError: too few samples, unless allowed.
    """
    if generated.features is None:
        raise UsageError(f"{generated.name}: the Inception Score needs features, not statistics")
    split_rule = SplitRule.parse(splits or rule.splits)
    floor = check_splits_floor(generated.count, split_rule.count, allow_small=options.allow_small)
    found = inception_score(generated.features.features, split_rule, rule.eps)
    recipe = dict(generated.recipe)
    recipe |= {"n": str(generated.count), "splits": split_rule.spec(), "eps": f"{rule.eps:g}"}
    if splits is not None and splits != rule.splits:
        recipe["conv"] = "custom"
    return Score(
        metric=rule.metric,
        value=found.mean,
        std=found.std if split_rule.count > 1 else None,
        signature=_sign(recipe, rule, floor),
        num_samples=generated.count,
        extras={"per_split": list(found.per_split), "num_videos": generated.num_videos},
        warnings=tuple(_warnings(generated, floor)),
    )


def row_bound(
    side: Side | None, source: VideoSource | None, rule: Convention, options: Options
) -> int | None:
    """Feature rows a side has, or can have at most; None where videos do not bound them."""
    if side is not None:
        return side.count
    if source is None or options.clip.select == "all":
        return None
    frames = rule.metric in ("fid", "clip-fid") and options.frames.select == "all"
    return len(source) * (options.clip.num_frames if frames else 1)


def refuse_hopeless(
    rule: Convention,
    dim: int,
    num_generated: int | None,
    num_reference: int | None,
    options: Options,
    splits: str | None,
) -> None:
    """Refuse before anything runs if even a perfect run could not reach the sample floor.

    Args:
        num_generated, num_reference: rows at most, None for any number.

    Raises:
        SmallSampleError: too few videos, unless small samples are allowed.
    """
    if rule.metric == "is":
        if num_generated is not None:
            count = SplitRule.parse(splits or rule.splits).count
            check_splits_floor(num_generated, count, allow_small=options.allow_small)
        return
    floor = 2 * frechet_floor(dim) if options.interval else frechet_floor(dim)
    counts = [floor if count is None else count for count in (num_generated, num_reference)]
    check_frechet_floor(counts[0], counts[1], dim, allow_small=options.allow_small)
    if options.interval and min(counts) < floor:
        raise SmallSampleError(
            f"--interval {options.interval}: {counts[0]} generated and {counts[1]} reference rows "
            f"are too few, half of each must still exceed {dim}; give more videos or leave it out"
        )


def _sign(recipe: dict[str, str], rule: Convention, floor: str | None) -> Signature:
    return Signature.of({**recipe, "floor": floor, "label": rule.label, "v": __version__})


def _warnings(side: Side, floor: str | None) -> list[str]:
    found = []
    whole = WHOLE.get(side.name)
    if whole is not None and side.num_videos != whole:
        found.append(
            f"The reference {side.name} is made of {side.num_videos:,} videos here; the whole of "
            f"it has {whole:,}."
        )
    if floor is not None:
        found.append("Below the sample floor: this number mostly measures the sample size.")
    if side.skipped:
        total = len(side.skipped) + side.num_videos
        found.append(
            f"{side.name}: {len(side.skipped)} of {total} videos were left out; "
            "the record says why."
        )
    if side.recipe["net"].endswith("-unverified"):
        network = side.recipe["net"].partition("-")[0]
        found.append(
            f"The {network} weights are not the published file (or its hash is not known): this "
            "number compares only with others from the same weights."
        )
    return found
