"""Plain records of scores as one sheet of a report, each record a row."""

from collections.abc import Iterable, Mapping, Sequence

from pyoco_eval.metrics.catalogue import display_name, is_better_higher
from pyoco_eval.metrics.signature import KEYS
from pyoco_eval.records.record import EMBEDDED_NOTE, Record, ScoreRecord
from pyoco_eval.records.results import Arm, Column, Curve, CurvePoint, ScoreEntry
from pyoco_eval.report.sheet.sheet import (
    EMBEDDED_REASON,
    FORCED_REASON,
    UNVERIFIED_REASON,
    Sheet,
    flatten,
)


def sheet_of_records(records: Mapping[str, Record]) -> Sheet:
    """Plain records as one sheet, a row for each.

    Columns are metrics, under every convention that occurs; limits (`fvd-inf`) become curves.
    """
    columns: dict[str, Column] = {}
    arms = []
    for name, record in records.items():
        scores: list[ScoreEntry] = []
        curves: list[Curve] = []
        for score in record.scores:
            key = _column_key(score, scores)
            if score.metric.endswith("-inf"):
                curves.append(_curve(score))
                continue
            columns.setdefault(key, _column(key, score))
            scores.append(_entry(key, score))
        arms.append(
            Arm(
                key=name,
                title=name,
                num_videos=record.samples.num_videos,
                scores=scores,
                curves=curves,
                skipped=record.samples.skipped,
            )
        )
    flat = [score for record in records.values() for score in record.scores]
    reasons = []
    if any(score.recipe.get("label") == "embedded" for score in flat):
        reasons.append(EMBEDDED_REASON)
    if any("floor" in score.recipe for score in flat):
        reasons.append(FORCED_REASON)
    if any(score.recipe.get("net", "").endswith("-unverified") for score in flat):
        reasons.append(UNVERIFIED_REASON)
    seconds = [
        (what if len(records) == 1 else f"{name}: {what}", value)
        for name, record in records.items()
        for what, value in record.seconds.items()
    ]
    return Sheet(
        title=" and ".join(records) if len(records) <= 2 else f"{len(records)} sets of videos",
        kicker="Scores",
        created=max(record.created for record in records.values()),
        columns=tuple(_unlike_titles(columns.values())),
        arms=tuple(arms),
        comparable=not reasons,
        reasons=tuple(reasons),
        recipe=_recipes(records),
        timings=tuple(seconds),
        machines={
            name: flatten(
                {
                    "version": record.version,
                    "code": record.code,
                    "environment": record.environment,
                    "networks": [network.model_dump() for network in record.networks],
                }
            )
            for name, record in records.items()
        },
        warnings=tuple(
            dict.fromkeys(
                w for record in records.values() for w in record.warnings if w != EMBEDDED_NOTE
            )
        ),
        records=records,
    )


def _recipes(records: Mapping[str, Record]) -> dict[str, dict[str, str]]:
    return {
        f"{name}: {_title(score)}" if len(records) > 1 else _title(score): {
            f"{key} ({KEYS[key]})" if key in KEYS else key: value
            for key, value in score.recipe.items()
        }
        for name, record in records.items()
        for score in record.scores
    }


def _title(score: ScoreRecord) -> str:
    return display_name(score.metric)


def _column_key(score: ScoreRecord, earlier: Sequence[ScoreEntry]) -> str:
    key = f"{score.metric} {score.recipe.get('conv', '')}".strip()
    again = sum(entry.key == key or entry.key.startswith(f"{key} #") for entry in earlier)
    return f"{key} #{again + 1}" if again else key


def _column(key: str, score: ScoreRecord) -> Column:
    return Column(
        key=key,
        metric=score.metric,
        title=_title(score),
        higher_is_better=is_better_higher(score.metric),
        convention=score.recipe.get("conv", ""),
    )


def _unlike_titles(columns: Iterable[Column]) -> list[Column]:
    """Where two columns have one title, the convention joins it."""
    listed = list(columns)
    titles = [column.title for column in listed]
    return [
        column.model_copy(update={"title": f"{column.title} ({column.key.partition(' ')[2]})"})
        if titles.count(column.title) > 1
        else column
        for column in listed
    ]


def _entry(key: str, score: ScoreRecord) -> ScoreEntry:
    return ScoreEntry(
        key=key,
        metric=score.metric,
        value=score.value,
        std=score.std,
        spread_of="splits" if score.std is not None else None,
        interval=score.interval,
        signature=score.signature,
        num_samples=score.num_samples,
        num_reference=score.num_reference,
        extras=score.extras,
        warnings=score.warnings,
    )


def _curve(score: ScoreRecord) -> Curve:
    """The curve behind a limit; the columns are those of `extrapolation`."""
    sizes, means, deviations = (score.extras[name] for name in ("sizes", "mean", "std"))
    metric = score.metric.removesuffix("-inf")
    return Curve(
        key=f"{metric} {score.recipe.get('conv', '')}".strip(),
        points=[
            CurvePoint(num_rows=int(size), mean=mean, std=std)
            for size, mean, std in zip(sizes, means, deviations, strict=True)
        ],
        limit=score.value,
        slope=score.extras["slope"],
        standard_error=score.extras["standard_error"],
        signature=score.signature,
    )
