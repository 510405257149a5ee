"""The playing page of a grid: one file that loads nothing."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pyoco_eval.report.grid.account import CellRecord
from pyoco_eval.report.grid.arrange import LayoutName
from pyoco_eval.report.grid.cells import TableView
from pyoco_eval.report.grid.sample_folder import SampleFolder
from pyoco_eval.report.page import page_environment, page_part, page_policy
from pyoco_eval.version import __version__
from pyoco_eval.visible import visible


def grid_page(
    layout: LayoutName,
    table: TableView,
    folders: Sequence[SampleFolder],
    cells: Sequence[CellRecord],
    notes: Sequence[str],
) -> str:
    """The whole page; every text of a caption, name or recipe is escaped."""
    style = page_part("report.css", "grid.css", "grid_page.css")
    script = page_part("grid.js")
    text = (
        page_environment()
        .get_template("grid.html.jinja")
        .render(
            title=" · ".join(folder.name for folder in folders),
            kicker=f"pyoco-eval grid, {layout}",
            table=table,
            notes=notes,
            folders=[(folder.name, dict(folder.recipe)) for folder in folders],
            differing=_differing(folders),
            cells=[asdict(cell) for cell in cells],
            style=style,
            script=script,
            policy=page_policy(style, script),
            version=__version__,
        )
    )
    return visible(text)


def _differing(folders: Sequence[SampleFolder]) -> list[tuple[str, list[str]]]:
    """Entries of the recipes that are not the same in all of several folders."""
    keys: dict[str, Any] = {}
    for folder in folders:
        keys |= dict.fromkeys(folder.recipe)
    rows = [(key, [folder.recipe.get(key, "–") for folder in folders]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]
