"""From a protocol to the list of videos a model is asked for, the same on every machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pyoco_eval.datasets.class_lists import class_names
from pyoco_eval.generation.request import Request
from pyoco_eval.protocol.conditioning import Captions, ClassPrompts
from pyoco_eval.protocol.prompt_sets import in_rounds
from pyoco_eval.protocol.prompts import PromptList, own_list
from pyoco_eval.protocol.schema import Protocol
from pyoco_eval.protocol_run.real_videos import ProtocolVideos
from pyoco_eval.seeding import derive_seed, numpy_generator

Tell = Literal["prompts", "labels", "both"]


@dataclass(frozen=True)
class PlannedVideo:
    """One video of a repeat.

    Attributes:
        index: its number in the repeat.
        prompt, label: what it should show, None where the protocol says nothing.
        seed: of its noise.
        video: id of the real video whose caption it is.
    """

    index: int
    prompt: str | None
    label: int | None
    seed: int
    video: str | None = None

    def request(self, tell: Tell) -> Request:
        """What a generator is asked."""
        prompt = None if tell == "labels" else self.prompt
        label = None if tell == "prompts" else self.label
        return Request(self.index, prompt, label, self.seed)


def planned_videos(
    protocol: Protocol,
    count: int,
    repeat: int,
    real: ProtocolVideos,
    prompts: PromptList | None = None,
) -> list[PlannedVideo]:
    """The videos of one repeat, in order; another repeat differs by its seeds alone.

    Args:
        count: how many.
        repeat: its number, from 0.
        real: captions and class frequencies.
        prompts: instead of the protocol's own list.
    """
    rule, seed = protocol.samples.conditioning, protocol.samples.seed
    seeds = [derive_seed("protocol", seed, repeat, index) % 2**32 for index in range(count)]
    if isinstance(rule, ClassPrompts):
        names = class_names(protocol.dataset.name)
        sentences = prompts or own_list(rule.prompts, names)
        if rule.per_prompt is not None:
            order = in_rounds(sentences, names)
            pairs = (order[index % len(order)] for index in range(count))
            return [PlannedVideo(i, text, label, seeds[i]) for i, (label, text) in enumerate(pairs)]
        labels = class_order(rule, count, real)
        before: dict[int, int] = {}
        found = []
        for index, label in enumerate(labels):
            number = before[label] = before.get(label, -1) + 1
            text = sentences.prompt(names[label], number)
            found.append(PlannedVideo(index, text, label, seeds[index]))
        return found
    if isinstance(rule, Captions):
        captions = real.test_captions(rule, count)[:count]
        return [
            PlannedVideo(index, caption, None, seeds[index], video)
            for index, (video, caption) in enumerate(captions)
        ]
    return [PlannedVideo(index, None, None, seeds[index]) for index in range(count)]


def class_order(rule: ClassPrompts, count: int, real: ProtocolVideos) -> Sequence[int]:
    """The label of every video: round by round, or drawn with the frequencies of a split."""
    if rule.classes == "uniform":
        total = len(class_names(real.protocol.dataset.name))
        return [index % total for index in range(count)]
    counts = np.array(real.class_counts(rule.classes.removesuffix("-frequencies")), np.float64)
    generator = numpy_generator("protocol", "classes", rule.seed)
    edges = np.cumsum(counts) / counts.sum()
    return [int(np.searchsorted(edges, u, side="right")) for u in generator.random(count)]
