"""The metric: |m1 - m2|² of the mean features of both sides."""

from pyoco_eval.extraction.measured_set import MeasuredSet
from pyoco_eval.metrics.sample_floor import SmallSampleError
from pyoco_eval.scoring.metric import Estimate, Metric


class ColourShift(Metric):
    """Needs moments alone, and a row on each side."""

    def floor(self, dim: int, *, halved: bool = False) -> int:
        return 1

    def check_counts(self, dim: int, generated: int | None, reference: int | None) -> None:
        if 0 in (generated, reference):
            raise SmallSampleError("colour-shift needs a frame on each side")

    def estimates(self, generated: MeasuredSet, reference: MeasuredSet | None) -> list[Estimate]:
        assert reference is not None
        difference = generated.to_moments().mean - reference.to_moments().mean
        value = float(difference @ difference)
        shifts = {f"shift_{name}": float(x) for name, x in zip("rgb", difference, strict=True)}
        return [Estimate(value, recipe={"est": self.rule.estimator}, extras=shifts)]
