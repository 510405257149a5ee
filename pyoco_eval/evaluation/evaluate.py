"""From two sets of videos to signed scores: one decoding pass per set, whatever the metrics."""

import importlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.evaluation.write_record import record_run
from pyoco_eval.extraction.measure import FeatureRequest, measure
from pyoco_eval.extraction.measured_set import MeasuredSet
from pyoco_eval.extraction.networks import Network, of_frames, sees_frames
from pyoco_eval.extraction.open_samples import (
    Samples,
    check_exists,
    is_held,
    open_samples,
    options_for,
)
from pyoco_eval.extraction.options import Options
from pyoco_eval.extraction.rank_check import require_same_call
from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.catalogue import METRICS, USUAL, extrapolated
from pyoco_eval.metrics.conventions import Convention
from pyoco_eval.metrics.inception_score import SplitRule
from pyoco_eval.metrics.sample_floor import SmallSampleError
from pyoco_eval.processes import processes
from pyoco_eval.progress import Progress, Silent
from pyoco_eval.records.record import Record
from pyoco_eval.references.find import (
    DEFAULT_REFERENCE,
    name_of,
    named_side,
    require_made_for,
    require_same_recipe,
    stored_side,
)
from pyoco_eval.scoring.tasks import (
    Networks,
    Task,
    rules_of,
    same_features,
)
from pyoco_eval.videos.clip_rule import IMAGES
from pyoco_eval.videos.source import VideoSource


@dataclass(frozen=True)
class Evaluation:
    """The scores of a run, in the order asked for, and its record."""

    scores: tuple[Score, ...]
    record: Record

    def __getitem__(self, metric: str) -> Score:
        """The first score of `metric`."""
        for found in self.scores:
            if found.metric == metric:
                return found
        raise KeyError(metric)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain values of every score, by metric; the first of each."""
        return {score.metric: score.to_dict() for score in reversed(self.scores)}

    def to_frame(self) -> Any:
        """A pandas `DataFrame`, a row for each score.

        Raises:
            MissingError: pandas is not installed.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ImportError as error:
            raise MissingError(f"to_frame: {error}: pip install pandas") from error
        return pandas.DataFrame([score.to_dict() for score in self.scores])

    def _repr_html_(self) -> str:
        return "<br>".join(score._repr_html_() for score in self.scores)


