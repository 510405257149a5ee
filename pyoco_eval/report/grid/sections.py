"""Grids within a report: the arms of a protocol row by row, the videos of records side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.records.results import Arm, GalleryEntry
from pyoco_eval.report.gallery.media import open_clip_file
from pyoco_eval.report.gallery.section import Budget
from pyoco_eval.report.grid.arrange import LayoutName, Place, arrange
from pyoco_eval.report.grid.cells import CellView, TableView, playing_cell, still_uris, table_view
from pyoco_eval.report.grid.match import match_samples
from pyoco_eval.report.grid.sample_folder import SampleFolder
from pyoco_eval.report.sheet.sheet import Sheet
from pyoco_eval.videos.video import Video

MOST_SHARED: Final = 3
"""Samples of each arm."""
STRIP_FRAMES: Final = 4
SHARE: Final = 3
"""A grid has one part of so many of a page's bytes; the galleries have the others."""

_SYMBOLS: Final = {"alpha": "α"}


@dataclass(frozen=True)
class GridSection:
    """A grid of a report.

    Attributes:
        heading: of its section.
        notes: what a reader must know of it.
    """

    heading: str
    notes: tuple[str, ...]
    table: TableView


def strips_of_arms(sheet: Sheet, budget: Budget) -> GridSection | None:
    """The same samples of every arm, frames side by side; None where arms share none.

    Of a protocol with a figure, arms that have its parameter are shown. What cannot be read is
    told in `budget`, never raised.
    """
    parameter = None if sheet.figure is None else sheet.figure.x
    shared = {
        sheet.name_of(arm): (sheet.folders.get(arm.key, Path()), _drawn(arm))
        for arm in sheet.arms
        if parameter is None or parameter in arm.parameters
    }
    indices = _common([entries for _, entries in shared.values()])
    if len(shared) < 2 or not indices:
        return None
    rows = [[entries[index] for _, entries in shared.values()] for index in indices]
    seeds = {len({entry.seed for entry in row if entry.seed is not None}) for row in rows}
    stated = all(entry.seed is not None for row in rows for entry in row)
    if seeds == {1} and stated:
        note = "Every column has one seed (and prompt): rows differ by model and prior alone."
    else:
        note = "Every column is one request; seeds of given videos are not known or not the same."
    names = list(shared)
    cells = _cells(
        {
            Place(place, number): (
                f"{name}: {_caption(entries[index])}", _opener(folder / entries[index].file)
            )
            for place, (name, (folder, entries)) in enumerate(shared.items())
            for number, index in enumerate(indices)
        },
        budget,
        _still_cell,
    )  # fmt: skip
    what = "The same samples, arm by arm"
    if parameter is not None:
        what = f"The same samples along {_SYMBOLS.get(parameter, parameter)}"
    captions = [_caption(row[0]) for row in rows]
    return _section(what, (note,), ("strips", names, captions), cells)


def side_by_side(folders: Sequence[SampleFolder], num: int, budget: Budget) -> GridSection:
    """The first samples of several folders, a column for each, every prompt a row.

    Raises:
        UsageError: samples do not match; the message lists all that is missing.
    """
    most = min(num, *(len(folder.samples) for folder in folders))
    matched = match_samples(folders, most)
    captions = matched.captions()
    names = [folder.name for folder in folders]
    cells = _cells(
        {
            Place(folder, number): (f"{names[folder]}: {captions[number]}", _given(sample.video))
            for number, row in enumerate(matched.rows)
            for folder, sample in enumerate(row)
        },
        budget,
        playing_cell,
    )
    return _section("Side by side", matched.notes, ("side-by-side", names, captions), cells)


def _section(
    heading: str,
    notes: tuple[str, ...],
    layout: tuple[LayoutName, Sequence[str], Sequence[str]],
    cells: Mapping[Place, CellView],
) -> GridSection:
    name, folders, captions = layout
    arrangement = arrange(name, folders, captions, len(captions))
    return GridSection(heading, notes, table_view(arrangement, cells, heading))


def _drawn(arm: Arm) -> dict[int, GalleryEntry]:
    """The clips that were drawn at random, by their number: arms of as many draw the same."""
    return {
        entry.index: entry
        for entry in arm.gallery
        if entry.role == "random" and entry.index is not None
    }


def _common(arms: Sequence[Mapping[int, GalleryEntry]]) -> list[int]:
    """Numbers that all arms have, of one caption and class."""
    first = arms[0] if arms else {}
    found = [
        index
        for index in sorted(first)
        if all(index in entries for entries in arms)
        and len({(e[index].caption, e[index].class_name) for e in arms}) == 1
    ]
    return found[:MOST_SHARED]


def _caption(entry: GalleryEntry) -> str:
    seed = f"seed {entry.seed}" if entry.seed is not None else f"sample {entry.index}"
    return entry.caption or entry.class_name or seed


def _cells(
    wanted: Mapping[Place, tuple[str, Callable[[], Video]]],
    budget: Budget,
    make: Callable[[str, Video, int], CellView],
) -> dict[Place, CellView]:
    """Every cell within its share of the budget; one that fails says so."""
    left = budget.left // SHARE
    cells = {}
    for number, (place, (label, open_video)) in enumerate(wanted.items()):
        try:
            cell = make(label, open_video(), left // (len(wanted) - number))
        except PyocoEvalError as error:
            budget.failed.append(f"A cell of the grid cannot be shown: {error}")
            cell = CellView(label, missing="cannot be read")
        if cell.missing and cell.missing != "cannot be read":
            budget.left_out.append(label)
        size = sum(map(len, cell.stills)) + (cell.media.num_bytes if cell.media else 0)
        left -= size
        budget.left -= size
        cells[place] = cell
    return cells


def _still_cell(label: str, video: Video, limit: int) -> CellView:
    length = video.count_frames()
    frames = video.read(range(0, length, -(-length // STRIP_FRAMES)))
    stills = still_uris(frames)
    if sum(map(len, stills)) > limit:
        return CellView(label, missing="left out for its size")
    return CellView(label, stills=stills)


def _opener(path: Path) -> Callable[[], Video]:
    return lambda: open_clip_file(path)


def _given(video: Video) -> Callable[[], Video]:
    return lambda: video
