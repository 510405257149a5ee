"""What every metric is: what it needs of its sides, and how it becomes signed scores.

The state of a metric is that of a side: its feature rows, or their mean and covariance. Both grow
video by video, merge across processes, and serve every metric that reads the same network, so no
metric keeps one of its own; it says what it needs of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyoco_eval.catalogue import object_at
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.extraction.measured_set import MeasuredSet
from pyoco_eval.extraction.networks import refuse_captions, sees_frames
from pyoco_eval.extraction.options import Options
from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.catalogue import METRICS, KnownMetric
from pyoco_eval.metrics.conventions import Convention
from pyoco_eval.metrics.interval import Interval
from pyoco_eval.metrics.sample_floor import SmallSampleError
from pyoco_eval.scoring.signing import (
    bounds,
    grouping_extras,
    interval_extras,
    interval_label,
    interval_warnings,
    joint_recipe,
    joint_warnings,
    side_warnings,
    sign,
)
from pyoco_eval.videos.source import VideoSource


@dataclass(frozen=True)
class Estimate:
    """A number that a metric found, with what only the metric knows of it.

    Attributes:
        value: of the score.
        name: of the score; empty for that of the metric.
        recipe: signature keys beyond those of the sides, such as `est`.
        std: over splits or subsets.
        interval: if it was asked for and there is one.
        kind: how the interval was made, the first word of the signature's `ci` key.
        extras: further numbers.
        warnings: sentences a reader of this number must know.
    """

    value: float
    name: str = ""
    recipe: Mapping[str, str] = field(default_factory=dict)
    std: float | None = None
    interval: Interval | None = None
    kind: str = "halves"
    extras: Mapping[str, float | int | str | list[float]] = field(default_factory=dict)
    warnings: Sequence[str] = ()


class Metric(ABC):
    """One metric under one convention.

    A subclass says its `floor` and gives its `estimates`; signing, warning and recording are done
    here, alike for all.

    Attributes:
        rule: the convention.
        options: the user's choices.
        splits: split rule in place of the convention's own, for metrics that have splits.
    """

    def __init__(self, rule: Convention, options: Options, splits: str | None = None) -> None:
        self.rule = rule
        self.options = options
        self.splits = splits

    @property
    def known(self) -> KnownMetric:
        """Its row in the catalogue."""
        return METRICS[self.rule.metric]

    @abstractmethod
    def floor(self, dim: int, *, halved: bool = False) -> int:
        """Feature rows of D = `dim` that each side needs for a meaningful score.

        Args:
            halved: for scores of parts of the rows as well, which intervals and curves are made of.
        """

    @abstractmethod
    def check_counts(self, dim: int, generated: int | None, reference: int | None) -> None:
        """Refuse before anything runs what could only end below the floor.

        Args:
            dim: D of the features.
            generated, reference: rows of each side at most, None where nobody knows.

        Raises:
            SmallSampleError: too few, unless small samples are allowed.
        """

    @abstractmethod
    def estimates(self, generated: MeasuredSet, reference: MeasuredSet | None) -> list[Estimate]:
        """The numbers themselves; `reference` is there if the catalogue says that it is needed.

        Raises:
            UsageError: a side holds statistics where rows are needed.
            SmallSampleError: fewer rows than can be computed with.
        """

    def check_samples(self, source: VideoSource) -> None:
        """Refuse generated videos without the captions that the metric reads.

        Raises:
            UsageError: some have none, or one that the text tower does not read.
        """
        if not self.known.needs_captions:
            return
        lacking = [video.id for video in source if not video.caption]
        if lacking:
            raise UsageError(
                f"{self.rule.metric} needs a caption for every video; {len(lacking)} of "
                f"{len(source)} have none ({', '.join(lacking[:3])}"
                f"{', …' if len(lacking) > 3 else ''}). Give a manifest as --samples, or "
                "--captions FILE with the columns file and caption"
            )
        refuse_captions(self.rule, [video.caption or "" for video in source])

    def floor_label(self, generated: MeasuredSet, reference: MeasuredSet | None) -> str | None:  # noqa: ARG002
        """Value of the signature's `floor` key: set if a score below the floor was forced.

        Raises:
            SmallSampleError: too few rows, unless small samples are allowed.
        """
        return None

    def stated(self) -> Mapping[str, object]:
        """Keys of a protocol that only this metric has -> what its convention says there."""
        return {}

    def require_rows(self, floor: int, generated: int | None, reference: int | None) -> None:
        """Refuse fewer rows than the estimator takes; no option allows them.

        Raises:
            SmallSampleError: a side has fewer than `floor`.
        """
        known = [count for count in (generated, reference) if count is not None]
        if min(known, default=floor) >= floor:
            return
        rule = self.rule
        chosen = sees_frames(rule) and self.options.frames.select != "all"
        more = "--frames all" if chosen else "--clip all"
        raise SmallSampleError(
            f"{min(known)} feature rows are too few: {rule.metric} under {rule.name} "
            f"({rule.estimator}) needs {floor} of each side. Give more videos or {more}"
        )

    def needs_rows(self, bound: int | None, dim: int) -> bool:
        """Whether moments of the rows would not do, or would cost more than the rows.

        Args:
            bound: rows of the side at most, None where nobody knows.
            dim: D of the features.
        """
        options = self.options
        if options.interval or options.extrapolate or not self.known.from_moments:
            return True
        if options.group_by or options.reference_group_by:
            return True
        return bound is not None and bound <= dim

    def scores(self, generated: MeasuredSet, reference: MeasuredSet | None) -> list[Score]:
        """The signed scores, the metric's own first.

        Raises:
            UsageError, SmallSampleError: see `estimates` and `floor_label`.
        """
        floor = self.floor_label(generated, reference)
        return [
            self._signed(found, generated, reference, floor)
            for found in self.estimates(generated, reference)
        ]

    def _signed(
        self,
        found: Estimate,
        generated: MeasuredSet,
        reference: MeasuredSet | None,
        floor: str | None,
    ) -> Score:
        if reference is None:
            recipe = {**generated.recipe, "n": str(generated.count), **found.recipe}
            warnings = side_warnings(generated, floor)
            counts = {"num_videos": generated.num_videos}
        else:
            recipe = {**joint_recipe(generated, reference), **found.recipe}
            warnings = joint_warnings(generated, reference, floor)
            counts = {
                "num_videos": generated.num_videos,
                "num_reference_videos": reference.num_videos,
            }
        interval = found.interval
        if interval is not None:
            recipe["ci"] = interval_label(interval, found.kind, generated, reference)
        return Score(
            metric=found.name or self.rule.metric,
            value=found.value,
            std=found.std,
            signature=sign(recipe, self.rule, floor),
            num_samples=generated.count,
            num_reference=None if reference is None else reference.count,
            interval=bounds(interval),
            extras={
                **found.extras,
                **counts,
                **grouping_extras(generated, reference),
                **interval_extras(interval),
            },
            warnings=(*warnings, *found.warnings, *interval_warnings(interval)),
        )


def metric_under(rule: Convention, options: Options, splits: str | None = None) -> Metric:
    """The metric of a convention, from the class that the catalogue names."""
    kind = object_at(METRICS[rule.metric].scorer)
    if not (isinstance(kind, type) and issubclass(kind, Metric)):
        raise PyocoEvalError(f"{METRICS[rule.metric].scorer}: is no Metric; see CONTRIBUTING.md")
    return kind(rule, options, splits)