def evaluate(
    samples: Samples,
    reference: Samples | None = None,
    *,
    metrics: Sequence[str] = USUAL,
    profile: str = "published",
    conventions: Mapping[str, str] | None = None,
    also_as: Sequence[str] = (),
    splits: str | None = None,
    captions: str | Path | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score videos under several metrics from one decoding pass.

    Within `sharing`, or on the command line under `torchrun`, the processes share the videos of a
    place; of videos in memory each brings its own. Each returns the same evaluation.

    Args:
        samples: generated videos: a folder, a file, arrays (T, H, W, 3) or (N, T, H, W, 3), or a
            file written by `pyoco-eval features`.
        reference: what to compare with: the same kinds, or the name of a known reference; by
            default `ucf101`, or `shapes` under the embedded profile. Not used by `is` and
            `clipsim`.
        metrics: any of `metrics.catalogue.METRICS`.
        profile: `published` networks, or the `embedded` ones that come with the package.
        conventions: metric -> convention, where not the profile's own.
        also_as: further conventions of these metrics, to score under as well.
        splits: split rule of the Inception Score, where not the convention's own.
        captions: file that says the caption of every video of `samples`, for `clipsim`.
        options: how videos become features.
        progress: told about every finished video.

    Raises:
        UsageError: arguments that cannot be meant.
        MissingError: weights, a package or reference statistics are not there.
        UnusableVideosError: videos that cannot be scored, all at once.
        SmallSampleError: too few videos for a meaningful score.
    """
    group = processes()
    with group.announcing_failure():
        metrics = metrics.split(",") if isinstance(metrics, str) else metrics
        also_as = also_as.split(",") if isinstance(also_as, str) else also_as
        run = _Run(options or Options(), progress or Silent(), splits, captions)
        _check(metrics, reference, splits, run.options)
        rules = rules_of(metrics, profile, conventions or {}, also_as)
        if run.options.frames.select != "all" and not any(map(sees_frames, rules)):
            raise UsageError(
                f"--frames {run.options.frames.spec()}: {', '.join(metrics)} sees whole clips; "
                f"frames are chosen for metrics of frames: {', '.join(of_frames())}"
            )
        require_same_call(
            {
                "metrics": list(metrics),
                "conventions": [rule.name for rule in rules],
                "samples in memory": is_held(samples),
                "reference in memory": is_held(reference),
            },
            group,
        )
        record = run.scores(samples, reference, rules, profile)
        text = group.broadcast(None if record is None else record.to_json().encode())
    if record is None:
        record = Record.model_validate_json(text)
    return Evaluation(tuple(entry.to_score() for entry in record.scores), record)


def _check(
    metrics: Sequence[str], reference: Samples | None, splits: str | None, options: Options
) -> None:
    if splits is not None:
        if not any(name in METRICS and METRICS[name].classifies for name in metrics):
            raise UsageError(f"--splits {splits}: only the Inception Score has splits")
        SplitRule.parse(splits)
    if options.extrapolate and not set(extrapolated()) & set(metrics):
        raise UsageError(f"--extrapolate: only {', '.join(extrapolated())} can be extrapolated")
    if isinstance(reference, str | Path) and name_of(reference) is None:
        check_exists(reference, "--reference")


def _is_apart(given: Samples | None) -> bool:
    """Whether each of several processes holds videos of its own under this name."""
    return is_held(given) and processes().size > 1


class _Run:
    """One evaluation: finds both sides of every task, then scores."""

    def __init__(
        self,
        options: Options,
        progress: Progress,
        splits: str | None,
        captions: str | Path | None,
    ) -> None:
        self.options = options
        self.reference_options = options
        if options.reference_clip is not None:
            self.reference_options = replace(options, clip=options.reference_clip)
        self.progress = progress
        self.splits = splits
        self.captions = captions

    def scores(
        self,
        samples: Samples,
        reference: Samples | None,
        rules: Sequence[Convention],
        profile: str,
    ) -> Record | None:
        """The record, on the process that gathers; None on others."""
        started = time.perf_counter()
        compared = any(METRICS[rule.metric].needs_reference for rule in rules)
        named = DEFAULT_REFERENCE[profile] if reference is None else name_of(reference)
        self._held = {"samples": _is_apart(samples), "reference": _is_apart(reference)}
        if self._held["samples"] and self.captions is not None:
            raise UsageError("--captions: videos in the memory of several processes have no names")
        stored, source = self._open(samples, "--samples", rules)
        stored_reference, reference_source = None, None
        if compared and named is None:
            assert reference is not None
            stored_reference, reference_source = self._open(reference, "--reference", rules)
        self._suit_options(source, reference_source)
        networks = Networks(self.options)
        tasks = [Task(rule, self.options, networks, self.splits) for rule in rules]
        source = self._attach_samples(tasks, samples, stored, source)
        self._attach_references(tasks, named, stored_reference)
        self._refuse(tasks, source, reference_source)
        if source is not None:
            self._measure(tasks, source, "samples")
        measured = time.perf_counter()
        if reference_source is not None:
            waiting = [t for t in tasks if t.needs_reference and t.reference is None]
            self._measure(waiting, reference_source, "reference")
        referred = time.perf_counter()
        if not processes().is_main:
            return None
        found = [score for task in tasks for score in task.scores()]
        finished = time.perf_counter()
        seconds = {
            "samples": measured - started,
            "reference": referred - measured,
            "scores": finished - referred,
            "total": finished - started,
        }
        pairs = [(task.generated, task.reference) for task in tasks]
        specs = [extractor.spec for extractor in networks.loaded()]
        return record_run(found, pairs, specs, self.options, seconds)

    def _open(
        self, given: Samples, argument: str, rules: Sequence[Convention]
    ) -> tuple[MeasuredSet | None, VideoSource | None]:
        """The features that a file holds, or else the videos or images that are there."""
        stored = stored_side(Path(given)) if isinstance(given, str | Path) else None
        if stored is not None:
            return stored, None
        return None, open_samples(given, argument, self.options, rules)

    def _suit_options(
        self, source: VideoSource | None, reference_source: VideoSource | None
    ) -> None:
        """Images are read whole, whatever the clip rule for videos."""
        stated = self.options.reference_clip
        if reference_source is not None and stated is None:
            self.reference_options = options_for(reference_source, self.reference_options)
        elif reference_source is not None and reference_source.images != (stated == IMAGES):
            assert stated is not None
            held = "images" if reference_source.images else "no images"
            raise UsageError(
                f"--reference-clip {stated.spec()}: the reference {reference_source.name} "
                f"holds {held}"
            )
        if source is not None:
            self.options = options_for(source, self.options)

    def _attach_samples(
        self,
        tasks: Sequence[Task],
        samples: Samples,
        stored: MeasuredSet | None,
        source: VideoSource | None,
    ) -> VideoSource | None:
        """Give every task its stored side, or load the networks; the source with its captions."""
        if stored is None:
            assert source is not None
            if self.captions is not None:
                from pyoco_eval.videos.listing.attach import attach_captions

                source = attach_captions(source, Path(self.captions))
            for task in tasks:
                task.metric.check_samples(source)
            for task in tasks:
                task.extractor()
            return source
        if self.captions is not None:
            raise UsageError(
                f"--captions {self.captions}: --samples {samples} holds features, which keep the "
                "captions they were made with; give the file to `pyoco-eval features --captions`"
            )
        for task in tasks:
            argument = f"--samples {samples}"
            require_made_for(stored, task.network, task.rule, self.options, argument)
            recipe = {**stored.recipe, "conv": task.network.conv}
            task.generated = replace(stored, recipe=recipe)
        return None

    def _attach_references(
        self, tasks: Sequence[Task], named: str | None, stored: MeasuredSet | None
    ) -> None:
        """Find the reference of every task before any network runs: by name, file or videos."""
        for task in tasks:
            if not task.needs_reference:
                continue
            if named is not None:
                task.reference = named_side(
                    named, task.reference_recipe(), task.network, self.options
                )
            elif stored is not None:
                task.reference = stored
            else:
                task.extractor()

    def _refuse(
        self,
        tasks: Sequence[Task],
        source: VideoSource | None,
        reference_source: VideoSource | None,
    ) -> None:
        """Refuse before anything runs what could only end in a refusal.

        Raises:
            PyocoEvalError: sides that were not made alike.
            SmallSampleError: too few videos; says so of every score at once.
        """
        if self._held["samples"]:
            source = None  # how many the others hold is known when they are measured
        if self._held["reference"]:
            reference_source = None
        short: dict[str, SmallSampleError] = {}
        for task in tasks:
            if task.needs_reference:
                wanted = task.reference_recipe()
                found = wanted if task.reference is None else task.reference.recipe
                if task.reference is None:
                    found = wanted | {"clip": self.reference_options.clip.signed()}
                require_same_recipe(wanted, task.reference, found)
            try:
                task.metric.check_counts(
                    task.dim(),
                    task.row_bound(task.generated, source, self.options),
                    task.row_bound(task.reference, reference_source, self.reference_options),
                )
            except SmallSampleError as error:
                short.setdefault(str(error), error)
        if len(short) > 1:
            raise SmallSampleError("\n".join(f"- {reason}" for reason in short))
        for only in short.values():
            raise only

    def _measure(self, tasks: Sequence[Task], source: VideoSource, title: str) -> None:
        """One pass for all tasks; those that share a network share its features."""
        by_network: dict[Network, list[Task]] = {}
        for task in tasks:
            by_network.setdefault(same_features(task.network), []).append(task)
        known = None if self._held[title] else source
        requests = [
            FeatureRequest(
                sharing[0].network,
                sharing[0].extractor(),
                keep_rows=any(task.needs_rows(known) for task in sharing),
            )
            for sharing in by_network.values()
        ]
        is_samples = title == "samples"
        options = self.options if is_samples else self.reference_options
        sides = measure(source, requests, options, self.progress, title, held=self._held[title])
        for sharing, side in zip(by_network.values(), sides, strict=bool(sides)):
            for task in sharing:
                own = replace(side, recipe={**side.recipe, "conv": task.network.conv})
                if is_samples:
                    task.generated = own
                else:
                    task.reference = own
