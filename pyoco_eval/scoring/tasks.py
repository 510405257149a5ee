"""One metric under one convention, on its way from videos to scores."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyoco_eval.errors import UsageError
from pyoco_eval.extraction.measure import planned_recipe
from pyoco_eval.extraction.measured_set import MeasuredSet
from pyoco_eval.extraction.networks import Network, sees_frames
from pyoco_eval.extraction.options import Options
from pyoco_eval.features.base import FeatureExtractor
from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.catalogue import METRICS, PROFILES
from pyoco_eval.metrics.conventions import CONVENTIONS, Convention, convention, usual_convention
from pyoco_eval.scoring.group_check import with_grouping
from pyoco_eval.scoring.metric import metric_under
from pyoco_eval.videos.source import VideoSource


def same_features(network: Network) -> Network:
    """Equal for networks that give equal features, whatever convention asks for them."""
    return replace(network, base="", conv="")


class Networks:
    """Loads each network once, whatever number of conventions ask for it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._loaded: dict[Network, FeatureExtractor] = {}

    def get(self, network: Network) -> FeatureExtractor:
        """Raises MissingError where weights or a package are not there."""
        key = same_features(network)
        if key not in self._loaded:
            self._loaded[key] = network.load(self._options)
        return self._loaded[key]

    def loaded(self) -> list[FeatureExtractor]:
        """Every network that was loaded so far."""
        return list(self._loaded.values())


class Task:
    """What is known about one convention's score so far.

    Attributes:
        rule: the convention.
        metric: what becomes of the sides under it.
        network: what its features come from.
        generated, reference: the sides, once they are known.
    """

    def __init__(
        self, rule: Convention, options: Options, networks: Networks, splits: str | None = None
    ) -> None:
        self.rule = rule
        self.metric = metric_under(rule, options, splits)
        self.network = Network.of(rule, options)
        self.generated: MeasuredSet | None = None
        self.reference: MeasuredSet | None = None
        self._options = options
        self._networks = networks

    @property
    def needs_reference(self) -> bool:
        """Whether the metric compares samples with anything."""
        return self.metric.known.needs_reference

    def extractor(self) -> FeatureExtractor:
        """Its network, loaded on first use."""
        return self._networks.get(self.network)

    def dim(self) -> int:
        """D of the features."""
        side = self.generated or self.reference
        return side.dim() if side is not None else self.extractor().spec.dim

    def needs_rows(self, source: VideoSource | None) -> bool:
        """Whether moments of `source` would not do, or would cost more than its rows.

        Args:
            source: None where nobody knows yet how many videos there are.
        """
        return self.metric.needs_rows(self.row_bound(None, source, self._options), self.dim())

    def row_bound(
        self, side: MeasuredSet | None, source: VideoSource | None, options: Options
    ) -> int | None:
        """Feature rows a side has, or can have at most; None where videos do not bound them."""
        if side is not None:
            return side.count
        if source is None or options.clip.select == "all":
            return None
        frames = sees_frames(self.rule) and options.frames.select == "all"
        return len(source) * (options.clip.num_frames if frames else 1)

    def recipe(self, side: MeasuredSet | None) -> Mapping[str, str]:
        """The recipe of a stored side, or the one that a pass over samples is going to follow."""
        if side is not None:
            return side.recipe
        return planned_recipe(self.network, self.extractor(), self._options)

    def reference_recipe(self) -> dict[str, str]:
        """What the recipe of the reference has to be."""
        recipe = dict(self.recipe(self.generated))
        if self._options.reference_clip is not None:
            recipe["clip"] = self._options.reference_clip.signed()
        return recipe

    def scores(self) -> list[Score]:
        """All scores of this task, the sides it needs being known."""
        generated, reference, options = self.generated, self.reference, self._options
        assert generated is not None
        generated = with_grouping(generated, options.group_by, "--group-by")
        if reference is not None:
            argument = "--reference-group-by"
            reference = with_grouping(reference, options.reference_group_by, argument)
        return self.metric.scores(generated, reference)


def _meant(unknown: Sequence[str]) -> str:
    """The metrics that mistyped ones are most like."""
    near = {
        name: found[0]
        for name in unknown
        if (found := difflib.get_close_matches(name.casefold().replace("_", "-"), METRICS, 1))
    }
    return f". Did you mean {', '.join(near.values())}?" if near else ""


def rules_of(
    metrics: Sequence[str],
    profile: str,
    conventions: Mapping[str, str],
    also_as: Sequence[str],
) -> list[Convention]:
    """The conventions to score under: one per metric, then those of `also_as`.

    Raises:
        UsageError: an unknown name, one given twice, or a convention of a metric not asked for.
    """
    if profile not in PROFILES:
        raise UsageError(f"--profile {profile!r}: use one of {', '.join(PROFILES)}")
    unknown = [name for name in (*metrics, *conventions) if name not in METRICS]
    unused = [name for name in conventions if name not in metrics]
    if unknown or not metrics:
        raise UsageError(
            f"metrics {', '.join(unknown) or '(none)'}: use some of {', '.join(METRICS)}"
            f"{_meant(unknown)}"
        )
    if unused:
        raise UsageError(f"--convention for {', '.join(unused)}, which is not among the metrics")
    if len(set(metrics)) < len(metrics):
        raise UsageError(f"metrics {', '.join(metrics)}: one is named twice")
    rules = [
        convention(conventions.get(name) or usual_convention(name, profile), name)
        for name in metrics
    ]
    for name in also_as:
        rule = convention(name)
        if rule.metric not in metrics:
            fitting = [c.name for c in CONVENTIONS.values() if c.metric in metrics]
            raise UsageError(
                f"--also-as {name}: it is a convention of {rule.metric}, which is not asked for; "
                f"use some of {', '.join(fitting)}"
            )
        if rule in rules:
            raise UsageError(f"--also-as {name}: scores are under this convention already")
        rules.append(rule)
    return rules
