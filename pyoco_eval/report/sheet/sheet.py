"""What a report shows, whatever it was made from: protocol results or plain records of scores."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyoco_eval.metrics.signature import Signature
from pyoco_eval.records.record import Record, ScoreRecord, SourceRecord
from pyoco_eval.records.results import (
    Arm,
    Column,
    Figure,
    OpenPoint,
    PublishedRow,
)

EMBEDDED_REASON = "The networks are the embedded ones, trained on moving shapes."
FORCED_REASON = "Some scores are below the sample floor and were forced."
UNVERIFIED_REASON = "Some networks have weights that are not known to be the published ones."


@dataclass(frozen=True)
class Sheet:
    """One table with all that belongs to it.

    Attributes:
        kicker: the protocol as `name@version`, or what the rows are.
        cites: what the protocol reproduces; empty for plain records.
        columns, arms, published, figure: as in `results`.
        comparable: whether the scores may stand beside published ones.
        reasons: sentences why they may not, or how the run departed from its protocol.
        recipe: section -> dotted key -> value, in full.
        open_points: what the paper leaves open, and what was chosen.
        timings: (what, seconds).
        machines: row or run -> dotted key -> value: libraries, devices, code state.
        folders: arm key -> where the paths of its gallery start.
        names: arm key -> name of the file it came from.
    """

    title: str
    kicker: str
    created: str
    columns: tuple[Column, ...]
    arms: tuple[Arm, ...]
    comparable: bool
    reasons: tuple[str, ...] = ()
    cites: str = ""
    published: tuple[PublishedRow, ...] = ()
    figure: Figure | None = None
    recipe: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    open_points: tuple[OpenPoint, ...] = ()
    timings: tuple[tuple[str, float], ...] = ()
    machines: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    folders: Mapping[str, Path] = field(default_factory=dict)
    records: Mapping[str, Record] = field(default_factory=dict)

    @property
    def all_warnings(self) -> list[str]:
        """Every warning once: of the run, of arms, of scores."""
        found = list(self.warnings)
        for arm in self.arms:
            found += arm.warnings
            found += [warning for score in arm.scores for warning in score.warnings]
        return list(dict.fromkeys(found))

    @property
    def skipped(self) -> list[tuple[str, str, str]]:
        """(arm, video, reason) of everything left out."""
        return [
            (arm.title, video, reason) for arm in self.arms for video, reason in arm.skipped.items()
        ]

    def title_of(self, key: str) -> str:
        """The heading of a column; its key where there is no such column."""
        return next((column.title for column in self.columns if column.key == key), key)

    def name_of(self, arm: Arm) -> str:
        """The title of a row, with its key where another has the same."""
        twice = sum(other.title == arm.title for other in self.arms) > 1
        return f"{arm.title} ({arm.key})" if twice else arm.title


def records_of(sheet: Sheet) -> dict[str, Record]:
    """Every row as a record, for comparison; names are those of `Sheet.name_of`.

    The full records where there are such; of arms, what `results` holds.
    """
    if sheet.records:
        return dict(sheet.records)
    found = {}
    for arm in sheet.arms:
        scores = [
            ScoreRecord(
                metric=score.metric,
                value=score.value,
                interval=score.interval,
                std=score.std if score.spread_of == "splits" else None,
                signature=score.signature,
                recipe=Signature.parse(score.signature).as_dict(),
                num_samples=score.num_samples,
                num_reference=score.num_reference,
                extras=score.extras,
            )
            for score in arm.scores
        ]
        samples = SourceRecord(name=arm.title, digest=arm.key, num_videos=arm.num_videos)
        found[sheet.name_of(arm)] = Record(version="", scores=scores, samples=samples)
    return found


def flatten(value: Any, before: str = "") -> dict[str, str]:
    """Nested mappings and lists as dotted keys -> text."""
    if isinstance(value, Mapping):
        pairs = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list | tuple) and any(isinstance(v, Mapping | list) for v in value):
        pairs = [(str(number), item) for number, item in enumerate(value, start=1)]
    else:
        if isinstance(value, list | tuple):
            value = " ".join(map(str, value))
        return {before: "-" if value is None else str(value)}
    found: dict[str, str] = {}
    for key, item in pairs:
        found |= flatten(item, f"{before}.{key}" if before else key)
    return found
