"""From two sets of videos to signed scores: one decoding pass per set, whatever the metrics."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pyoco_eval.errors import UsageError
from pyoco_eval.features.base import FeatureExtractor
from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.conventions import PROFILES, Convention, convention
from pyoco_eval.metrics.inception_score import SplitRule
from pyoco_eval.report.record import Record
from pyoco_eval.scoring.networks import Network
from pyoco_eval.scoring.options import Options
from pyoco_eval.scoring.progress import Progress, Silent
from pyoco_eval.scoring.recording import record_run
from pyoco_eval.scoring.references import (
    DEFAULT_REFERENCE,
    name_of,
    named_side,
    require_made_for,
    require_same_recipe,
    stored_side,
)
from pyoco_eval.scoring.score import refuse_hopeless, row_bound, score_frechet, score_inception
from pyoco_eval.scoring.sides import Request, Side, measure, planned_recipe
from pyoco_eval.scoring.sources import Samples, check_exists, open_samples
from pyoco_eval.videos.source import VideoSource


@dataclass(frozen=True)
class Evaluation:
    """The scores of a run, in the order asked for, and its record."""

    scores: tuple[Score, ...]
    record: Record

    def __getitem__(self, metric: str) -> Score:
        """The first score of `metric`."""
        for score in self.scores:
            if score.metric == metric:
                return score
        raise KeyError(metric)


def evaluate(
    samples: Samples,
    reference: Samples | None = None,
    *,
    metrics: Sequence[str] = ("fvd", "is", "fid", "clip-fid"),
    profile: str = "published",
    conventions: Mapping[str, str] | None = None,
    splits: str | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score videos under several metrics from one decoding pass.

    Args:
        samples: generated videos: a folder, a file, arrays (T, H, W, 3) or (N, T, H, W, 3), or a
            file written by `pyoco-eval features`.
        reference: what to compare with: the same kinds, or the name of a known reference; by
            default `ucf101`, or `shapes` under the embedded profile. Not used by `is`.
        metrics: any of `fvd`, `is`, `fid`, `clip-fid`.
        profile: `published` networks, or the `embedded` ones that come with the package.
        conventions: metric -> convention, where not the profile's own.
        splits: split rule of the Inception Score, where not the convention's own.
        options: how videos become features.
        progress: told about every finished video.

    Raises:
        UsageError: arguments that cannot be meant.
        MissingError: weights, a package or reference statistics are not there.
        UnusableVideosError: videos that cannot be scored, all at once.
        SmallSampleError: too few videos for a meaningful score.
    """
    options = options or Options()
    metrics = metrics.split(",") if isinstance(metrics, str) else metrics
    progress = progress or Silent()
    started = time.perf_counter()
    if splits is not None:
        if "is" not in metrics:
            raise UsageError(f"--splits {splits}: only the Inception Score has splits")
        SplitRule.parse(splits)
    if isinstance(reference, str | Path) and name_of(reference) is None:
        check_exists(reference, "--reference")
    if options.frames.select != "all" and not {"fid", "clip-fid"} & set(metrics):
        raise UsageError(
            f"--frames {options.frames.spec()}: {', '.join(metrics)} sees whole clips; frames are "
            "chosen for fid and clip-fid"
        )
    tasks = [_Task(rule, options) for rule in _rules(metrics, profile, conventions or {})]
    source = _attach_samples(tasks, samples, options)
    named = DEFAULT_REFERENCE[profile] if reference is None else name_of(reference)
    reference_source = _attach_references(tasks, named, reference, options)
    for task in tasks:
        recipe = _recipe_of(task, task.generated, options)
        if task.needs_reference:
            require_same_recipe(recipe, task.reference, _recipe_of(task, task.reference, options))
        refuse_hopeless(
            task.rule,
            task.dim(),
            row_bound(task.generated, source, task.rule, options),
            row_bound(task.reference, reference_source, task.rule, options),
            options,
            splits,
        )
    if source is not None:
        sides = _measure(tasks, source, options, progress, "samples")
        for task, side in zip(tasks, sides, strict=True):
            task.generated = side
    measured = time.perf_counter()
    if reference_source is not None:
        waiting = [task for task in tasks if task.needs_reference and task.reference is None]
        sides = _measure(waiting, reference_source, options, progress, "reference")
        for task, side in zip(waiting, sides, strict=True):
            task.reference = side
    compared = time.perf_counter()
    scores = tuple(task.score(options, splits) for task in tasks)
    finished = time.perf_counter()
    seconds = {
        "samples": measured - started,
        "reference": compared - measured,
        "scores": finished - compared,
        "total": finished - started,
    }
    pairs = [(task.generated, task.reference) for task in tasks]
    specs = [task.loaded.spec for task in tasks if task.loaded is not None]
    return Evaluation(scores, record_run(scores, pairs, specs, options, seconds))


