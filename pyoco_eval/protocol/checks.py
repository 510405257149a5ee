"""What a protocol must satisfy beyond its schema. `PROMISES` is the help of `protocol validate`."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from pyoco_eval.datasets.catalogue import known_set
from pyoco_eval.datasets.class_lists import class_names
from pyoco_eval.datasets.msrvtt import NUM_CAPTIONS
from pyoco_eval.errors import UsageError
from pyoco_eval.metrics.conventions import CONVENTIONS
from pyoco_eval.protocol.check_scores import problems_of_score
from pyoco_eval.protocol.conditioning import Captions, ClassPrompts
from pyoco_eval.protocol.prompt_sets import num_prompts
from pyoco_eval.protocol.prompts import own_list
from pyoco_eval.protocol.schema import Protocol

PROMISES: Final = (
    "the file is YAML without repeated keys; every key is known, every required one there",
    "what it extends exists and does not come round to itself; what it leaves out was there",
    "the file is called as the protocol",
    "every convention exists, is of the metric, and is what the spelt-out keys say",
    "a profile has conventions of its own kind: embedded networks or published ones",
    "clip, frame and resize rules are rules, in their canonical spelling",
    "samples are long enough for the clips, and clips of a length the network takes",
    "counts fit: scored videos exist, classes and captions add up, reference choices are there",
    "every score lies above its sample floor, for every arm that has it",
    "metrics have what they need: a reference, captions, labels",
    "arms are told apart by their parameters; columns and arms they name exist",
    "an arm that starts from another comes after it and is trained by the same protocol",
    "the training configuration is one of `pyoco-eval train`, with the settings of every arm",
    "figures and published rows name columns and parameters that exist",
    "a shipped protocol stands in the change log with its version and hash",
)

CAPTION_COUNTS: Final[Mapping[tuple[str, str], int]] = {
    ("msrvtt", "any"): NUM_CAPTIONS,
    ("msrvtt", "ascii"): NUM_CAPTIONS - 6,
}
"""Captions of a dataset's test videos, by alphabet."""

SPLITS: Final[Mapping[str, Mapping[str, int]]] = {
    "ucf101": {
        split: known_set("ucf101", split).num_videos
        for split in ("all", "train01", "train02", "train03", "test01", "test02", "test03")
    },
    "msrvtt": {"test": known_set("msrvtt", "test").num_videos},
    "shapes": {"train": 100_000, "val": 10_000, "test": 10_000},
}
"""Dataset -> split -> videos."""


def problems_of(protocol: Protocol) -> list[str]:
    """Every problem, as `key: sentence`; none if the protocol can run as it says."""
    return [problem for check in _CHECKS for problem in check(protocol)]


def _profile(protocol: Protocol) -> Iterator[str]:
    embedded = protocol.profile == "embedded"
    for key, score in protocol.scores.items():
        rule = CONVENTIONS.get(score.convention)
        if rule is not None and (rule.label == "embedded") != embedded:
            yield f"scores.{key}.convention: {rule.name} is not of the profile {protocol.profile}"
    if embedded and protocol.dataset.name != "shapes":
        yield f"dataset.name: embedded networks know shapes, not {protocol.dataset.name}"
    if not embedded and protocol.dataset.name == "shapes":
        yield "dataset.name: published networks were not made for shapes"


def _samples(protocol: Protocol) -> Iterator[str]:
    samples, dataset = protocol.samples, protocol.dataset.name
    if samples.codec == "mp4" and (samples.width % 2 or samples.height % 2):
        yield f"samples.codec: mp4 needs even sides, not {samples.width} x {samples.height}"
    if samples.codec == "mp4" and samples.fps is None:
        yield "samples.fps: an mp4 has a frame rate"
    rule = samples.conditioning
    if isinstance(rule, ClassPrompts):
        yield from _class_prompts(rule, samples.count, dataset)
    if isinstance(rule, Captions):
        yield from _captions(rule, samples.count, dataset)


def _class_prompts(rule: ClassPrompts, count: int, dataset: str) -> Iterator[str]:
    place = "samples.conditioning"
    names = class_names(dataset)
    if not names:
        yield f"{place}.kind: {dataset} has no classes"
        return
    try:
        own_list(rule.prompts, names)
    except UsageError as error:
        yield f"{place}.prompts: {error}"
    if rule.classes == "uniform":
        if rule.seed:
            yield f"{place}.seed: uniform classes are not drawn; leave it at 0"
        if rule.per_class is not None and rule.per_class * len(names) > count:
            yield (
                f"{place}.per_class: {rule.per_class} videos of {len(names)} classes are "
                f"{rule.per_class * len(names):,}, more than samples.count {count:,}"
            )
        if rule.per_prompt is not None:
            yield from _per_prompt(rule, count, dataset)
    else:
        if rule.per_prompt is not None:
            yield f"{place}.per_prompt: drawn classes have no number of videos each; give null"
        split = rule.classes.removesuffix("-frequencies")
        if split not in SPLITS[dataset]:
            yield f"{place}.classes: {dataset} has no split {split}"
        if rule.per_class is not None:
            yield f"{place}.per_class: drawn classes have no number of videos each; give null"


