"""Filling a grid: sizes are known first, then its cells are decoded and shown one by one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.report.grid.account import CellRecord
from pyoco_eval.report.grid.arrange import Arrangement, LayoutName, Place, arrange
from pyoco_eval.report.grid.cells import (
    LEAST_SHOWN,
    CellView,
    TableView,
    playing_cell,
    still_uris,
    table_view,
)
from pyoco_eval.report.grid.geometry import (
    CELL_GAP,
    FRAME_GAP,
    Geometry,
    Size,
    locate,
    shown_sizes,
)
from pyoco_eval.report.grid.lettering import Lettering
from pyoco_eval.report.grid.match import Matched
from pyoco_eval.report.grid.picture import Canvas
from pyoco_eval.report.grid.sample_folder import Sample, SampleFolder
from pyoco_eval.videos.content_digest import content_digest

USUAL_EVERY: Final = 4
MOST_FRAMES: Final = 8
"""Frames of a strip, where `every` is not given."""
USUAL_WIDTH: Final = 2000
"""Pixels of the picture beyond which samples go below each other, where `columns` is not given."""
PAGE_WIDTH: Final = 1280
"""Likewise of the page."""
CLIP_BUDGET: Final = 64 << 20
"""Bytes of all clips of a page."""


@dataclass(frozen=True)
class GridChoices:
    """What a grid shows, and how.

    Attributes:
        layout: see `arrange`.
        num: samples; by default 4, or as many as there are.
        pick: numbers or names of samples, instead of the first ones.
        every: strips have every so-many-th frame; by default 4, or more so that there are 8 frames
            at most.
        columns: samples beside each other; by default as many as 2,000 pixels hold.
        scale: whole factor by which frames are enlarged; by default small ones to 96 pixels.
        fps: of the page's clips; by default their own.
        font: for captions in other scripts.
    """

    layout: LayoutName = "strips"
    num: int | None = None
    pick: tuple[str, ...] = ()
    every: int | None = None
    columns: int | None = None
    scale: int | None = None
    fps: float | None = None
    font: Path | None = None


class GridWork:
    """A grid in the making.

    Attributes:
        samples: what each cell shows.
        canvas: the picture so far.
        records: of the cells shown so far.
    """

    def __init__(self, matched: Matched, choices: GridChoices, lettering: Lettering) -> None:
        self.matched, self.choices, self.lettering = matched, choices, lettering
        self.samples: dict[Place, Sample] = {
            Place(folder, number): sample
            for number, row in enumerate(matched.rows)
            for folder, sample in enumerate(row)
        }
        self._stored: dict[Place, Size] = {}
        self._lengths: dict[Place, int] = {}
        for place, sample in self.samples.items():
            facts = sample.video.probe()
            self._stored[place] = (facts.width, facts.height)
            self._lengths[place] = sample.video.count_frames()
        self.every = choices.every or max(
            USUAL_EVERY, -(-max(self._lengths.values()) // MOST_FRAMES)
        )
        self.arrangement, self.geometry = self._laid_out()
        self.canvas = Canvas(self.geometry, lettering)
        self.cells: dict[Place, CellView] = {}
        self.records: list[CellRecord] = []
        self._left = CLIP_BUDGET
        self._told: dict[str, int] = {}

    def show(self, place: Place) -> None:
        """Decode a sample, draw its strip, and encode it for the page."""
        sample = self.samples[place]
        indices = range(0, self._lengths[place], self.every)
        frames = sample.video.read(indices)
        self.canvas.draw(self.geometry.strips[place], frames)
        self.cells[place] = self._cell(place, frames)
        self.records.append(self._record(place, indices))

    def notes(self) -> list[str]:
        """What a reader must know."""
        found = list(self.matched.notes)
        if self.lettering.lacking:
            shown = " ".join(sorted(self.lettering.lacking)[:12])
            found.append(
                f"The font of the picture ({self.lettering.name}) has no sign for {shown}, which "
                "stand there as ?; --font FILE draws them. The page has every caption as it is."
            )
        total = len(self.records)
        found += [
            f"Clips of the page are changed: {told} ({count} of {total})."
            for told, count in self._told.items()
        ]
        return found

    def settings(self) -> dict[str, object]:
        """Of the grid, for its record."""
        return {
            "layout": self.choices.layout,
            "matched_by": self.matched.scheme,
            "samples": list(self.matched.keys),
            "every": self.every,
            "columns": self.arrangement.num_columns,
            "scale": self.choices.scale,
            "fps": self.choices.fps,
            "font": self.lettering.name,
            "size": [self.geometry.width, self.geometry.height],
        }

    def table(self) -> TableView:
        """The page's grid; where nobody said otherwise its columns are as many as it holds."""
        arrangement = self.arrangement
        if self.choices.columns is None:
            widths = [max(cell.size[0], LEAST_SHOWN) for cell in self.cells.values()]
            columns = _balanced(len(self.matched.keys), PAGE_WIDTH // (max(widths) + CELL_GAP))
            arrangement = self._arranged(columns)
        about = " · ".join(folder.name for folder in self.matched.folders)
        return table_view(arrangement, self.cells, f"Grid of {about}")

    def _arranged(self, columns: int) -> Arrangement:
        names = [folder.name for folder in self.matched.folders]
        return arrange(self.choices.layout, names, self.matched.captions(), columns)

    def _laid_out(self) -> tuple[Arrangement, Geometry]:
        shown = shown_sizes(self._stored, self.choices.scale)
        counts = {place: -(-length // self.every) for place, length in self._lengths.items()}
        columns = self.choices.columns or _usual_columns(shown, counts, len(self.matched.keys))
        arrangement = self._arranged(columns)
        return arrangement, locate(arrangement, shown, counts, self.lettering)

    def _cell(self, place: Place, frames: np.ndarray) -> CellView:
        label = f"{self.matched.folders[place.folder].name}: {self._caption(place)}"
        share = self._left // (len(self.samples) - len(self.cells))
        cell = playing_cell(label, self.samples[place].video, share, self.choices.fps)
        stills = self.choices.layout == "strips"
        if cell.media is None:
            return replace(cell, stills=still_uris(frames if stills else frames[:1]))
        self._left -= cell.media.num_bytes
        as_gif = "" if cell.media.is_video else "GIF, out of step"
        for told in filter(None, (cell.media.note, as_gif)):
            self._told[told] = self._told.get(told, 0) + 1
        return replace(cell, stills=still_uris(frames) if stills else ())

    def _caption(self, place: Place) -> str:
        return self.matched.captions()[place.sample]

    def _record(self, place: Place, indices: range) -> CellRecord:
        sample, strip = self.samples[place], self.geometry.strips[place]
        return CellRecord(
            folder=self.matched.folders[place.folder].name,
            sample=self.matched.keys[place.sample],
            file=sample.video.id,
            sha256=_checked_digest(sample, self.matched.folders[place.folder]),
            index=sample.index,
            seed=sample.seed,
            caption=sample.video.caption,
            label=sample.video.label,
            frames=tuple(indices),
            frame_size=self._stored[place],
            at=(strip.x, strip.y),
            shown_size=(strip.width, strip.height),
            pitch=strip.pitch,
        )


def _usual_columns(sizes: Mapping[Place, Size], counts: Mapping[Place, int], num: int) -> int:
    cell = max(counts.values()) * (max(width for width, _ in sizes.values()) + FRAME_GAP)
    return _balanced(num, USUAL_WIDTH // (cell + CELL_GAP))


def _balanced(num: int, most: int) -> int:
    """Columns of `num` samples: `most`, or fewer if as many lines hold them all."""
    return -(-num // -(-num // max(1, most)))


def _checked_digest(sample: Sample, folder: SampleFolder) -> str:
    """sha256 of what is stored, which must be what its manifest names."""
    video = sample.video
    digest = video.digest() if video.path is None else content_digest(video.path)
    if sample.sha256 and digest != sample.sha256:
        raise PyocoEvalError(
            f"{folder.place}: {video.id} is not the video that its manifest names (sha256 "
            f"{digest[:12]}…, not {sample.sha256[:12]}…); make the samples again"
        )
    return digest
