"""The report as one HTML file: no request, no framework, every foreign text escaped."""

import re
from collections.abc import Sequence
from typing import Any

from pyoco_eval.metrics.signature import KEYS
from pyoco_eval.records.results import ScoreEntry
from pyoco_eval.report.account import (
    INTERVAL_NOTE,
    MADE_AS_HEADS,
    account_of,
    made_as_cells,
)
from pyoco_eval.report.gallery.section import HEADINGS, Budget, Hall
from pyoco_eval.report.grid.sections import GridSection
from pyoco_eval.report.numbers import arrow, duration
from pyoco_eval.report.page import page_environment, page_part, page_policy
from pyoco_eval.report.sheet.sheet import Sheet
from pyoco_eval.report.tables import latex_table, markdown_table
from pyoco_eval.version import __version__


def html_report(
    sheets: Sequence[Sheet],
    halls: Sequence[Sequence[Hall]] = (),
    budget: Budget | None = None,
    grids: Sequence[GridSection | None] = (),
) -> str:
    """The whole page.

    Args:
        halls: of every sheet its gallery; none at all for a page without clips.
        budget: of the clips, for what it has to tell.
        grids: of every sheet the grid of its samples, if it has one; none at all as for halls.
    """
    environment = page_environment()
    environment.filters |= {
        "duration": duration,
        "arrow": arrow,
        "signature": signature_parts,
        "signatures": signatures,
        "minus": _minus,
        "made_as": made_as_cells,
    }
    style, script = page_part("report.css", "grid.css"), page_part("report.js")
    notes = budget.sentences() if budget is not None else []
    views = [
        _view(sheet, hall, () if place else notes) | {"grid": grid}
        for place, (sheet, hall, grid) in enumerate(
            zip(sheets, halls or [()] * len(sheets), grids or [None] * len(sheets), strict=True)
        )
    ]
    return environment.get_template("page.html.jinja").render(
        title=" · ".join(dict.fromkeys(sheet.title for sheet in sheets)),
        views=views,
        style=style,
        script=script,
        policy=page_policy(style, script),
        version=__version__,
        headings=HEADINGS,
        interval_note=INTERVAL_NOTE,
        made_as_heads=MADE_AS_HEADS,
    )


def signature_parts(signature: str) -> list[tuple[str, str, str]]:
    """(key, value, meaning) of each part; of an unknown key without a meaning."""
    pairs = (part.partition(":")[::2] for part in signature.split(" | "))
    return [(key, value, KEYS.get(key, "")) for key, value in pairs]


def signatures(score: ScoreEntry) -> list[tuple[str, list[float]]]:
    """Every signature of a score once, with the values it stands behind."""
    texts = score.signatures or [score.signature]
    values = score.repeats if len(score.repeats) == len(texts) else len(texts) * [score.value]
    found: dict[str, list[float]] = {}
    for text, value in zip(texts, values, strict=True):
        found.setdefault(text, []).append(value)
    return list(found.items())


def _view(sheet: Sheet, halls: Sequence[Hall], notes: Sequence[str]) -> dict[str, Any]:
    return {
        "sheet": sheet,
        "account": account_of(sheet, notes),
        "markdown": markdown_table(sheet),
        "latex": latex_table(sheet),
        "halls": halls,
    }


def _minus(text: str) -> str:
    """A hyphen before a digit becomes the sign that it stands for."""
    return re.sub(r"-(?=[0-9])", "−", text)
