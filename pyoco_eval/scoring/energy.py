"""The energy distance: 2 E|x - y| - E|x - x'| - E|y - y'| (Székely and Rizzo, 2004)."""

import numpy as np

from pyoco_eval.scoring.metric import Estimate, Metric
from pyoco_eval.scoring.sides import Side, rows_of


class Energy(Metric):
    """Unbiased over all pairs of rows."""

    def floor(self, dim: int, *, halved: bool = False) -> int:  # noqa: ARG002
        return 2

    def check_counts(self, dim: int, generated: int | None, reference: int | None) -> None:
        self.require_rows(self.floor(dim), generated, reference)

    def estimates(self, generated: Side, reference: Side | None) -> list[Estimate]:
        assert reference is not None
        x, y = (rows_of(side, "energy").astype(np.float64) for side in (generated, reference))
        value = 2 * _lengths(x, y).mean() - _within(x) - _within(y)
        return [Estimate(float(value), recipe={"est": self.rule.estimator})]


def _lengths(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N, M) distances of rows."""
    return np.stack([np.linalg.norm(y - row, axis=1) for row in x])


def _within(x: np.ndarray) -> float:
    """Mean distance of two different rows."""
    return float(_lengths(x, x).sum() / (len(x) * (len(x) - 1)))
