"""Cells on a page: a clip that plays, frames that stand still, and what is known of them.

Axes: T frames, H, W; three channels RGB.
"""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from pyoco_eval.report.gallery.media import Media, embed
from pyoco_eval.report.grid.arrange import Arrangement, Place, Words
from pyoco_eval.videos.video import Video

MOST_STILL: Final = 128
"""Longer sides of frames that stand still are shrunk to this."""
MOST_ENLARGED: Final = 128
"""Smaller clips are encoded at twice their size, so that every pixel has a colour of its own."""
LEAST_SHOWN: Final = 160
"""Clips narrower than this are shown enlarged by a whole factor."""


@dataclass(frozen=True)
class CellView:
    """One cell of a page.

    Attributes:
        label: what it is, for who cannot see it.
        media: None for a cell without a playing clip.
        size: (width, height) at which the clip is shown.
        stills: `data:image/png;base64,…` of frames, in order.
        missing: why there is no clip; empty if there is one, or none was wanted.
    """

    label: str
    media: Media | None = None
    size: tuple[int, int] = (0, 0)
    stills: tuple[str, ...] = ()
    missing: str = ""


@dataclass(frozen=True)
class LineView:
    """A line of a page's grid: words, or a label and cells."""

    texts: tuple[str, ...] = ()
    whole: bool = False
    heads: bool = False
    label: str = ""
    cells: tuple[CellView, ...] = ()


@dataclass(frozen=True)
class TableView:
    """A grid for a page.

    Attributes:
        about: what it shows, for who cannot see it.
    """

    about: str
    num_columns: int
    labelled: bool
    lines: tuple[LineView, ...]


def table_view(arrangement: Arrangement, cells: Mapping[Place, CellView], about: str) -> TableView:
    """The arrangement with its cells filled in."""
    lines = tuple(
        LineView(line.texts, line.whole, line.heads)
        if isinstance(line, Words)
        else LineView(label=line.label, cells=tuple(cells[place] for place in line.places))
        for line in arrangement.lines
    )
    return TableView(about, arrangement.num_columns, arrangement.labelled, lines)


def playing_cell(label: str, video: Video, limit: int, fps: float | None = None) -> CellView:
    """A cell whose clip plays; without it, if that does not fit `limit` bytes.

    Raises:
        VideoError: it cannot be decoded.
    """
    facts = video.probe()
    enlarge = 2 if max(facts.width, facts.height) <= MOST_ENLARGED else 1
    media = embed(video, limit, fps, enlarge=enlarge)
    if media is None:
        return CellView(label, missing="too large to play here")
    width, height = media.width // enlarge, media.height // enlarge
    factor = max(1, -(-LEAST_SHOWN // width))
    return CellView(label, media, (factor * width, factor * height))


def still_uris(frames: np.ndarray) -> tuple[str, ...]:
    """uint8 frames (T, H, W, 3) as pictures to embed, exact unless they exceed `MOST_STILL`."""
    from PIL import Image

    found = []
    for frame in frames:
        image = Image.fromarray(frame)
        if max(image.size) > MOST_STILL:
            image.thumbnail((MOST_STILL, MOST_STILL), Image.Resampling.LANCZOS)
        content = io.BytesIO()
        image.save(content, format="PNG", optimize=True)
        encoded = base64.b64encode(content.getvalue()).decode("ascii")
        found.append(f"data:image/png;base64,{encoded}")
    return tuple(found)
