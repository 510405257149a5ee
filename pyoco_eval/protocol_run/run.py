"""A protocol from models to results: train, generate, score, and gather what a report shows."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

from pyoco_eval.datasets.class_lists import class_names
from pyoco_eval.errors import UsageError
from pyoco_eval.locks import LOCK, locked
from pyoco_eval.metrics.catalogue import METRICS
from pyoco_eval.processes import own_cores, processes
from pyoco_eval.progress import Progress
from pyoco_eval.protocol.checks import SPLITS
from pyoco_eval.protocol.loader import LoadedProtocol
from pyoco_eval.protocol.prompt_sets import counted_by_prompt
from pyoco_eval.protocol.prompts import PromptList, identify, read_prompts
from pyoco_eval.protocol.schema import ReferenceRule
from pyoco_eval.protocol.training_rule import check_training
from pyoco_eval.protocol.trust import (
    deviation_of_content,
    deviation_of_prompts,
    deviation_of_settings,
)
from pyoco_eval.protocol_run.arm_sources import ArmSource
from pyoco_eval.protocol_run.departures import Departures
from pyoco_eval.protocol_run.gallery import class_scores, gallery
from pyoco_eval.protocol_run.made_as import look_at
from pyoco_eval.protocol_run.match_samples import answer
from pyoco_eval.protocol_run.planned_videos import PlannedVideo, planned_videos
from pyoco_eval.protocol_run.preflight import Hindrances, check_groups, check_model
from pyoco_eval.protocol_run.real_videos import ProtocolVideos
from pyoco_eval.protocol_run.run_options import RunChoices
from pyoco_eval.protocol_run.sample import (
    Samples,
    generate,
    sampling_deviations,
)
from pyoco_eval.protocol_run.score import Scored, first, score
from pyoco_eval.protocol_run.score_groups import ScoreGroup, score_groups
from pyoco_eval.protocol_run.stages import Outcome, Stages, digest_of, fingerprint
from pyoco_eval.protocol_run.summary import ArmOutcome, summarise
from pyoco_eval.protocol_run.trained_arms import TrainedArms
from pyoco_eval.records.results import ClassScore, GalleryEntry, Results, StageRecord
from pyoco_eval.videos.source import VideoSource

RESULTS = "results.json"


@dataclass(eq=False)
class ProtocolRun:
    """One run of a protocol in one folder. Under `torchrun` every process has one.

    Attributes:
        loaded: the protocol.
        choices: of the user.
        progress: told about every finished video.
        told: called when a stage is over.
        warnings: sentences for readers.
        departures: in what the run is not its protocol, known after `prepare` where no videos
            are generated.
    """

    loaded: LoadedProtocol
    choices: RunChoices
    progress: Progress
    told: Callable[[StageRecord], None] = lambda _: None
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.protocol = self.loaded.protocol
        self._prompts: PromptList | None = None
        self._without_prompts: UsageError | None = None
        self.classes = class_names(self.protocol.dataset.name)
        try:
            self._read_prompts()
        except UsageError as error:  # `prepare` tells it, with all else that hinders
            self._without_prompts = error
        self.protocol = counted_by_prompt(self.protocol, self._prompts)
        self.real = ProtocolVideos(self.protocol, self.choices.place)
        self.stages = Stages(self.choices.out / "stages", self.told)
        self.trained = TrainedArms(self.protocol, self.choices, self.stages, self.progress)
        self.reduction = self.choices.reduction
        self.num_repeats = self.reduction.num_repeats(self.protocol)
        self._references: dict[tuple[ReferenceRule, int | None], VideoSource] = {}
        self.departures = Departures(self.loaded, allow=self.choices.allow_deviations)

    def run(self) -> Results | None:
        """The results, written to the run's folder; None on processes that do not write.

        Raises:
            PyocoEvalError: and its kinds; what is done already is kept.
        """
        alone = locked(self.choices.out / LOCK, "runs a protocol here")
        with processes().announcing_failure(), alone if processes().is_main else nullcontext():
            self.prepare()
            outcomes = [self._arm(name) for name in self.choices.given.scored(self.protocol)]
            if not processes().is_main:
                return None
            results = summarise(
                self.loaded, self.choices, outcomes, self.stages.records,
                reduced=self.reduction.label(self.protocol),
                label=self.label(*(outcome.key for outcome in outcomes)),
                deviations=self.departures.sentences(), warnings=self.warnings,
            )  # fmt: skip
            results.save(self.choices.out / RESULTS)
            return results

    def prepare(self) -> None:
        """Everything that can be refused is refused here, before anything is made.

        What costs nothing comes first, and is told all at once: arguments, counts, packages,
        weights, models, numbers of samples, the place of the dataset. Then headers are read: of
        given samples, and of every file of the dataset.

        Raises:
            PyocoEvalError: and its kinds.
        """
        self._refuse_other_run()
        choices, protocol = self.choices, self.protocol
        found = Hindrances()
        for check in (self._check_words, self._check_settings, self._open_data):
            with found.gathered():
                check()
        for name in choices.given.scored(protocol):
            check_groups(self.groups(name, first_repeat=True), SPLITS[protocol.dataset.name], found)
        for name, source in choices.given.sources.items():
            with found.gathered():
                check_model(source)
            if source.kind == "samples":
                with found.gathered():
                    for repeat in range(self.num_repeats):
                        self._given_samples(name, repeat, self.wished(name, repeat), source)
        if found:
            with found.gathered():
                self.real.require_names()
        found.refuse()
        for name, source in choices.given.sources.items():
            if source.kind == "samples":
                for repeat in range(self.num_repeats):
                    samples = self._given_samples(name, repeat, self.wished(name, repeat), source)
                    self._look_at(name, repeat, samples)
        self._check_data()
        if choices.given.left_out:
            missing = ", ".join(choices.given.left_out)
            self.warnings.append(f"Arms of the protocol that are not in this run: {missing}.")

    def label(self, *arms: str) -> str:
        """How signatures of these arms name the protocol."""
        return self.departures.label(self.reduction.label(self.protocol), arms)

    def groups(self, arm: str, *, first_repeat: bool) -> list[ScoreGroup]:
        """What is scored together for an arm."""
        totals = SPLITS[self.protocol.dataset.name]
        return score_groups(
            self.protocol, arm, self.reduction, self.choices.machine, totals,
            first_repeat=first_repeat,
        )  # fmt: skip

    def wished(self, arm: str, repeat: int) -> list[PlannedVideo]:
        """The videos of one repeat of an arm."""
        count = self.reduction.num_videos(self.protocol, self.protocol.arms[arm])
        return planned_videos(self.protocol, count, repeat, self.real, self._prompts)

    def _arm(self, name: str) -> ArmOutcome:
        """Everything about one row of the table."""
        scored: list[Mapping[str, Scored]] = []
        exhibits: tuple[list[ClassScore], list[GalleryEntry]] = ([], [])
        recipe: dict[str, str] = {}
        num_videos = 0
        for repeat in range(self.num_repeats):
            wished = self.wished(name, repeat)
            samples = self._samples(name, repeat, wished)
            found: dict[str, Scored] = {}
            for group in self.groups(name, first_repeat=repeat == 0):
                real = self._reference(group)
                done = score(
                    self.stages, name, repeat, samples, real, group,
                    profile=self.protocol.profile, label=self.label(name),
                    out=self.choices.out, progress=self.progress,
                )  # fmt: skip
                found |= dict.fromkeys(group.columns, done)
            scored.append(found)
            num_videos += len(samples.source)
            if repeat == 0:
                recipe = samples.recipe
                exhibits = self._exhibits(name, samples, wished)
        source = self.choices.given.sources[name]
        given = source.texts()
        table = self.departures.made_as(name)
        return ArmOutcome(name, given, recipe, num_videos, scored, table, *exhibits)

    def _samples(self, arm: str, repeat: int, wished: Sequence[PlannedVideo]) -> Samples:
        source = self.choices.given.sources[arm]
        if source.kind == "samples":
            samples = self._given_samples(arm, repeat, wished, source)
        else:
            spec = source.value(repeat) if source.values else str(self.trained.model(arm, repeat))
            samples = generate(
                self.stages, self.protocol, arm, repeat, spec, wished, self.choices, self.progress
            )
            self._look_at(arm, repeat, samples)
        return samples

    def _look_at(self, arm: str, repeat: int, samples: Samples) -> None:
        """What the samples of a repeat are, beside what the recipe asks for."""

        def work() -> Outcome:
            if not processes().is_main:
                return {}
            with self.progress.stage(f"looking at {arm}", len(samples.source)) as stage:
                return look_at(samples.source, stage.advance)

        facts = self.stages.run("look", arm, {"samples": samples.identity, "repeat": repeat}, work)
        self.departures.look(arm, facts)

    def _given_samples(
        self, arm: str, repeat: int, wished: Sequence[PlannedVideo], source: ArmSource
    ) -> Samples:
        offset = 0 if len(source.values) > 1 else repeat * len(wished)
        name, decoder = f"{arm}-r{repeat}", self.protocol.compute.decoder
        place = source.value(repeat)
        total = len(wished) * (self.num_repeats if len(source.values) == 1 else 1)
        found = answer(place, wished, name, self.classes, decoder, offset=offset, total=total)
        paths = [video.path for video in found.source if video.path is not None]
        inputs = {
            "files": fingerprint(dict.fromkeys(paths)) if paths else found.source.digest(),
            "ids": [video.id for video in found.source],
            "captions": [video.caption for video in found.source],
        }
        return Samples(found.source, {"told by": found.told_by}, digest_of(inputs))

    def _reference(self, group: ScoreGroup) -> VideoSource | None:
        if group.reference is None:
            return None
        key = (group.reference, group.num_real)
        if key not in self._references:
            self._references[key] = self.real.reference(group.reference, group.num_real)
        return self._references[key]

    def _exhibits(
        self, arm: str, samples: Samples, wished: Sequence[PlannedVideo]
    ) -> tuple[list[ClassScore], list[GalleryEntry]]:
        classes: list[ClassScore] = []
        groups = self.groups(arm, first_repeat=True)
        for group in groups:
            for key, (_, convention) in group.columns.items():
                if self.protocol.scores[key].per_class:
                    source = first(samples.source, group.count)
                    classes = class_scores(
                        source, wished, self.classes, group, convention, self.progress
                    )
        lead = next((group for group in groups if group.reference is not None), None)
        convention = "" if lead is None else _distance_of(lead)
        count = len(samples.source) if lead is None else lead.count
        clips, told = gallery(
            first(samples.source, count), wished, self.classes, lead, convention,
            None if lead is None else self._reference(lead),
            self.choices.out, self.choices.gallery, self.progress,
        )  # fmt: skip
        if told is not None and told not in self.warnings:
            self.warnings.append(told)
        if self.choices.given.sources[arm].kind == "samples":  # whose noise nobody knows
            clips = [clip.model_copy(update={"seed": None}) for clip in clips]
        return classes, clips

    def _read_prompts(self) -> None:
        path = self.choices.prompts
        if path is None:
            return
        if self.protocol.samples.conditioning.kind != "class-prompts":
            raise UsageError(f"--prompts {path}: {self.protocol.name} has no prompts for classes")
        self._prompts = read_prompts(path, self.classes)
        if self.protocol.dataset.name == "ucf101":
            text = "\n".join(identify(self._prompts).sentences())
            self.warnings.append(text[0].upper() + text[1:])

    def _check_words(self) -> None:
        """The protocol itself, its prompts, and how models are sampled."""
        if self._without_prompts is not None:
            raise self._without_prompts
        protocol = self.protocol
        trained = [name for name, s in self.choices.given.sources.items() if s.kind == "train"]
        self.departures.add(
            [
                deviation_of_content(self.loaded),
                deviation_of_prompts(self.loaded, self._prompts),
                *sampling_deviations(protocol, self.choices.sampling, trained),
            ]
        )

    def _check_settings(self) -> None:
        """Settings of the training."""
        settings = self.choices.settings
        if not self.choices.given.trains:
            if settings:
                raise UsageError(f"--set {settings[0]}: nothing is trained in this run")
            return
        self.departures.add([deviation_of_settings(settings)])
        if problems := check_training(self.protocol, settings):
            raise UsageError("\n  ".join(["--set:", *problems]))

    def _open_data(self) -> None:
        """The dataset is there, by names alone."""
        if not self.real.is_made:
            for split in self.real.splits():
                self.real.open(split)
            self.real.require_captions()

    def _check_data(self) -> None:
        """Look at every file of the dataset, once; later starts see that nothing changed."""
        if self.real.is_made or not self.real.splits():
            return
        sources = [self.real.open(split).videos for split in self.real.splits()]
        paths = dict.fromkeys(v.path for source in sources for v in source if v.path is not None)
        incomplete = self.choices.place.allow_incomplete

        def work() -> Outcome:
            if processes().is_main:
                workers = self.choices.machine.workers or own_cores()
                self.real.check(self.progress, workers=workers)
            findings = [str(found) for found in self.real.findings]
            return {"findings": findings, "incomplete": self.real.is_incomplete}

        inputs = {"files": fingerprint(paths), "allow_incomplete": incomplete}
        outcome = self.stages.run("dataset", None, inputs, work)
        self.warnings += [f"{self.choices.place.root}: {text}" for text in outcome["findings"]]
        if outcome["incomplete"]:
            self.reduction = replace(self.reduction, incomplete=True)

    def _refuse_other_run(self) -> None:
        path = self.choices.out / RESULTS
        if not path.is_file():
            return
        earlier = Results.load(path).protocol.name
        if earlier != self.protocol.name:
            raise UsageError(f"--out {self.choices.out}: holds a run of {earlier}; choose another")


def _distance_of(group: ScoreGroup) -> str:
    """The convention of the group's first column that has a reference."""
    return next(name for metric, name in group.columns.values() if METRICS[metric].needs_reference)
