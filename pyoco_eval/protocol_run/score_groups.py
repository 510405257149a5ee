"""Scores that come from one decoding pass, with the choices they share."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pyoco_eval.extraction.frame_rules import FrameRule
from pyoco_eval.extraction.options import Options
from pyoco_eval.protocol.arms import clip_of, columns_of
from pyoco_eval.protocol.schema import NONE, Protocol, ReferenceRule
from pyoco_eval.protocol_run.reduction import Reduction
from pyoco_eval.videos.clip_rule import ClipRule
from pyoco_eval.videos.resize import ResizeRule


@dataclass(frozen=True)
class Machine:
    """What a run has and may use; nothing of it is part of the protocol.

    Attributes:
        weights, trust: as in `extraction.options.Options`.
        device, batch_size, workers: likewise.
        features: folder where rows are kept, None to keep none.
    """

    weights: Mapping[str, Path]
    trust: frozenset[str] = frozenset()
    device: str = "auto"
    batch_size: int | None = None
    workers: int | None = None
    features: Path | None = None


@dataclass(frozen=True)
class ScoreGroup:
    """Columns that are scored together.

    Attributes:
        columns: column key -> (metric, convention); no metric twice.
        count: the first so many videos are scored.
        reference: None if no column needs one.
        num_real: real videos, None for those the reference names.
        splits: of the Inception Score.
        options: how videos become features.
    """

    columns: Mapping[str, tuple[str, str]]
    count: int
    reference: ReferenceRule | None
    num_real: int | None
    options: Options


def score_groups(
    protocol: Protocol,
    arm: str,
    reduction: Reduction,
    machine: Machine,
    totals: Mapping[str, int],
    *,
    first_repeat: bool,
) -> list[ScoreGroup]:
    """The groups of an arm, in the order of the table.

    Args:
        totals: videos of every split of the dataset.
        first_repeat: curves are drawn for the first repeat alone.
    """
    groups: list[ScoreGroup] = []
    for key in columns_of(protocol, arm):
        one = _alone(protocol, arm, key, reduction, machine, totals, first_repeat=first_repeat)
        for place, group in enumerate(groups):
            if (joined := _joined(group, one)) is not None:
                groups[place] = joined
                break
        else:
            groups.append(one)
    return groups


def _alone(
    protocol: Protocol,
    arm: str,
    key: str,
    reduction: Reduction,
    machine: Machine,
    totals: Mapping[str, int],
    *,
    first_repeat: bool,
) -> ScoreGroup:
    score, rule = protocol.scores[key], protocol.arms[arm]
    real = score.reference
    curve = score.curve and first_repeat and reduction.scale == 1
    options = Options(
        clip=clip_of(protocol, rule, score),
        frames=FrameRule.parse(score.frames or "all"),
        pre_resize=None if score.pre_resize == NONE else ResizeRule.parse(score.pre_resize),
        reference_clip=None if real is None else ClipRule.parse(real.clip),
        pixels=protocol.compute.pixels,
        decoder=protocol.compute.decoder,
        precision=protocol.compute.precision,
        weights=machine.weights,
        trust=machine.trust,
        device=machine.device,
        batch_size=machine.batch_size,
        workers=machine.workers,
        allow_small=reduction.scale < 1 or reduction.incomplete,
        interval=score.interval if reduction.scale == 1 and not reduction.incomplete else 0,
        extrapolate=curve and not reduction.incomplete,
        keep_features=machine.features,
    )
    return ScoreGroup(
        {key: (score.metric, score.convention)},
        reduction.num_scored(rule, score),
        real,
        None if real is None else reduction.num_real(real, totals[real.split]),
        options,
    )


def _joined(a: ScoreGroup, b: ScoreGroup) -> ScoreGroup | None:
    """Both in one pass, None if they cannot be. A column without reference fits to any that has."""
    metrics = {metric for metric, _ in a.columns.values()}
    if a.count != b.count or metrics & {metric for metric, _ in b.columns.values()}:
        return None
    lead, other = (a, b) if a.reference is not None else (b, a)
    options = other.options
    if other.reference is None:
        options = replace(
            options,
            reference_clip=lead.options.reference_clip,
            extrapolate=lead.options.extrapolate,
        )
    elif (other.reference, other.num_real) != (lead.reference, lead.num_real):
        return None
    if options != lead.options:
        return None
    columns = {**a.columns, **b.columns}
    return ScoreGroup(columns, a.count, lead.reference, lead.num_real, lead.options)
