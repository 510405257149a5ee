"""Metrics that compare feature rows with each other: kernels, neighbours, captions."""

import hashlib
from collections.abc import Callable

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.features.base import TextEncoder
from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.clipsim import clip_similarity
from pyoco_eval.metrics.conventions import Convention
from pyoco_eval.metrics.kernel import KernelRule, kernel_distance
from pyoco_eval.metrics.manifold import has_open_balls, neighbours, prdc
from pyoco_eval.metrics.resampling import kernel_interval, mean_interval
from pyoco_eval.scoring.options import Options
from pyoco_eval.scoring.score import rows_of
from pyoco_eval.scoring.sides import Side
from pyoco_eval.scoring.signing import (
    bounds,
    grouping_extras,
    interval_extras,
    interval_label,
    joint_recipe,
    joint_warnings,
    side_warnings,
    sign,
)


def score_kernel(
    rule: Convention, generated: Side, reference: Side, options: Options
) -> list[Score]:
    """KVD or KID.

    Raises:
        UsageError: a side holds statistics, not rows.
        SmallSampleError: fewer rows than the estimator takes.
    """
    rows, others = (rows_of(side, rule.metric.upper()) for side in (generated, reference))
    estimator = KernelRule.parse(rule.estimator)
    found = kernel_distance(rows, others, estimator)
    interval = None
    if options.interval:
        interval = kernel_interval(
            rows,
            others,
            estimator,
            groups_generated=generated.row_units(),
            groups_reference=reference.row_units(),
            num_resamples=options.interval,
        )
    recipe = joint_recipe(generated, reference) | {"est": estimator.spec()}
    if interval is not None:
        recipe["ci"] = interval_label(interval, "halves", generated, reference)
    score = Score(
        metric=rule.metric,
        value=found.value,
        std=found.std,
        signature=sign(recipe, rule, None),
        num_samples=generated.count,
        num_reference=reference.count,
        interval=bounds(interval),
        extras={
            "num_videos": generated.num_videos,
            "num_reference_videos": reference.num_videos,
            **grouping_extras(generated, reference),
            **interval_extras(interval),
        },
        warnings=tuple(joint_warnings(generated, reference, None)),
    )
    return [score]


def score_prdc(rule: Convention, generated: Side, reference: Side) -> list[Score]:
    """Precision, recall, density, coverage: four scores.

    Raises:
        UsageError: a side holds statistics, not rows.
        SmallSampleError: fewer rows than neighbours.
    """
    rows, others = (rows_of(side, "prdc") for side in (generated, reference))
    found = prdc(
        rows,
        others,
        neighbours(rule.estimator),
        open_balls=has_open_balls(rule.estimator),
    )
    recipe = joint_recipe(generated, reference) | {"est": rule.estimator}
    warnings = joint_warnings(generated, reference, None)
    if len(rows) != len(others):
        warnings.append(
            f"Recall and coverage depend on the number of rows ({len(rows):,} and "
            f"{len(others):,}): compare only scores of equal numbers."
        )
    values = {
        "precision": found.precision,
        "recall": found.recall,
        "density": found.density,
        "coverage": found.coverage,
    }
    return [
        Score(
            metric=name,
            value=value,
            signature=sign(recipe, rule, None),
            num_samples=generated.count,
            num_reference=reference.count,
            extras={
                "num_videos": generated.num_videos,
                "num_reference_videos": reference.num_videos,
            },
            warnings=tuple(warnings),
        )
        for name, value in values.items()
    ]


def score_clipsim(
    rule: Convention, generated: Side, options: Options, text: Callable[[], TextEncoder]
) -> list[Score]:
    """Mean cosine between frames and captions.

    Args:
        text: loads the text tower of the network that made the features.

    Raises:
        UsageError: the features are kept without captions, or some video has none.
        MissingError: weights or a package of the text tower are not there.
    """
    rows = rows_of(generated, "clipsim")
    counts = np.array(generated.rows_per_video)
    captions = generated.captions or (None,) * len(counts)
    used = [caption for caption, count in zip(captions, counts, strict=True) if count]
    told = [caption for caption in used if caption]
    if len(told) < len(used):
        raise UsageError(
            f"{generated.name}: {len(used) - len(told)} of {len(used)} videos have no caption, "
            "which clipsim needs; give a manifest, or --captions FILE"
        )
    encoder = text()
    owners = np.repeat(np.arange(len(used)), counts[counts > 0])
    found = clip_similarity(rows, encoder.encode(told), owners)
    interval = None
    if options.interval:
        units = np.array(generated.video_units())[counts > 0]
        interval = mean_interval(found.per_video, groups=units, num_resamples=options.interval)
    digest = hashlib.sha256("\n".join(told).encode(errors="surrogatepass")).hexdigest()
    recipe = dict(generated.recipe)
    recipe |= {"n": str(generated.count), "est": rule.estimator, "text": f"captions@{digest[:8]}"}
    if interval is not None:
        recipe["ci"] = interval_label(interval, "boot", generated)
    warnings = side_warnings(generated, None)
    if encoder.truncated:
        warnings.append(
            f"{encoder.truncated} of {len(told)} captions are longer than the text tower reads "
            "and lost their end."
        )
    score = Score(
        metric=rule.metric,
        value=found.mean,
        signature=sign(recipe, rule, None),
        num_samples=generated.count,
        interval=bounds(interval),
        extras={
            "num_videos": generated.num_videos,
            "std_over_videos": found.std,
            **grouping_extras(generated),
            "truncated_captions": encoder.truncated,
            **interval_extras(interval),
        },
        warnings=tuple(warnings),
    )
    return [score]
