"""Which rows of a sheet differ by more than chance may explain."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyoco_eval.errors import UsageError
from pyoco_eval.metrics.catalogue import display_name
from pyoco_eval.records.compare import Comparison, ScoreDifference, compare_records
from pyoco_eval.report.numbers import decimals, fixed
from pyoco_eval.report.sheet.sheet import Sheet, records_of

_REPEATS = (
    "Intervals of differences say what the choice of videos may do, from the first repeat; the "
    "spread over repeats is not in them."
)


@dataclass(frozen=True)
class DifferenceRow:
    """A row of the table of one metric.

    Attributes:
        score: as text.
        difference: to the row it is compared with, e.g. `+7.50`; empty for that row itself.
        interval: of the difference that infinitely many samples would give; empty without one.
        verdict: in words.
        is_shown: the difference is more than chance explains; None where nothing says.
        short: the verdict in a word or two.
    """

    name: str
    score: str
    difference: str = ""
    interval: str = ""
    verdict: str = ""
    is_shown: bool | None = None
    short: str = "best"


@dataclass(frozen=True)
class DifferenceTable:
    """One metric over all rows, the best first.

    Attributes:
        title: metric and convention.
        rows: of scores.
        refused: why the scores do not compare, key by key; empty if they do.
        warnings: sentences a reader must know.
    """

    title: str
    rows: tuple[DifferenceRow, ...]
    refused: tuple[str, ...]
    warnings: tuple[str, ...]


def difference_tables(sheet: Sheet) -> list[DifferenceTable]:
    """A table for every metric that all rows have but limits, which have no interval."""
    repeated = any(score.spread_of == "repeats" for arm in sheet.arms for score in arm.scores)
    return [
        _table(found, (_REPEATS,) if repeated else ())
        for found in comparisons_of(sheet)
        if not found.metric.endswith("-inf")
    ]


def comparisons_of(sheet: Sheet) -> list[Comparison]:
    """Of all rows of a sheet; none where there is one row, or no metric that all have."""
    records = records_of(sheet)
    if len(records) < 2:
        return []
    try:
        return compare_records(records)[0]
    except UsageError:  # no metric in common
        return []


def _table(comparison: Comparison, warnings: tuple[str, ...]) -> DifferenceTable:
    ranked = comparison.ranked()
    places = decimals(score.value for _, score in ranked)
    found = {_other(difference, ranked[0][0]): difference for difference in comparison.differences}
    rows = [_row(name, fixed(s.value, places), found.get(name), places) for name, s in ranked]
    return DifferenceTable(
        title=_title(comparison),
        rows=tuple(rows),
        refused=tuple(
            f"{key.key} ({key.meaning}): {', '.join(dict.fromkeys(key.values))}"
            for key in comparison.refused
        ),
        warnings=comparison.warnings + warnings,
    )


def _other(difference: ScoreDifference, best: str) -> str:
    return difference.of if difference.against == best else difference.against


def _row(name: str, score: str, difference: ScoreDifference | None, places: int) -> DifferenceRow:
    """Signs are those of this row less the best, whichever way the comparison has it."""
    if difference is None:
        return DifferenceRow(name, score)
    sign = 1 if difference.of == name else -1
    interval, shown = "", None
    if difference.interval is not None:
        low, high = sorted(sign * end for end in difference.interval)
        interval = f"[{_signed(low, places)}, {_signed(high, places)}]"
        shown = not low <= 0 <= high
    return DifferenceRow(
        name,
        score,
        _signed(sign * difference.value, places),
        interval,
        difference.verdict,
        shown,
        _short(difference, shown),
    )


def _short(difference: ScoreDifference, shown: bool | None) -> str:
    """What fits into a label; the same in every rendering."""
    if shown is not None:
        return "worse" if shown else "not shown"
    return "the same" if difference.value == 0 else "not known"


def _signed(value: float, places: int) -> str:
    text = fixed(value, places)
    return text if text.startswith("-") else f"+{text}"


def _title(comparison: Comparison) -> str:
    name = display_name(comparison.metric)
    return f"{name} ({comparison.convention})" if comparison.convention != "-" else name


def all_warnings(tables: Sequence[DifferenceTable]) -> list[str]:
    """Every warning of several tables once."""
    return list(dict.fromkeys(warning for table in tables for warning in table.warnings))
