"""KVD and KID: the kernel distance of the rows of two sides."""

from typing import Final

from pyoco_eval.extraction.measured_set import MeasuredSet, rows_of
from pyoco_eval.metrics.kernel import KernelRule, kernel_distance
from pyoco_eval.metrics.resampling import kernel_interval
from pyoco_eval.metrics.sample_floor import SmallSampleError
from pyoco_eval.scoring.metric import Estimate, Metric

_LEAST_OF_HALVES: Final = 4
"""Rows of a side whose halves have a kernel distance."""


class KernelMetric(Metric):
    """Over all rows, or the mean over subsets of them."""

    def floor(self, dim: int, *, halved: bool = False) -> int:  # noqa: ARG002
        return KernelRule.parse(self.rule.estimator).floor

    def check_counts(self, dim: int, generated: int | None, reference: int | None) -> None:
        self.require_rows(self.floor(dim), generated, reference)
        counts = [count for count in (generated, reference) if count is not None]
        if self.options.interval and min(counts, default=_LEAST_OF_HALVES) < _LEAST_OF_HALVES:
            raise SmallSampleError(
                f"--interval {self.options.interval}: {min(counts)} feature rows are too few, each "
                f"side needs {_LEAST_OF_HALVES} to be halved; give more videos or leave it out"
            )

    def estimates(self, generated: MeasuredSet, reference: MeasuredSet | None) -> list[Estimate]:
        assert reference is not None
        name = self.rule.metric.upper()
        rows, others = (rows_of(side, name) for side in (generated, reference))
        estimator = KernelRule.parse(self.rule.estimator)
        found = kernel_distance(rows, others, estimator)
        interval = None
        if self.options.interval:
            interval = kernel_interval(
                rows,
                others,
                estimator,
                groups_generated=generated.row_units(),
                groups_reference=reference.row_units(),
                num_resamples=self.options.interval,
            )
        recipe = {"est": estimator.spec()}
        return [Estimate(found.value, recipe=recipe, std=found.std, interval=interval)]
