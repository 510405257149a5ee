"""What a report says of one sheet. HTML, Markdown and LaTeX are three renderings of this.

Whatever a reader must know is decided here: a rendering may leave out what its medium cannot show
(clips and charts outside HTML), and says nothing of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pyoco_eval.records.results import MadeAs
from pyoco_eval.report.charts.arm_charts import Picture, arm_pictures, curve_pictures
from pyoco_eval.report.charts.class_bars import ClassChart, class_charts
from pyoco_eval.report.sheet.differences import DifferenceTable, all_warnings, difference_tables
from pyoco_eval.report.sheet.score_table import NOT_RESOLVED, ScoreTable, score_table
from pyoco_eval.report.sheet.sheet import Sheet

NOT_COMPARABLE = "Not comparable with published numbers."
INTERVAL_NOTE = (
    "Intervals are for the score that infinitely many videos would give, which distances of "
    "finitely many exceed."
)
_NOT_RESOLVED_NOTE = (
    f"An interval is {NOT_RESOLVED} where all of it lies beyond the bound of the score: so many "
    "samples cannot tell it from that bound."
)


@dataclass(frozen=True)
class Account:
    """Everything a report says of one sheet.

    Attributes:
        verdict: that the numbers stand beside no published ones; empty if they do.
        table: scores with N, beside published rows.
        notes: what stands behind N, ± and intervals, a sentence each.
        made_as: (row, what its videos are beside what the recipe asks for).
        differences: which rows differ by more than chance.
        arm_pictures, curve_pictures: charts; their captions hold the numbers that are not in the
            table.
        classes: scores of single classes.
        warnings: every one once.
    """

    sheet: Sheet
    verdict: str
    table: ScoreTable
    notes: tuple[str, ...]
    made_as: tuple[tuple[str, tuple[MadeAs, ...]], ...]
    differences: tuple[DifferenceTable, ...]
    arm_pictures: tuple[Picture, ...]
    curve_pictures: tuple[Picture, ...]
    classes: tuple[ClassChart, ...]
    warnings: tuple[str, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the numbers may not stand beside published ones, or how the run departed."""
        return self.sheet.reasons


def account_of(sheet: Sheet, notes: Sequence[str] = ()) -> Account:
    """The account of a sheet; `notes` are warnings of whoever makes the report."""
    table = score_table(sheet)
    differences = difference_tables(sheet)
    warnings = dict.fromkeys([*notes, *sheet.all_warnings, *all_warnings(differences)])
    return Account(
        sheet=sheet,
        verdict="" if sheet.comparable else NOT_COMPARABLE,
        table=table,
        notes=tuple(_notes(sheet, table)),
        made_as=tuple(
            (sheet.name_of(arm), tuple(arm.made_as)) for arm in sheet.arms if arm.made_as
        ),
        differences=tuple(differences),
        arm_pictures=tuple(arm_pictures(sheet)),
        curve_pictures=tuple(curve_pictures(sheet)),
        classes=tuple(class_charts(sheet)),
        warnings=tuple(text for text in warnings if text not in sheet.reasons),
    )


def _notes(sheet: Sheet, table: ScoreTable) -> list[str]:
    found = ["N counts feature rows (clips, or frames), generated / real, of one repeat."]
    for column in sheet.columns:
        kinds: dict[str, None] = {}
        for arm in sheet.arms:
            score = arm.score(column.key)
            if score is None or score.std is None:
                continue
            if score.spread_of == "repeats":
                count = f"{len(score.repeats)} repeats"
            else:
                count = f"{len(score.extras.get('per_split', ())) or ''} splits".strip()
            kinds[f"± of {column.title} is the standard deviation over {count}, ddof 0"] = None
        found += [f"{text}." for text in kinds]
    if any(cell is not None and cell.spread for row in table.published for cell in row.cells):
        found.append("± of published rows is as their source prints it.")
    if table.has_intervals:
        found.append(INTERVAL_NOTE)
    if any(c is not None and c.interval == NOT_RESOLVED for row in table.own for c in row.cells):
        found.append(_NOT_RESOLVED_NOTE)
    if table.sources:
        found.append(f"Published rows: {'; '.join(table.sources)}.")
    return found


MADE_AS_HEADS = ("fact", "recipe", "videos", "agrees")


def made_as_cells(row: MadeAs) -> tuple[str, str, str, str]:
    """One fact of the videos, for a table under `MADE_AS_HEADS`."""
    return row.fact, row.asked or "–", row.found_text(), "yes" if row.agrees else "no"
