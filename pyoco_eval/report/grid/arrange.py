"""What stands where: the three layouts as lines of cells and of words, before any size is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pyoco_eval.errors import UsageError

LayoutName = Literal["strips", "side-by-side", "gallery"]
LAYOUTS: tuple[LayoutName, ...] = ("strips", "side-by-side", "gallery")


@dataclass(frozen=True)
class Place:
    """A cell shows sample number `sample` of folder number `folder`, both from 0."""

    folder: int
    sample: int


@dataclass(frozen=True)
class Words:
    """A line of texts.

    Attributes:
        texts: one over or under each column, or a single one across all of them.
        whole: whether it is such a single one.
        heads: whether they head the columns below them.
    """

    texts: tuple[str, ...]
    whole: bool = False
    heads: bool = False


@dataclass(frozen=True)
class Cells:
    """A line of cells.

    Attributes:
        label: in front of it; empty in layouts without labels.
    """

    places: tuple[Place, ...]
    label: str = ""


@dataclass(frozen=True)
class Arrangement:
    """A grid from top to bottom.

    Attributes:
        num_columns: of cells; a last line may have fewer.
        labelled: whether lines of cells have labels.
    """

    name: LayoutName
    num_columns: int
    lines: tuple[Words | Cells, ...]

    @property
    def labelled(self) -> bool:
        """Whether lines of cells have labels in front."""
        return any(isinstance(line, Cells) and line.label for line in self.lines)

    def places(self) -> list[Place]:
        """Every cell, from left to right and top to bottom."""
        return [p for line in self.lines if isinstance(line, Cells) for p in line.places]


def refuse_meaningless(name: LayoutName, num_folders: int, columns: int | None) -> None:
    """Raises UsageError for a gallery of several folders, and `columns` of side-by-side."""
    if name == "gallery" and num_folders > 1:
        raise UsageError(
            f"--layout gallery: shows one folder, not {num_folders}; use strips or side-by-side"
        )
    if name == "side-by-side" and columns is not None:
        raise UsageError(
            f"--columns {columns}: has no meaning for side-by-side, where each folder is a column"
        )


def arrange(
    name: LayoutName, folders: Sequence[str], captions: Sequence[str], columns: int
) -> Arrangement:
    """Lay samples out.

    `strips`: a line for each folder, samples side by side under their captions. `side-by-side`: a
    column for each folder, each line of cells under its caption. `gallery`: the samples of one
    folder, captions below.

    Args:
        folders: their names.
        captions: of the samples.
        columns: samples beside each other; more go below. Without a meaning for `side-by-side`.
    """
    samples = range(len(captions))
    lines: list[Words | Cells] = []
    if name == "side-by-side":
        lines.append(Words(tuple(folders), heads=True))
        for sample in samples:
            lines.append(Words((captions[sample],), whole=True))
            lines.append(Cells(tuple(Place(folder, sample) for folder in range(len(folders)))))
        return Arrangement(name, len(folders), tuple(lines))
    for start in range(0, len(captions), columns):
        chunk = samples[start : start + columns]
        texts = tuple(captions[sample] for sample in chunk)
        if name == "strips":
            lines.append(Words(texts, heads=True))
            lines += [
                Cells(tuple(Place(folder, sample) for sample in chunk), title)
                for folder, title in enumerate(folders)
            ]
        else:
            lines += [Cells(tuple(Place(0, sample) for sample in chunk)), Words(texts)]
    return Arrangement(name, min(columns, len(captions)), tuple(lines))
