"""Several prompts a class: in which order they are asked for, and what that does to counts."""

from collections.abc import Sequence

from pyoco_eval.datasets.class_lists import class_names
from pyoco_eval.protocol.conditioning import ClassPrompts
from pyoco_eval.protocol.prompts import PromptList, own_list
from pyoco_eval.protocol.schema import Protocol


def in_rounds(prompts: PromptList, names: Sequence[str]) -> list[tuple[int, str]]:
    """(label, prompt) of every prompt once: the first of each class, then the second, and so on.

    The first k times their number hold every prompt k times.
    """
    most = max(len(prompts.prompts[name]) for name in names)
    return [
        (label, prompts.prompts[name][number])
        for number in range(most)
        for label, name in enumerate(names)
        if number < len(prompts.prompts[name])
    ]


def num_prompts(prompts: PromptList) -> int:
    """Of all classes."""
    return sum(map(len, prompts.prompts.values()))


def counted_by_prompt(protocol: Protocol, given: PromptList | None) -> Protocol:
    """The protocol with counts for a user's prompts, where it counts videos of each prompt.

    A score that takes `per_prompt` videos of every prompt of the protocol's own list takes as many
    of every given one.
    """
    rule = protocol.samples.conditioning
    if given is None or not isinstance(rule, ClassPrompts) or rule.per_prompt is None:
        return protocol
    own = num_prompts(own_list(rule.prompts, class_names(protocol.dataset.name)))
    before, after = rule.per_prompt * own, rule.per_prompt * num_prompts(given)
    if before == after:
        return protocol
    scores = {
        key: score.model_copy(update={"count": after}) if score.count == before else score
        for key, score in protocol.scores.items()
    }
    samples = protocol.samples.model_copy(
        update={
            "count": max(protocol.samples.count, after),
            "conditioning": rule.model_copy(update={"per_class": None}),
        }
    )
    return protocol.model_copy(update={"scores": scores, "samples": samples})
