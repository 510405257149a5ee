"""Scores of one arm and repeat, signed with the protocol, and their records."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pyoco_eval import provenance
from pyoco_eval.evaluation.evaluate import evaluate
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.processes import processes
from pyoco_eval.progress import Progress
from pyoco_eval.protocol_run.sample import Samples
from pyoco_eval.protocol_run.score_groups import ScoreGroup
from pyoco_eval.protocol_run.stages import Outcome, Stages, fingerprint
from pyoco_eval.records.record import Record, ScoreRecord
from pyoco_eval.videos.source import VideoSource


@dataclass(frozen=True)
class Scored:
    """What a group of columns came to.

    Attributes:
        scores: column key -> score.
        limits: column key -> the same extrapolated, where a curve was asked for.
        record: path of the full record.
        skipped: id -> why a video was left out.
    """

    scores: Mapping[str, ScoreRecord]
    limits: Mapping[str, ScoreRecord]
    record: Path
    skipped: Mapping[str, str]


def score(
    stages: Stages,
    arm: str,
    repeat: int,
    samples: Samples,
    reference: VideoSource | None,
    group: ScoreGroup,
    *,
    profile: str,
    label: str,
    out: Path,
    progress: Progress,
) -> Scored:
    """Score a group, or take the record of an earlier start.

    Args:
        samples: of the repeat; its first `group.count` videos are scored.
        reference: real videos of the group.
        label: of the protocol, for signatures.
        out: folder of the run.
    """
    source = first(samples.source, group.count)
    options = group.options
    inputs = {
        "samples": samples.identity,
        "ids": hashlib.sha256("\n".join(video.id for video in source).encode()).hexdigest(),
        "columns": {key: list(pair) for key, pair in group.columns.items()},
        "options": {
            name: str(getattr(options, name))
            for name in (
                "clip", "frames", "pre_resize", "reference_clip", "pixels", "decoder",
                "precision", "interval", "extrapolate", "allow_small",
            )
        },
        "reference": None if reference is None else reference_identity(reference),
        "weights": {key: fingerprint([path]) for key, path in sorted(options.weights.items())},
        "label": label,
        "code": provenance.code_state()["source"],
        "decoders": source.decoder_label(),
    }  # fmt: skip
    name = f"{arm}-r{repeat}-{'+'.join(group.columns)}.json"
    path = out / "records" / name

    def work() -> Outcome:
        evaluation = evaluate(
            source,
            reference,
            metrics=[metric for metric, _ in group.columns.values()],
            profile=profile,
            conventions=dict(group.columns.values()),
            options=options,
            progress=progress,
        )
        record = signed(evaluation.record, label)
        if processes().is_main:
            record.save(path)
        return {"record": hashlib.sha256(record.to_json().encode()).hexdigest()}

    def still_there(outcome: Outcome) -> bool:
        if not path.is_file():
            return False
        text = Record.load(path).to_json()
        return bool(hashlib.sha256(text.encode()).hexdigest() == outcome["record"])

    stages.run("score", arm, inputs, work, still_there)
    record = Record.load(path)
    by_metric = {found.metric: found for found in record.scores}
    scores, limits = {}, {}
    for key, (metric, _) in group.columns.items():
        scores[key] = by_metric[metric]
        if f"{metric}-inf" in by_metric:
            limits[key] = by_metric[f"{metric}-inf"]
    return Scored(scores, limits, path, record.samples.skipped)


def signed(record: Record, label: str) -> Record:
    """The record with the protocol in every signature."""
    scores = []
    for found in record.scores:
        signature = Signature.of({**found.recipe, "protocol": label})
        changed = {"signature": str(signature), "recipe": signature.as_dict()}
        scores.append(found.model_copy(update=changed))
    return record.model_copy(update={"scores": scores})


def first(source: VideoSource, count: int) -> VideoSource:
    """Its first `count` videos under a name of their own."""
    if count >= len(source):
        return source
    name = f"{source.name}-first{count}"
    return source.subset(name, [source[place] for place in range(count)])


def reference_identity(reference: VideoSource) -> str:
    """Names, sizes and times of its files; of rendered videos, which are few, their content."""
    paths = [video.path for video in reference if video.path is not None]
    if len(paths) < len(reference):
        return reference.digest()
    return f"{reference.name} {fingerprint(paths)}"
