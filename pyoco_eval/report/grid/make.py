"""From folders of samples to a grid: the picture, the page and the record of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyoco_eval.atomic import atomic_path, check_writable
from pyoco_eval.progress import Progress, Silent
from pyoco_eval.report.grid.account import PAGE, PICTURE, RECORD, grid_record, refuse_foreign
from pyoco_eval.report.grid.arrange import refuse_meaningless
from pyoco_eval.report.grid.fill import GridChoices, GridWork
from pyoco_eval.report.grid.lettering import Lettering
from pyoco_eval.report.grid.match import match_samples
from pyoco_eval.report.grid.page import grid_page
from pyoco_eval.report.grid.sample_folder import SampleFolder


@dataclass(frozen=True)
class MadeGrid:
    """What was written.

    Attributes:
        notes: what a reader must know; also on the page and in the record.
    """

    picture: Path
    page: Path
    record: Path
    num_cells: int
    notes: tuple[str, ...]


def make_grid(
    folders: Sequence[SampleFolder],
    out: Path,
    choices: GridChoices | None = None,
    progress: Progress | None = None,
) -> MadeGrid:
    """Write `grid.png`, `grid.html` and `grid.json` into `out`.

    One sample is decoded at a time, and of each only the frames that are shown are kept.

    Args:
        folders: at least one; rows or columns, in this order.
        out: a new folder, or that of an earlier grid, which is replaced.
        progress: one step for each cell.

    Raises:
        UsageError: samples do not match, there are fewer than asked for, or an option has no
            meaning for the layout; the message names what is missing.
        VideoError: a sample cannot be decoded.
        PyocoEvalError: a sample is not the one that its manifest names, or the system refuses to
            write.
    """
    choices = choices or GridChoices()
    refuse_meaningless(choices.layout, len(folders), choices.columns)
    refuse_foreign(out, folders)
    check_writable(out / PICTURE, "--out")
    lettering = Lettering(choices.font)
    work = GridWork(match_samples(folders, choices.num, choices.pick), choices, lettering)
    with (progress or Silent()).stage("grid", len(work.samples)) as stage:
        for place in work.arrangement.places():
            work.show(place)
            stage.advance()
    notes = work.notes()
    page = grid_page(choices.layout, work.table(), folders, work.records, notes)
    files = {PICTURE: work.canvas.png(), PAGE: page.encode("utf-8")}
    record = grid_record(work.settings(), folders, work.records, notes, files)
    # The record comes first: by it a later start knows the files for its own.
    for name, content in ((RECORD, record.encode("utf-8")), *files.items()):
        with atomic_path(out / name) as temporary:
            temporary.write_bytes(content)
    return MadeGrid(out / PICTURE, out / PAGE, out / RECORD, len(work.records), tuple(notes))
