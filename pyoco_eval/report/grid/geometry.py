"""Where everything of a grid is on its picture, in whole pixels from the upper left corner."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pyoco_eval.errors import UsageError
from pyoco_eval.report.grid.arrange import Arrangement, Cells, Place, Words
from pyoco_eval.report.grid.lettering import Lettering

MARGIN: Final = 16
FRAME_GAP: Final = 2
CELL_GAP: Final = 14
TEXT_GAP: Final = 5
MOST_LABEL: Final = 150
LEAST_SIDE: Final = 96
"""Frames smaller than this are enlarged by a whole factor."""
MOST_SIDE: Final = 256
"""Larger frames are reduced to it, where no scale is asked for."""
MOST_PIXELS: Final = 120_000_000

Size = tuple[int, int]


@dataclass(frozen=True)
class TextBox:
    """Lines of text; the first begins at (x, y)."""

    x: int
    y: int
    lines: tuple[str, ...]
    strong: bool = False


@dataclass(frozen=True)
class Strip:
    """Frames of a cell, the first at (x, y), the others `pitch` pixels further right each.

    Attributes:
        width, height: of a frame on the picture.
    """

    x: int
    y: int
    width: int
    height: int
    pitch: int
    count: int


@dataclass(frozen=True)
class Geometry:
    """All of a picture.

    Attributes:
        width, height: of the picture.
        strips: of every cell.
    """

    width: int
    height: int
    texts: tuple[TextBox, ...]
    strips: Mapping[Place, Strip]


def shown_sizes(sizes: Mapping[Place, Size], scale: int | None) -> dict[Place, Size]:
    """Width and height of each cell's frames on the picture.

    Args:
        sizes: (width, height) of its frames.
        scale: whole factor for all; by default small frames are enlarged to `LEAST_SIDE` or, where
            it fits, to the size of larger ones beside them, and large ones reduced to `MOST_SIDE`.
    """
    if scale is not None:
        return {place: (scale * w, scale * h) for place, (w, h) in sizes.items()}
    own = {place: _usual(*size) for place, size in sizes.items()}
    width, height = (max(size[axis] for size in own.values()) for axis in (0, 1))
    for place, (w, h) in sizes.items():
        factor = min(width // w, height // h)
        if factor > 1:
            own[place] = (factor * w, factor * h)
    return own


def _usual(width: int, height: int) -> Size:
    if max(width, height) > MOST_SIDE:
        factor = MOST_SIDE / max(width, height)
        return max(1, round(factor * width)), max(1, round(factor * height))
    factor = max(1, -(-LEAST_SIDE // min(width, height)))
    return factor * width, factor * height


def locate(
    arrangement: Arrangement,
    sizes: Mapping[Place, Size],
    counts: Mapping[Place, int],
    lettering: Lettering,
) -> Geometry:
    """Find the place of every frame and text.

    Cells have one size, that of the largest frames and the longest strip; smaller frames stand in
    the middle of theirs. A line of words is as high as its longest text; heads stand at its foot,
    next to their cells.

    Args:
        sizes: of each cell's frames on the picture.
        counts: frames of each strip, at least 1.

    Raises:
        UsageError: more than `MOST_PIXELS`.
    """
    columns = _columns(arrangement, sizes, counts, lettering)
    texts: list[TextBox] = []
    strips: dict[Place, Strip] = {}
    y = MARGIN
    for line in arrangement.lines:
        if isinstance(line, Words):
            y += CELL_GAP if line.heads and strips else 0
            boxes, height = _words(line, columns, y, lettering)
            y += height + TEXT_GAP + (0 if line.heads or line.whole else CELL_GAP)
            texts += boxes
        else:
            label = tuple(lettering.wrap(line.label, columns.labels)) if line.label else ()
            texts += [TextBox(MARGIN, y, label, strong=True)] if label else []
            for column, place in enumerate(line.places):
                corner = (columns.x(column), y)
                strips[place] = _strip(corner, columns.box, sizes[place], counts[place])
            y += max(columns.box[1], len(label) * lettering.line_height) + TEXT_GAP
            y += CELL_GAP if arrangement.name == "side-by-side" else 0
    width = columns.left + columns.whole + MARGIN
    return _bounded(Geometry(width, y + MARGIN - TEXT_GAP, tuple(texts), strips))


def _bounded(geometry: Geometry) -> Geometry:
    if geometry.width * geometry.height > MOST_PIXELS:
        raise UsageError(
            f"the picture would have {geometry.width:,} x {geometry.height:,} pixels; use a "
            "smaller --num or --scale, or a larger --every"
        )
    return geometry


@dataclass(frozen=True)
class _Columns:
    """Widths that all lines share.

    Attributes:
        left: where the first cell begins.
        labels: pixels for labels, 0 without any.
        box: (width, height) of the largest frame.
        cell: pixels of the longest strip of such frames.
        whole: of all cells with the gaps between them.
    """

    left: int
    labels: int
    box: Size
    cell: int
    whole: int

    def x(self, column: int) -> int:
        return self.left + column * (self.cell + CELL_GAP)


def _columns(
    arrangement: Arrangement,
    sizes: Mapping[Place, Size],
    counts: Mapping[Place, int],
    lettering: Lettering,
) -> _Columns:
    width, height = (max(size[axis] for size in sizes.values()) for axis in (0, 1))
    cell = max(counts.values()) * (width + FRAME_GAP) - FRAME_GAP
    labels = _label_width(arrangement, lettering)
    left = MARGIN + (labels + CELL_GAP if labels else 0)
    whole = arrangement.num_columns * (cell + CELL_GAP) - CELL_GAP
    return _Columns(left, labels, (width, height), cell, whole)


def _words(
    line: Words, columns: _Columns, y: int, lettering: Lettering
) -> tuple[list[TextBox], int]:
    """The texts of a line that begins at `y`, and its height."""
    width = columns.whole if line.whole else columns.cell
    wrapped = [tuple(lettering.wrap(text, width)) for text in line.texts]
    most = max(map(len, wrapped))
    boxes = []
    for column, lines in enumerate(wrapped):
        down = (most - len(lines)) * lettering.line_height if line.heads else 0
        boxes.append(TextBox(columns.x(column), y + down, lines, line.heads))
    return boxes, most * lettering.line_height


def _strip(corner: Size, box: Size, size: Size, count: int) -> Strip:
    return Strip(
        corner[0] + (box[0] - size[0]) // 2,
        corner[1] + (box[1] - size[1]) // 2,
        *size,
        box[0] + FRAME_GAP,
        count,
    )


def _label_width(arrangement: Arrangement, lettering: Lettering) -> int:
    """That of the widest label, or `MOST_LABEL`, within which longer ones are broken."""
    labels = [line.label for line in arrangement.lines if isinstance(line, Cells) and line.label]
    return min(
        MOST_LABEL,
        max((lettering.width_of(lettering.drawable(label)) for label in labels), default=0),
    )
