"""The Inception Score of a side, over the splits of its convention or of the user."""

from collections.abc import Mapping

from pyoco_eval.extraction.measured_set import MeasuredSet, rows_of
from pyoco_eval.metrics.inception_score import SplitRule, inception_score
from pyoco_eval.metrics.resampling import inception_interval
from pyoco_eval.metrics.sample_floor import check_splits_floor
from pyoco_eval.scoring.metric import Estimate, Metric


class InceptionScoreMetric(Metric):
    """Mean and standard deviation over splits."""

    def floor(self, dim: int, *, halved: bool = False) -> int:  # noqa: ARG002
        return 2 * self._split_rule().count

    def check_counts(self, dim: int, generated: int | None, reference: int | None) -> None:  # noqa: ARG002
        if generated is not None:
            count = self._split_rule().count
            check_splits_floor(generated, count, allow_small=self.options.allow_small)

    def floor_label(self, generated: MeasuredSet, reference: MeasuredSet | None) -> str | None:  # noqa: ARG002
        count = self._split_rule().count
        return check_splits_floor(generated.count, count, allow_small=self.options.allow_small)

    def stated(self) -> Mapping[str, object]:
        return {"splits": self.rule.splits, "eps": self.rule.eps}

    def estimates(self, generated: MeasuredSet, reference: MeasuredSet | None) -> list[Estimate]:  # noqa: ARG002
        rule, splits, options = self.rule, self._split_rule(), self.options
        logits = rows_of(generated, "the Inception Score")
        found = inception_score(logits, splits, rule.eps)
        interval = None
        if options.interval:
            interval = inception_interval(
                logits, eps=rule.eps, groups=generated.row_units(), num_resamples=options.interval
            )
        recipe = {"splits": splits.spec(), "eps": f"{rule.eps:g}"}
        if self.splits is not None and self.splits != rule.splits:
            recipe["conv"] = "custom"
        return [
            Estimate(
                found.mean,
                recipe=recipe,
                std=found.std if splits.count > 1 else None,
                interval=interval,
                extras={"per_split": list(found.per_split)},
            )
        ]

    def _split_rule(self) -> SplitRule:
        return SplitRule.parse(self.splits or self.rule.splits)
