"""The rows of a sheet beside the published ones, ready to be set in HTML, Markdown or LaTeX."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pyoco_eval.metrics.interval_text import interval_text
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.records.results import Arm, Column, ScoreEntry
from pyoco_eval.report.numbers import decimals, fixed, spread_text
from pyoco_eval.report.sheet.differences import comparisons_of
from pyoco_eval.report.sheet.sheet import Sheet

NOT_RESOLVED: Final = "not resolved"
"""In place of an interval that was cut to a point."""


@dataclass(frozen=True)
class Cell:
    """A score as printed.

    Attributes:
        value: e.g. `355.19`.
        spread: the number behind ±; empty without one.
        interval: e.g. `at N → ∞ 346.05 [340.00, 352.10]`, or `NOT_RESOLVED`; empty without one.
        best: nothing it may be compared with is better.
    """

    value: str
    spread: str = ""
    interval: str = ""
    best: bool = False


@dataclass(frozen=True)
class TableRow:
    """A method with a cell per column, None where it has no score.

    Attributes:
        source: where a published row is printed; what an own row was made from.
        note: what a reader must know of a published row.
        is_own: computed here.
        is_paper: a published row of the paper that the protocol follows.
        num_videos: of an own row.
        rows: N of an own row: `2,048 / 2,048`, by column where columns differ.
    """

    method: str
    cells: tuple[Cell | None, ...]
    source: str = ""
    note: str = ""
    is_own: bool = True
    is_paper: bool = False
    num_videos: int | None = None
    rows: str = ""


@dataclass(frozen=True)
class ScoreTable:
    """Columns with their rows: the published first, then those computed here."""

    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]

    @property
    def published(self) -> list[TableRow]:
        """Rows that a paper printed."""
        return [row for row in self.rows if not row.is_own]

    @property
    def own(self) -> list[TableRow]:
        """Rows of this run."""
        return [row for row in self.rows if row.is_own]

    @property
    def sources(self) -> list[str]:
        """Where the published rows are printed, each once."""
        return list(dict.fromkeys(row.source for row in self.published if row.source))

    @property
    def has_intervals(self) -> bool:
        """Whether any number has an interval."""
        return any(cell is not None and cell.interval for row in self.rows for cell in row.cells)


@dataclass(frozen=True)
class _Number:
    value: float
    std: float | None
    interval: tuple[float, float] | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    ci: str | None = None

    @classmethod
    def of(cls, entry: ScoreEntry) -> "_Number":
        ci = Signature.parse(entry.signature).get("ci") if entry.signature else None
        return cls(entry.value, entry.std, entry.interval, entry.extras, ci)


def score_table(sheet: Sheet) -> ScoreTable:
    """The table of a sheet.

    The best of a column is sought among all rows where the sheet's scores are comparable, else
    among published and own rows apart. A lone row is not marked, nor are own rows whose recipes
    do not agree.
    """
    refused = {(c.metric, c.convention) for c in comparisons_of(sheet) if c.refused}
    grid: list[list[_Number | None]] = []
    for row in sheet.published:
        found = [row.values.get(column.key) for column in sheet.columns]
        grid.append([None if v is None else _Number(v.value, v.std) for v in found])
    for arm in sheet.arms:
        entries = [arm.score(column.key) for column in sheet.columns]
        grid.append([None if e is None else _Number.of(e) for e in entries])
    split = len(sheet.published)
    published, own = range(split), range(split, len(grid))
    columns: list[list[Cell | None]] = []
    for position, column in enumerate(sheet.columns):
        numbers = [line[position] for line in grid]
        groups = [range(len(grid))] if sheet.comparable else [published, own]
        if (column.metric, column.convention) in refused:
            groups = [published]
        best = {row for group in groups for row in _best(numbers, group, column.higher_is_better)}
        printed = [number for number in numbers[:split] if number is not None]
        theirs = (
            _printed_places(number.value for number in printed),
            _printed_places(number.std for number in printed),
        )
        ours = 2 * (decimals(number.value for number in numbers[split:] if number is not None),)
        columns.append(
            [
                _cell(number, *(theirs if row < split else ours), row in best)
                for row, number in enumerate(numbers)
            ]
        )
    cells = list(zip(*columns, strict=True)) if columns else [()] * len(grid)
    rows = [
        TableRow(row.method, line, row.source, row.note, is_own=False, is_paper=row.is_paper)
        for row, line in zip(sheet.published, cells[:split], strict=True)
    ]
    rows += [
        TableRow(
            sheet.name_of(arm), line, ", ".join(arm.given),
            num_videos=arm.num_videos, rows=_rows_text(sheet, arm),
        )
        for arm, line in zip(sheet.arms, cells[split:], strict=True)
    ]  # fmt: skip
    return ScoreTable(sheet.columns, tuple(rows))


def _rows_text(sheet: Sheet, arm: Arm) -> str:
    counts: dict[str, list[str]] = {}
    for column in sheet.columns:
        score = arm.score(column.key)
        if score is not None:
            real = "" if score.num_reference is None else f" / {score.num_reference:,}"
            counts.setdefault(f"{score.num_samples:,}{real}", []).append(column.title)
    if len(counts) <= 1:
        return next(iter(counts), "")
    return "; ".join(f"{', '.join(titles)}: {count}" for count, titles in counts.items())


def _best(numbers: list[_Number | None], group: range, higher_is_better: bool) -> list[int]:
    values = {row: n.value for row in group if (n := numbers[row]) is not None}
    if len(values) < 2:
        return []
    best = max(values.values()) if higher_is_better else min(values.values())
    return [row for row, value in values.items() if value == best]


def _printed_places(values: Iterable[float | None]) -> int:
    """Decimal places of a published column: those of its longest number."""
    texts = (f"{value:.10g}" for value in values if value is not None)
    return max((len(text.partition(".")[2]) for text in texts), default=0)


def _cell(number: _Number | None, places: int, spread_places: int, best: bool) -> Cell | None:
    if number is None:
        return None
    return Cell(
        fixed(number.value, places),
        "" if number.std is None else spread_text(number.std, spread_places),
        _interval(number, places),
        best,
    )


def _interval(number: _Number, places: int) -> str:
    """With the number it belongs to, for the score itself may lie outside."""
    if number.interval is None:
        return ""
    if number.interval[0] == number.interval[1]:
        return NOT_RESOLVED
    return interval_text(
        number.value,
        number.interval,
        number.extras,
        number.ci,
        lambda value: fixed(value, places),
    )
