"""Precision, recall, density and coverage of the rows of two sides."""

from pyoco_eval.extraction.measured_set import MeasuredSet, rows_of
from pyoco_eval.metrics.manifold import has_open_balls, neighbours, prdc
from pyoco_eval.scoring.metric import Estimate, Metric


class PrdcMetric(Metric):
    """Four scores, by balls that reach to the k-th neighbour."""

    def floor(self, dim: int, *, halved: bool = False) -> int:  # noqa: ARG002
        return neighbours(self.rule.estimator) + 1

    def check_counts(self, dim: int, generated: int | None, reference: int | None) -> None:
        self.require_rows(self.floor(dim), generated, reference)

    def estimates(self, generated: MeasuredSet, reference: MeasuredSet | None) -> list[Estimate]:
        assert reference is not None
        estimator = self.rule.estimator
        rows, others = (rows_of(side, "prdc") for side in (generated, reference))
        found = prdc(rows, others, neighbours(estimator), open_balls=has_open_balls(estimator))
        warnings: tuple[str, ...] = ()
        if len(rows) != len(others):
            warnings = (
                f"Recall and coverage depend on the number of rows ({len(rows):,} and "
                f"{len(others):,}): compare only scores of equal numbers.",
            )
        return [
            Estimate(value, name=name, recipe={"est": estimator}, warnings=warnings)
            for name, value in vars(found).items()
        ]
