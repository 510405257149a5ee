"""Fréchet distances and the Inception Score of measured sides."""

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.conventions import Convention
from pyoco_eval.metrics.extrapolation import Extrapolation, extrapolate_frechet
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.frechet_interval import frechet_interval
from pyoco_eval.metrics.inception_score import SplitRule, inception_score
from pyoco_eval.metrics.interval import Interval
from pyoco_eval.metrics.resampling import inception_interval
from pyoco_eval.metrics.sample_floor import check_frechet_floor, check_splits_floor
from pyoco_eval.scoring.options import Options
from pyoco_eval.scoring.sides import Side
from pyoco_eval.scoring.signing import (
    bounds,
    effective_warnings,
    frechet_kind,
    grouping_extras,
    grouping_label,
    interval_extras,
    interval_label,
    interval_warnings,
    joint_recipe,
    joint_warnings,
    side_warnings,
    sign,
)
from pyoco_eval.statistics.moments import Moments

_STRAIGHT = 0.9
"""Powers of N from which a curve of scores counts as a line in 1/N."""


def score_frechet(
    rule: Convention, generated: Side, reference: Side, options: Options
) -> list[Score]:
    """FVD, FID or CLIP-FID; then its extrapolation, if asked for.

    Raises:
        SmallSampleError: too few rows, unless allowed.
        UsageError: an interval or an extrapolation of a side without rows.
    """
    floor = check_frechet_floor(
        generated.count, reference.count, generated.dim(), allow_small=options.allow_small
    )
    terms = frechet_distance(_gaussian(generated, rule), _gaussian(reference, rule), ddof=rule.ddof)
    interval = _interval(generated, reference, rule, options)
    recipe = joint_recipe(generated, reference) | {"cov": _covariance(rule)}
    warnings = joint_warnings(generated, reference, floor)
    warnings += [text for side in (generated, reference) for text in effective_warnings(side)]
    counts = {
        "num_videos": generated.num_videos,
        "num_reference_videos": reference.num_videos,
        **grouping_extras(generated, reference),
    }
    own_recipe = dict(recipe)
    if interval is not None:
        kind = frechet_kind(interval)
        own_recipe["ci"] = interval_label(interval, kind, generated, reference)
    score = Score(
        metric=rule.metric,
        value=terms.distance,
        signature=sign(own_recipe, rule, floor),
        num_samples=generated.count,
        num_reference=reference.count,
        interval=bounds(interval),
        extras={
            "mean_term": terms.mean,
            "covariance_term": terms.covariance,
            **counts,
            **interval_extras(interval),
        },
        warnings=(*warnings, *interval_warnings(interval)),
    )
    if not options.extrapolate:
        return [score]
    found = extrapolation(rule, generated, reference)
    by = grouping_label(generated, reference)
    limit = Score(
        metric=f"{rule.metric}-inf",
        value=found.infinity,
        signature=sign(recipe | {"inf": found.spec() + by}, rule, floor),
        num_samples=generated.count,
        num_reference=reference.count,
        extras={
            **counts,
            "standard_error": found.standard_error,
            "power": found.power,
            "limit_of_power": found.infinity_of_power,
            "slope": found.slope,
            "sizes": [float(size) for size in found.sizes],
            "mean": list(found.mean),
            "std": list(found.std),
        },
        warnings=(*warnings, *_curved(found)),
    )
    return [score, limit]


def _curved(found: Extrapolation) -> tuple[str, ...]:
    """A warning if the scores are visibly no line in 1/N."""
    apart = found.infinity - found.infinity_of_power
    if found.power > _STRAIGHT or apart < 4 * found.standard_error:
        return ()
    return (
        f"The distance falls as N^-{found.power:.2f}, more slowly than 1/N (heavy tails, or few "
        f"independent groups): the limit lies between {found.infinity_of_power:.4g}, by that "
        f"power, and {found.infinity:.4g}, by 1/N.",
    )


def _gaussian(side: Side, rule: Convention) -> Moments | np.ndarray:
    """Rows or moments of a side, with the convention's ridge on the diagonal of its covariance."""
    if not rule.ridge:
        return side.gaussian()
    found = side.to_moments()
    weight = rule.ridge * (found.count - rule.ddof)
    return Moments(found.count, found.mean, found.m2 + weight * np.eye(len(found.mean)))


def _covariance(rule: Convention) -> str:
    """Value of the signature's `cov` key: `n-1`, `n`, `n-1+1e-06`."""
    divisor = "n-1" if rule.ddof else "n"
    return f"{divisor}+{rule.ridge:g}" if rule.ridge else divisor


def extrapolation(rule: Convention, generated: Side, reference: Side) -> Extrapolation:
    """The distance against the number of samples, and its limit.

    Raises:
        UsageError: the generated side holds statistics, not rows.
        SmallSampleError: too few rows for three subset sizes.
    """
    rows, others = rows_of(generated, "an extrapolation"), reference.features
    return extrapolate_frechet(
        rows,
        reference.to_moments() if others is None else others.features,
        groups_generated=generated.row_units(),
        groups_reference=None if others is None else reference.row_units(),
        ddof=rule.ddof,
    )


def score_inception(
    rule: Convention, generated: Side, options: Options, splits: str | None
) -> list[Score]:
    """Inception Score, mean and standard deviation over splits.

    Raises:
        UsageError: the stored side has moments but no rows.
        SmallSampleError: too few samples, unless allowed.
    """
    logits = rows_of(generated, "the Inception Score")
    split_rule = SplitRule.parse(splits or rule.splits)
    floor = check_splits_floor(generated.count, split_rule.count, allow_small=options.allow_small)
    found = inception_score(logits, split_rule, rule.eps)
    interval = None
    if options.interval:
        interval = inception_interval(
            logits, eps=rule.eps, groups=generated.row_units(), num_resamples=options.interval
        )
    recipe = dict(generated.recipe)
    recipe |= {"n": str(generated.count), "splits": split_rule.spec(), "eps": f"{rule.eps:g}"}
    if interval is not None:
        recipe["ci"] = interval_label(interval, "halves", generated)
    if splits is not None and splits != rule.splits:
        recipe["conv"] = "custom"
    score = Score(
        metric=rule.metric,
        value=found.mean,
        std=found.std if split_rule.count > 1 else None,
        signature=sign(recipe, rule, floor),
        num_samples=generated.count,
        interval=bounds(interval),
        extras={
            "per_split": list(found.per_split),
            "num_videos": generated.num_videos,
            **grouping_extras(generated),
            **interval_extras(interval),
        },
        warnings=(
            *side_warnings(generated, floor),
            *interval_warnings(interval),
        ),
    )
    return [score]


def rows_of(side: Side, purpose: str) -> np.ndarray:
    """Feature rows (N, D).

    Raises:
        UsageError: the side holds statistics only.
    """
    if side.features is None:
        raise UsageError(
            f"{side.name} holds statistics, {purpose} needs features: keep them with "
            "`pyoco-eval features`, or give the videos"
        )
    return side.features.features


def _interval(
    generated: Side, reference: Side, rule: Convention, options: Options
) -> Interval | None:
    """Interval of the distance that infinitely many videos would give, if asked for."""
    if not options.interval:
        return None
    known = reference.features
    return frechet_interval(
        rows_of(generated, "an interval"),
        reference.to_moments() if known is None else known.features,
        groups_generated=generated.row_units(),
        groups_reference=None if known is None else reference.row_units(),
        num_resamples=options.interval,
        ddof=rule.ddof,
    )
