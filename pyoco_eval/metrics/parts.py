"""Moments of the parts of a sample, from which those of halves and of all but a part follow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.metrics.dependence import effective_rows
from pyoco_eval.metrics.division import Division
from pyoco_eval.statistics.moments import Moments


def check_rows(rows: np.ndarray) -> None:
    """Raises PyocoEvalError unless `rows` is (N, D) and finite."""
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise PyocoEvalError(f"features {rows.shape} must be (N, D) without NaN or infinity")


class DividedRows:
    """Rows (N, D) of which parts are drawn.

    Attributes:
        whole: their moments.
        effective: as many independent rows would vary as much: N, less where groups agree within.
    """

    def __init__(self, rows: np.ndarray, groups: np.ndarray | None, seed: int) -> None:
        check_rows(rows)
        self.rows = rows.astype(np.float64)
        self.division = Division(len(rows), groups)
        self.whole = Moments.of(self.rows)
        self.effective = effective_rows(self.rows, self.division.group)
        self._seed = seed

    @property
    def names(self) -> str:
        """Hash of what counts as one, the same where two sides were divided alike."""
        return self.division.names_hash()

    def labels(self, count: int, draw: int) -> np.ndarray:
        """(N,) number of every row's part."""
        return self.division.parts(count, draw, self._seed)

    def parts(self, count: int, draw: int) -> list[Moments]:
        """Moments of each of `count` parts, divided anew for every `draw`."""
        labels = self.labels(count, draw)
        return [Moments.of(self.rows[labels == part]) for part in range(count)]


@dataclass(frozen=True, eq=False)
class Exact:
    """Moments without sampling error: every part of them is the whole."""

    whole: Moments

    effective = float("inf")
    names = "exact"

    def parts(self, count: int, _draw: int) -> list[Moments]:
        """The whole, `count` times."""
        return [self.whole] * count


def joined(side: "DividedRows | Exact", parts: Sequence[Moments], chosen: Sequence[int]) -> Moments:
    """Moments of the chosen parts together."""
    if isinstance(side, Exact):
        return side.whole
    found = parts[chosen[0]]
    for place in chosen[1:]:
        found = found.merge(parts[place])
    return found