class _Task:
    """One metric on its way from a convention to a score."""

    def __init__(self, rule: Convention, options: Options) -> None:
        self.rule = rule
        self.network = Network.of(rule, options)
        self.needs_reference = rule.metric != "is"
        self.loaded: FeatureExtractor | None = None
        self.generated: Side | None = None
        self.reference: Side | None = None

    def extractor(self, options: Options) -> FeatureExtractor:
        if self.loaded is None:
            self.loaded = self.network.load(options)
        return self.loaded

    def dim(self) -> int:
        if self.generated is not None:
            return self.generated.dim()
        assert self.loaded is not None
        return self.loaded.spec.dim

    def score(self, options: Options, splits: str | None) -> Score:
        assert self.generated is not None
        if not self.needs_reference:
            return score_inception(self.rule, self.generated, options, splits)
        assert self.reference is not None
        return score_frechet(self.rule, self.generated, self.reference, options)


def _rules(
    metrics: Sequence[str], profile: str, conventions: Mapping[str, str]
) -> list[Convention]:
    if profile not in PROFILES:
        raise UsageError(f"--profile {profile!r}: use one of {', '.join(PROFILES)}")
    defaults = PROFILES[profile]
    unknown = [name for name in (*metrics, *conventions) if name not in defaults]
    unused = [name for name in conventions if name not in metrics]
    if unknown or not metrics:
        raise UsageError(f"metrics {unknown or 'none'}: use some of {', '.join(defaults)}")
    if unused:
        raise UsageError(f"--convention for {', '.join(unused)}, which is not among the metrics")
    if len(set(metrics)) < len(metrics):
        raise UsageError(f"metrics {', '.join(metrics)}: one is named twice")
    return [convention(conventions.get(name, defaults[name]), name) for name in metrics]


def _attach_samples(
    tasks: Sequence[_Task], samples: Samples, options: Options
) -> VideoSource | None:
    """Give every task its stored side, or open the videos and load the networks."""
    stored = stored_side(Path(samples)) if isinstance(samples, str | Path) else None
    if stored is None:
        source = open_samples(samples, "--samples", options)
        for task in tasks:
            task.extractor(options)
        return source
    for task in tasks:
        require_made_for(stored, task.network, task.rule, options, f"--samples {samples}")
        task.generated = replace(stored, recipe={**stored.recipe, "conv": task.network.conv})
    return None


def _attach_references(
    tasks: Sequence[_Task], named: str | None, reference: Samples | None, options: Options
) -> VideoSource | None:
    """Find the reference of every task before any network runs: by name, in a file, or videos."""
    waiting = [task for task in tasks if task.needs_reference]
    if not waiting:
        return None
    if named is not None:
        for task in waiting:
            recipe = _recipe_of(task, task.generated, options)
            task.reference = named_side(named, recipe, task.network, options)
        return None
    assert reference is not None
    stored = stored_side(Path(reference)) if isinstance(reference, str | Path) else None
    if stored is not None:
        for task in waiting:
            task.reference = stored
        return None
    source = open_samples(reference, "--reference", options)
    for task in waiting:
        task.extractor(options)
    return source


def _recipe_of(task: _Task, side: Side | None, options: Options) -> Mapping[str, str]:
    """The recipe of a stored side, or the one that a pass is going to follow."""
    if side is not None:
        return side.recipe
    return planned_recipe(task.network, task.extractor(options), options)


def _measure(
    tasks: Sequence[_Task], source: VideoSource, options: Options, progress: Progress, title: str
) -> list[Side]:
    requests = [
        Request(
            task.network,
            task.extractor(options),
            keep_rows=not task.needs_reference or options.interval > 0,
            keep_moments=task.needs_reference,
        )
        for task in tasks
    ]
    return measure(source, requests, options, progress, title)
