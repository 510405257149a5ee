"""What a run will take: counts, disk, hours. For `--dry-run`, and for the time left while it runs.

Axes: T frames, H, W of a video.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyoco_eval.extraction.networks import dim_of
from pyoco_eval.generation.cascade.training import trainings
from pyoco_eval.metrics.catalogue import METRICS
from pyoco_eval.metrics.conventions import CONVENTIONS
from pyoco_eval.protocol.arms import clip_of, columns_of, frames_of
from pyoco_eval.protocol.checks import SPLITS
from pyoco_eval.protocol.training_rule import cascade_training, training_tree
from pyoco_eval.protocol_run.run import ProtocolRun
from pyoco_eval.protocol_run.run_options import RunChoices
from pyoco_eval.records.results import StageRecord
from pyoco_eval.report.numbers import duration

_MP4_BYTES_PER_PIXEL = 0.15
"""Of H.264 as `videos.write` makes it: five real clips took 0.07 to 0.21, by size and content."""


@dataclass(frozen=True)
class ArmPlan:
    """What one arm takes.

    Attributes:
        num_models: trained here, over all repeats.
        training_steps: of all of them.
        num_generated: videos to generate, 0 for given samples.
        num_scored: videos that go through networks, a video counted once for each network.
        sample_bytes, feature_bytes: on disk; samples as upper bound for npz, estimate for mp4.
    """

    name: str
    source: str
    num_models: int
    training_steps: int
    num_generated: int
    num_scored: int
    sample_bytes: int
    feature_bytes: int


@dataclass(frozen=True)
class Rates:
    """How fast a machine is; None where it was neither said nor measured.

    Attributes:
        sample_seconds: of one generated video on one GPU.
        step_seconds: of one training step.
        score_seconds: of one video through one network.
    """

    sample_seconds: float | None = None
    step_seconds: float | None = None
    score_seconds: float | None = None


def plan_arms(run: ProtocolRun) -> list[ArmPlan]:
    """Every arm of a run, in the order of the table; those only trained from come first."""
    return [_plan(run, name) for name in run.choices.given.sources]


def num_real(run: ProtocolRun) -> int:
    """Real videos that are read, each set once for each network."""
    seen: dict[Any, int] = {}
    for name in run.choices.given.scored(run.protocol):
        for group in run.groups(name, first_repeat=False):
            for key, (metric, convention) in group.columns.items():
                if group.reference is None or not METRICS[metric].needs_reference:
                    continue
                total = SPLITS[run.protocol.dataset.name][group.reference.split]
                count = group.num_real or group.reference.limit() or total
                extractor = CONVENTIONS[convention].extractor
                seen[group.reference, extractor, run.protocol.scores[key].pre_resize] = count
    return sum(seen.values())


def total_hours(
    arms: list[ArmPlan], real: int, rates: Rates, gpus: int
) -> Mapping[str, float | None]:
    """Hours of each kind of work on so many GPUs; training takes one at a time."""
    generated = sum(arm.num_generated for arm in arms)
    scored = sum(arm.num_scored for arm in arms) + real
    steps = sum(arm.training_steps for arm in arms)

    def hours(count: int, seconds: float | None, share: int) -> float | None:
        if not count:
            return 0.0
        return None if seconds is None else count * seconds / share / 3600

    return {
        "training": hours(steps, rates.step_seconds, 1),
        "generation": hours(generated, rates.sample_seconds, gpus),
        "scoring": hours(scored, rates.score_seconds, gpus),
    }


def _plan(run: ProtocolRun, name: str) -> ArmPlan:
    protocol, choices = run.protocol, run.choices
    arm, source = protocol.arms[name], choices.given.sources[name]
    columns = columns_of(protocol, name)
    repeats = run.num_repeats
    videos = run.reduction.num_videos(protocol, arm) * repeats if columns else 0
    models = 0
    trained = [n for n, s in choices.given.sources.items() if s.kind == "train"]
    shared = protocol.training is not None and protocol.training.cascade is not None
    if source.kind == "train" and not (shared and name != trained[0]):
        models = repeats if protocol.repeats.of == "training" and columns else 1
    made = 0 if source.kind == "samples" else videos
    samples, length = protocol.samples, frames_of(protocol, arm)
    pixels = length * samples.width * samples.height
    each = pixels * 3 if samples.codec == "npz" else int(pixels * _MP4_BYTES_PER_PIXEL)
    scored, stored = 0, 0
    for key in columns:
        score = protocol.scores[key]
        rule = CONVENTIONS[score.convention]
        count = run.reduction.num_scored(arm, score) * repeats
        rows = count * (clip_of(protocol, arm, score).num_frames if score.frames == "all" else 1)
        dim = dim_of(rule)
        scored += count
        stored += rows * dim * 4
    return ArmPlan(
        name=name,
        source=", ".join(source.texts()),
        num_models=models,
        training_steps=models * _steps(run, name, choices) if models else 0,
        num_generated=made,
        num_scored=scored,
        sample_bytes=made * each,
        feature_bytes=stored if choices.machine.features is not None else 0,
    )


def _steps(run: ProtocolRun, name: str, choices: RunChoices) -> int:
    assert run.protocol.training is not None
    if run.protocol.training.cascade is not None:  # all arms share one training of the stages
        plan = cascade_training(run.protocol, out="run", repeat=0, settings=choices.settings)
        return sum(each.config.steps for each in trainings(plan, run.protocol.name))
    tree = training_tree(run.protocol, name, out="run", repeat=0, settings=choices.settings)
    return int(tree.get("steps", 100_000))


class TimeLeft:
    """How long a run still takes, from the stages that are over.

    Args:
        expected: kind of stage -> how many there will be.
    """

    def __init__(self, expected: Mapping[str, int]) -> None:
        self._left = dict(expected)
        self._spent: dict[str, list[float]] = {kind: [] for kind in expected}
        self._total = sum(expected.values())
        self._started = time.monotonic()

    def over(self, record: StageRecord) -> str:
        """A line about the stage that is over, with what is left where it can be told."""
        kind = record.stage
        self._left[kind] = max(0, self._left.get(kind, 1) - 1)
        if not record.reused:
            self._spent.setdefault(kind, []).append(record.seconds)
        done = self._total - sum(self._left.values())
        arm = "" if record.arm is None else f" {record.arm}"
        how = "from an earlier start" if record.reused else f"in {duration(record.seconds)}"
        return f"[{done}/{self._total}] {kind}{arm} {how}{self._rest()}"

    def _rest(self) -> str:
        seconds, unknown = 0.0, False
        for kind, count in self._left.items():
            spent = self._spent.get(kind, [])
            if count and not spent:
                unknown = True
            elif count:
                seconds += count * sum(spent) / len(spent)
        if not seconds:
            return ""
        return f"; {'more than' if unknown else 'about'} {duration(seconds)} left"


def expected_stages(run: ProtocolRun) -> dict[str, int]:
    """Kind of stage -> how many a run has."""
    given, found = run.choices.given, {
        "look": 0, "dataset": 0, "train": 0, "generate": 0, "score": 0,
    }  # fmt: skip
    if not run.real.is_made and run.real.splits():
        found["dataset"] = 1
    for plan in plan_arms(run):
        found["train"] += plan.num_models
    for name in given.scored(run.protocol):
        if given.sources[name].kind != "samples":
            found["generate"] += run.num_repeats
        found["look"] += run.num_repeats
        for repeat in range(run.num_repeats):
            found["score"] += len(run.groups(name, first_repeat=repeat == 0))
    return found


def amount(num_bytes: float) -> str:
    """`12 MB`, `3.4 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} TB"
