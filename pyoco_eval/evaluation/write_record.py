"""Writing down a run: what was read, with what, where, and how long it took."""

from collections.abc import Mapping, Sequence

from pyoco_eval import provenance
from pyoco_eval.devices import pick_device
from pyoco_eval.extraction.measured_set import MeasuredSet
from pyoco_eval.extraction.options import Options
from pyoco_eval.features.base import ExtractorSpec
from pyoco_eval.metrics.base import Score
from pyoco_eval.records.record import (
    EMBEDDED_NOTE,
    NetworkRecord,
    Record,
    ScoreRecord,
    SourceRecord,
)
from pyoco_eval.version import __version__


def record_run(
    scores: Sequence[Score],
    sides: Sequence[tuple[MeasuredSet | None, MeasuredSet | None]],
    specs: Sequence[ExtractorSpec],
    options: Options,
    seconds: Mapping[str, float],
) -> Record:
    """The record of one evaluation; `sides` holds each score's (generated, reference)."""
    generated = next(side for side, _ in sides if side is not None)
    references = [side for _, side in sides if side is not None]
    warnings = dict.fromkeys(warning for score in scores for warning in score.warnings)
    if any(score.signature.get("label") == "embedded" for score in scores):
        warnings[EMBEDDED_NOTE] = None
    return Record(
        version=__version__,
        scores=[ScoreRecord.of(score) for score in scores],
        samples=_source_record(generated),
        reference=_source_record(references[0]) if references else None,
        networks=[_network_record(spec) for spec in specs],
        environment=provenance.environment() | {"device": str(pick_device(options.device))},
        code=provenance.code_state(),
        seconds={name: round(value, 3) for name, value in seconds.items()},
        warnings=list(warnings),
    )


def _source_record(side: MeasuredSet) -> SourceRecord:
    return SourceRecord(
        name=side.name,
        digest=side.digest,
        num_videos=side.num_videos,
        recipe=dict(side.recipe),
        skipped=dict(side.skipped),
        files=dict(side.files),
    )


def _network_record(spec: ExtractorSpec) -> NetworkRecord:
    return NetworkRecord(
        extractor=spec.name,
        network=spec.network,
        layer=spec.layer,
        dim=spec.dim,
        resize=spec.resize.spec(),
        scaling=spec.scaling,
        weights=spec.weights.digest,
        published=spec.weights.published,
    )
