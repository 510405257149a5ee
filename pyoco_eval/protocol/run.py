"""A protocol from models to results: train, generate, score, and gather what a report shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.processes import processes
from pyoco_eval.progress import Progress
from pyoco_eval.protocol.arms import columns_of
from pyoco_eval.protocol.checks import SPLITS
from pyoco_eval.protocol.choices import RunChoices
from pyoco_eval.protocol.class_lists import class_names
from pyoco_eval.protocol.exhibits import class_scores, gallery, relative
from pyoco_eval.protocol.given import ArmSource
from pyoco_eval.protocol.given_samples import answer, open_given
from pyoco_eval.protocol.loader import LoadedProtocol
from pyoco_eval.protocol.prompts import PromptList, identify, read_prompts
from pyoco_eval.protocol.real_videos import RealVideos
from pyoco_eval.protocol.requests import Wish, wishes
from pyoco_eval.protocol.sample_stage import (
    Samples,
    check_size,
    generate,
    model_identity,
    sampling_deviations,
)
from pyoco_eval.protocol.score_groups import ScoreGroup, score_groups
from pyoco_eval.protocol.score_stage import Scored, first, require_weights, score
from pyoco_eval.protocol.stages import Outcome, Stages, fingerprint
from pyoco_eval.protocol.summary import ArmOutcome, summarise
from pyoco_eval.protocol.training_stage import check_training, train_arm, training_tree
from pyoco_eval.report.results import ClassScore, GalleryEntry, Results, StageRecord

RESULTS = "results.json"


@dataclass(eq=False)
class ProtocolRun:
    """One run of a protocol in one folder. Under `torchrun` every process has one.

    Attributes:
        loaded: the protocol.
        choices: of the user.
        progress: told about every finished video.
        told: called when a stage is over.
    """

    loaded: LoadedProtocol
    choices: RunChoices
    progress: Progress
    told: Callable[[StageRecord], None] = lambda _: None
    deviations: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.protocol = self.loaded.protocol
        self.real = RealVideos(self.protocol, self.choices.place)
        self.stages = Stages(self.choices.out / "stages", self.told)
        self.classes = class_names(self.protocol.dataset.name)
        self.reduction = self.choices.reduction
        self.num_repeats = self.reduction.num_repeats(self.protocol)
        self._prompts: PromptList | None = None

    def run(self) -> Results | None:
        """The results, written to the run's folder; None on processes that do not write.

        Raises:
            PyocoEvalError: and its kinds; what is done already is kept.
        """
        with processes().announcing_failure():
            self.prepare()
            outcomes = [self._arm(name) for name in self.choices.given.scored(self.protocol)]
            if not processes().is_main:
                return None
            results = summarise(
                self.loaded, self.choices, outcomes, self.stages.records,
                reduced=self.reduction.label(self.protocol),
                deviations=self.deviations, warnings=self.warnings,
            )  # fmt: skip
            results.save(self.choices.out / RESULTS)
            return results

    def prepare(self) -> None:
        """Everything that can be refused is refused here, before anything is made.

        Raises:
            PyocoEvalError: and its kinds.
        """
        self._refuse_other_run()
        choices, protocol = self.choices, self.protocol
        if choices.prompts is not None:
            self._read_prompts(choices.prompts)
        self.deviations += sampling_deviations(protocol, choices.sampling)
        if choices.given.trains:
            if choices.settings:
                changed = ", ".join(choices.settings)
                self.deviations.append(f"Training settings were changed: {changed}.")
            if problems := check_training(protocol, choices.settings):
                raise UsageError("\n  ".join(["--set:", *problems]))
        elif choices.settings:
            raise UsageError(f"--set {choices.settings[0]}: nothing is trained in this run")
        self._check_data()
        if choices.given.left_out:
            missing = ", ".join(choices.given.left_out)
            self.warnings.append(f"Arms of the protocol that are not in this run: {missing}.")
        for name in choices.given.scored(protocol):
            require_weights(self.groups(name, first_repeat=True))
        for name, source in choices.given.sources.items():
            self._look_at(name, source)

    def groups(self, arm: str, *, first_repeat: bool) -> list[ScoreGroup]:
        """What is scored together for an arm."""
        totals = SPLITS[self.protocol.dataset.name]
        return score_groups(
            self.protocol, arm, self.reduction, self.choices.machine, totals,
            first_repeat=first_repeat,
        )  # fmt: skip

    def wished(self, arm: str, repeat: int) -> list[Wish]:
        """The videos of one repeat of an arm."""
        count = self.reduction.num_videos(self.protocol, self.protocol.arms[arm])
        return wishes(self.protocol, count, repeat, self.real, self._prompts)

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
                    profile=self.protocol.profile, label=self.signature_label(),
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
        return ArmOutcome(name, given, recipe, num_videos, scored, *exhibits)

    def signature_label(self) -> str:
        """`ucf101-uncond@1`, with how it was reduced."""
        reduced = self.reduction.label(self.protocol)
        return self.loaded.label + (f"-reduced({reduced})" if reduced else "")

    def _samples(self, arm: str, repeat: int, wished: Sequence[Wish]) -> Samples:
        source = self.choices.given.sources[arm]
        if source.kind == "samples":
            samples = self._given_samples(arm, repeat, wished, source)
        else:
            spec = source.value(repeat) if source.values else str(self._trained(arm, repeat))
            samples = generate(
                self.stages, self.protocol, arm, repeat, spec, wished, self.choices, self.progress
            )
        told = check_size(
            samples.source, self.protocol, arm, allow=self.choices.allow_deviations
        )
        if told is not None and told not in self.deviations:
            self.deviations.append(told)
        return samples

    def _given_samples(
        self, arm: str, repeat: int, wished: Sequence[Wish], source: ArmSource
    ) -> Samples:
        place = source.value(repeat)
        opened = open_given(place, self.protocol.compute.decoder)
        offset = 0 if len(source.values) > 1 else repeat * len(wished)
        if any(wish.label is not None for wish in wished) and offset:
            raise UsageError(
                f"--samples {place}: the repeats of a protocol with classes need a folder each"
            )
        name = f"{arm}-r{repeat}"
        found = answer(opened, wished, name, self.classes, offset=offset)
        paths = [video.path for video in found.source if video.path is not None]
        identity = fingerprint(dict.fromkeys(paths)) if paths else found.source.digest()
        ids = "\n".join(video.id for video in found.source)
        return Samples(found.source, {}, f"{found.by} {identity} {hash_of(ids)}")

    def _trained(self, arm: str, repeat: int) -> Path:
        """The model of an arm; a model that is only started from is trained once for all."""
        protocol, choices = self.protocol, self.choices
        if not columns_of(protocol, arm):
            repeat = 0
        before = protocol.arms[arm].init_from
        init = None
        if before is not None:
            source = choices.given.sources[before]
            init = source.value(repeat) if source.values else str(self._trained(before, repeat))
        tree = training_tree(
            protocol, arm, out="run", repeat=repeat, init=init,
            data_root=choices.place.root, settings=choices.settings,
        )  # fmt: skip
        inputs = {
            "config": {k: v for k, v in tree.items() if k not in ("init", "hardware", "log")},
            "init": model_identity(init) if init is not None else None,
        }
        folder = choices.out / "training" / f"{arm}-r{repeat}"
        tree["out"] = str(folder)

        def work() -> Outcome:
            train_arm(tree, f"train {arm}", self.progress)
            return {"model": model_identity(str(folder / "model"))}

        self.stages.run(
            "train", arm, inputs, work,
            lambda found: found["model"] == model_identity(str(folder / "model")),
        )  # fmt: skip
        return folder / "model"

    def _reference(self, group: ScoreGroup) -> "VideoSourceOrNone":
        if group.reference is None:
            return None
        key = (group.reference, group.num_real)
        if key not in self._references:
            self._references[key] = self.real.reference(group.reference, group.num_real)
        return self._references[key]

    def _exhibits(
        self, arm: str, samples: Samples, wished: Sequence[Wish]
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
        return classes, clips