def _per_prompt(rule: ClassPrompts, count: int, dataset: str) -> Iterator[str]:
    try:
        prompts = own_list(rule.prompts, class_names(dataset))
    except UsageError:
        return  # told already
    needed = (rule.per_prompt or 0) * num_prompts(prompts)
    if needed > count:
        yield (
            f"samples.conditioning.per_prompt: {rule.per_prompt} videos of "
            f"{num_prompts(prompts)} prompts are {needed:,}, more than samples.count {count:,}"
        )


def _captions(rule: Captions, count: int, dataset: str) -> Iterator[str]:
    place = "samples.conditioning"
    if dataset == "ucf101":
        yield f"{place}.kind: ucf101 has no captions"
        return
    if dataset == "shapes":
        if rule.per_video != "one" and rule.videos == "random":
            yield f"{place}.videos: a clip of shapes has one caption; use per_video: one"
        if count > SPLITS["shapes"]["test"]:
            yield f"samples.count: shapes has {SPLITS['shapes']['test']:,} test captions"
        return
    videos = SPLITS[dataset]["test"]
    if rule.per_video == "one":
        expected = videos if rule.videos == "all" else count
        if expected > videos:
            yield f"samples.count: {count:,} videos are asked for, {dataset} has {videos:,}"
    elif rule.videos == "random":
        yield f"{place}.videos: random videos with all captions have no fixed count; use one"
        return
    else:
        expected = CAPTION_COUNTS[dataset, rule.alphabet]
    if count != expected:
        yield f"samples.count: is {count:,}; this choice of captions has {expected:,}"


def _scores(protocol: Protocol) -> Iterator[str]:
    for key in protocol.scores:
        yield from problems_of_score(protocol, key, SPLITS[protocol.dataset.name])


def _arms(protocol: Protocol) -> Iterator[str]:
    before: list[str] = []
    told_apart: dict[str, str] = {}
    names = {tuple(arm.parameters) for arm in protocol.arms.values()}
    for key, arm in protocol.arms.items():
        place = f"arms.{key}"
        for column in arm.scores or ():
            if column not in protocol.scores:
                yield f"{place}.scores: there is no score {column}"
        same = repr(sorted(arm.parameters.items()))
        if same in told_apart:
            yield f"{place}.parameters: are those of {told_apart[same]}"
        told_apart[same] = key
        if arm.init_from is not None:
            if arm.init_from not in before:
                yield f"{place}.init_from: {arm.init_from} is no arm before this one"
            if protocol.training is None:
                yield f"{place}.init_from: the protocol trains nothing (training is null)"
        if arm.training and protocol.training is None:
            yield f"{place}.training: the protocol trains nothing (training is null)"
        before.append(key)
    if len(names) > 1:
        yield "arms: every arm has the same parameters, with other values"


def _training(protocol: Protocol) -> Iterator[str]:
    from pyoco_eval.protocol.training_rule import check_training

    yield from check_training(protocol)


def _figure(protocol: Protocol) -> Iterator[str]:
    figure = protocol.figure
    if figure is None:
        return
    for column in figure.columns:
        if column not in protocol.scores:
            yield f"figure.columns: there is no score {column}"
    for name in (figure.x, figure.series):
        if name is not None and not all(name in arm.parameters for arm in protocol.arms.values()):
            yield f"figure: not every arm has the parameter {name}"


def _published(protocol: Protocol) -> Iterator[str]:
    seen = set()
    known = {name for arm in protocol.arms.values() for name in arm.parameters}
    for number, line in enumerate(protocol.published):
        place = f"published.{number}"
        for column in line.values:
            if column not in protocol.scores:
                yield f"{place}.values: there is no score {column}"
        for name in line.parameters:
            if name not in known:
                yield f"{place}.parameters: no arm has the parameter {name}"
        same = (line.method, repr(sorted(line.parameters.items())))
        if same in seen:
            yield f"{place}: {line.method} stands there twice"
        seen.add(same)


_CHECKS: tuple[Callable[[Protocol], Iterator[str]], ...] = (
    _profile,
    _samples,
    _scores,
    _arms,
    _training,
    _figure,
    _published,
)
