"""`grid.json`: which file, hash, seed and recipe stand behind each cell, and where it is."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pyoco_eval.errors import UsageError
from pyoco_eval.parsing import parse_json
from pyoco_eval.report.grid.sample_folder import SampleFolder
from pyoco_eval.version import __version__
from pyoco_eval.visible import json_text

FORMAT: Final = "pyoco-eval/grid/1"
PICTURE: Final = "grid.png"
PAGE: Final = "grid.html"
RECORD: Final = "grid.json"


@dataclass(frozen=True)
class CellRecord:
    """What one cell shows.

    Attributes:
        folder: its name in the grid.
        sample: number or name by which it was matched.
        file: relative to the folder.
        sha256: of the stored video, computed when the grid was made.
        frames: numbers of the frames of its strip.
        frame_size: (width, height) as stored.
        at: (x, y) of the first frame's upper left corner on the picture.
        shown_size: (width, height) of a frame on the picture.
        pitch: pixels from one frame of the strip to the next.
    """

    folder: str
    sample: str
    file: str
    sha256: str
    index: int | None
    seed: int | None
    caption: str | None
    label: str | None
    frames: tuple[int, ...]
    frame_size: tuple[int, int]
    at: tuple[int, int]
    shown_size: tuple[int, int]
    pitch: int


def grid_record(
    settings: Mapping[str, Any],
    folders: Sequence[SampleFolder],
    cells: Sequence[CellRecord],
    notes: Sequence[str],
    files: Mapping[str, bytes],
) -> str:
    """The text of `grid.json`.

    Args:
        settings: of the grid, such as its layout.
        files: name -> content of what it signs.
    """
    document = {
        "format": FORMAT,
        "version": __version__,
        **settings,
        "folders": [
            {"name": f.name, "place": f.place, "recipe": dict(f.recipe), "code": dict(f.code)}
            for f in folders
        ],
        "cells": [asdict(cell) for cell in cells],
        "notes": list(notes),
        "files": {name: hashlib.sha256(text).hexdigest() for name, text in files.items()},
    }
    return json_text(document) + "\n"


def refuse_foreign(out: Path, folders: Sequence[SampleFolder]) -> None:
    """An earlier grid is replaced, nothing else, and samples get no file among them.

    Raises:
        UsageError: `out` holds a `grid.…` of unknown origin, or lies in a folder of samples.
    """
    for folder in folders:
        place = Path(folder.place).resolve()
        place = place.parent if place.is_file() else place
        if out.resolve().is_relative_to(place):
            raise UsageError(
                f"--out {out}: lies in {folder.place}, among the samples; choose another folder"
            )
    there = [name for name in (PICTURE, PAGE, RECORD) if (out / name).exists()]
    if not there:
        return
    try:
        document = parse_json((out / RECORD).read_bytes())
        ours = isinstance(document, dict) and document.get("format") == FORMAT
    except (OSError, ValueError):
        ours = False
    if not ours:
        raise UsageError(
            f"--out {out}: holds {there[0]}, which is of no grid; choose another folder"
        )
