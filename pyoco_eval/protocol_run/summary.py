"""From the scores of every arm and repeat to the results of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pyoco_eval import provenance
from pyoco_eval.metrics.catalogue import is_better_higher
from pyoco_eval.metrics.conventions import CONVENTIONS
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.protocol.describe import sentence
from pyoco_eval.protocol.loader import LoadedProtocol
from pyoco_eval.protocol.schema import Protocol
from pyoco_eval.protocol.trust import altered, cites_of, is_published, title_of
from pyoco_eval.protocol_run.gallery import curve_of, relative
from pyoco_eval.protocol_run.run_options import RunChoices
from pyoco_eval.protocol_run.score import Scored
from pyoco_eval.records.record import ScoreRecord
from pyoco_eval.records.results import (
    Arm,
    ClassScore,
    Column,
    Figure,
    GalleryEntry,
    MadeAs,
    OpenPoint,
    ProtocolRecord,
    PublishedRow,
    Results,
    ScoreEntry,
    StageRecord,
)
from pyoco_eval.version import __version__


@dataclass(frozen=True)
class ArmOutcome:
    """One arm.

    Attributes:
        given: what the user gave.
        recipe: what the generator says of itself.
        num_videos: of all repeats.
        scored: of every repeat, column key -> the group it was scored with.
        made_as: what the videos of all repeats are, beside what the recipe asks for.
        class_scores, gallery: of the first repeat.
    """

    key: str
    given: list[str]
    recipe: dict[str, str]
    num_videos: int
    scored: Sequence[Mapping[str, Scored]]
    made_as: list[MadeAs]
    class_scores: list[ClassScore]
    gallery: list[GalleryEntry]


def summarise(
    loaded: LoadedProtocol,
    choices: RunChoices,
    outcomes: Sequence[ArmOutcome],
    stages: Sequence[StageRecord],
    *,
    reduced: str | None,
    label: str,
    deviations: Sequence[str],
    warnings: Sequence[str],
) -> Results:
    """The results; see `records.results` for what they hold.

    Args:
        label: of the protocol, with everything in which the run departs from it.
    """
    protocol = loaded.protocol
    arms = [_arm(protocol, outcome, choices) for outcome in outcomes]
    figure = protocol.figure
    embedded = protocol.profile == "embedded"
    return Results(
        version=__version__,
        protocol=_protocol_record(loaded, label),
        comparable=not (embedded or reduced or deviations or any(map(_is_doubtful, arms))),
        reduced=reduced,
        embedded=embedded,
        deviations=list(deviations),
        columns=_columns(protocol),
        arms=arms,
        published=_published(loaded),
        figure=None if figure is None else Figure.model_validate(figure.model_dump(mode="json")),
        stages=list(stages),
        environment=provenance.environment(),
        code=provenance.code_state(),
        warnings=list(
            dict.fromkeys(
                [
                    *warnings,
                    *_without_curve(protocol, arms),
                    *(w for arm in arms for w in arm.warnings),
                ]
            )
        ),
    )


def mean_over_repeats(key: str, repeats: Sequence[ScoreRecord]) -> ScoreEntry:
    """One entry for the scores of every repeat: their mean, and std with ddof 0."""
    head = repeats[0]
    values = [found.value for found in repeats]
    several = len(values) > 1
    std = float(np.std(values)) if several else head.std
    warnings = dict.fromkeys(warning for found in repeats for warning in found.warnings)
    return ScoreEntry(
        key=key,
        metric=head.metric,
        value=float(np.mean(values)),
        std=std,
        spread_of="repeats" if several else ("splits" if std is not None else None),
        interval=head.interval,
        repeats=values,
        signature=head.signature,
        signatures=[found.signature for found in repeats],
        num_samples=head.num_samples,
        num_reference=head.num_reference,
        extras=head.extras,
        warnings=list(warnings),
    )


def _arm(protocol: Protocol, outcome: ArmOutcome, choices: RunChoices) -> Arm:
    rule = protocol.arms[outcome.key]
    first = outcome.scored[0]
    scores = [
        mean_over_repeats(key, [repeat[key].scores[key] for repeat in outcome.scored])
        for key in first
    ]
    curves = [
        curve_of(key, scored.limits[key]) for key, scored in first.items() if key in scored.limits
    ]
    records = dict.fromkeys(
        relative(scored.record, choices.out)
        for repeat in outcome.scored
        for scored in repeat.values()
    )
    skipped: dict[str, str] = {}
    for repeat in outcome.scored:
        for scored in repeat.values():
            skipped |= scored.skipped
    ordered = {key: place for place, key in enumerate(protocol.scores)}
    return Arm(
        key=outcome.key,
        title=rule.title,
        parameters=dict(rule.parameters),
        given=outcome.given,
        generator=outcome.recipe,
        num_videos=outcome.num_videos,
        scores=sorted(scores, key=lambda entry: ordered[entry.key]),
        made_as=outcome.made_as,
        class_scores=outcome.class_scores,
        curves=curves,
        gallery=outcome.gallery,
        records=list(records),
        skipped=skipped,
        warnings=list(dict.fromkeys(w for entry in scores for w in entry.warnings)),
    )


def _columns(protocol: Protocol) -> list[Column]:
    return [
        Column(
            key=key,
            metric=score.metric,
            title=score.title,
            higher_is_better=is_better_higher(score.metric),
            convention=score.convention,
            about=f"{CONVENTIONS[score.convention].about}. {sentence(protocol, score)}.",
        )
        for key, score in protocol.scores.items()
    ]


def _published(loaded: LoadedProtocol) -> list[PublishedRow]:
    """The published rows; those of an altered protocol say whose they are."""
    rows = [
        PublishedRow.model_validate(line.model_dump(mode="json"))
        for line in loaded.protocol.published
    ]
    if is_published(loaded):
        return rows
    base = altered(loaded)
    note = f"Of {base.label if base else 'another protocol'}, not of {loaded.label}."
    return [
        row.model_copy(update={"note": f"{note} {row.note}".strip(), "is_paper": False})
        for row in rows
    ]


def _each_once(*warnings: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(text for some in warnings for text in some))


def _without_curve(protocol: Protocol, arms: Sequence[Arm]) -> list[str]:
    """A sentence where a protocol wants curves or intervals that are not there."""
    lacking = [
        f"{protocol.scores[entry.key].title} of {arm.title} ({what})"
        for arm in arms
        for entry in arm.scores
        for what, wanted, there in (
            (
                "curve against N",
                protocol.scores[entry.key].curve,
                any(curve.key == entry.key for curve in arm.curves),
            ),
            ("interval", protocol.scores[entry.key].interval, entry.interval is not None),
        )
        if wanted and not there
    ]
    if not lacking:
        return []
    return [f"Left out, for counts are reduced or too small: {', '.join(lacking)}."]


def _protocol_record(loaded: LoadedProtocol, label: str) -> ProtocolRecord:
    protocol = loaded.protocol
    base = altered(loaded)
    return ProtocolRecord(
        name=protocol.name,
        version=protocol.version,
        sha256=loaded.sha256,
        title=title_of(loaded),
        cites=cites_of(loaded),
        label=label,
        altered_from=None if base is None else base.label,
        recipe=protocol.model_dump(mode="json"),
        open_points=[
            OpenPoint.model_validate(choice.model_dump()) for choice in protocol.open.values()
        ],
    )


def _is_doubtful(arm: Arm) -> bool:
    """Whether a score was forced, or made with weights that are not the published ones."""
    for entry in arm.scores:
        recipe = Signature.parse(entry.signature).as_dict()
        if "floor" in recipe or recipe["net"].endswith("-unverified"):
            return True
    return False
