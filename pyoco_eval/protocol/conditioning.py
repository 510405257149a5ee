"""What a model is told of each video: nothing, a sentence for its class, or a caption."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

ClassDistribution = Literal[
    "uniform", "train01-frequencies", "test01-frequencies", "all-frequencies"
]


class _Kind(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Unconditional(_Kind):
    """Nothing."""

    kind: Literal["none"]


class ClassPrompts(_Kind):
    """A sentence for each class of the dataset.

    Attributes:
        prompts: a list in `prompts/`, or `class-names`, the names split into words.
        classes: how often each class is asked for: `uniform`, one round after the other, so that
            the first k times the number of classes hold each of them k times; or drawn from the
            labels of a split.
        per_class: videos of each class, where it is a whole number; None otherwise.
        per_prompt: videos of each prompt, where they are counted so: scores of that count take so
            many of every prompt, however many prompts a class has. None where prompts of a class
            only take turns.
        seed: of the draw; 0 for `uniform`, which draws nothing.
    """

    kind: Literal["class-prompts"]
    prompts: str
    classes: ClassDistribution
    per_class: Annotated[int, Field(ge=1)] | None
    per_prompt: Annotated[int, Field(ge=1)] | None
    seed: Annotated[int, Field(ge=0)]


class Captions(_Kind):
    """Captions of the dataset's test videos.

    Attributes:
        alphabet: `ascii` leaves out captions with other characters; `any` does not.
        per_video: `all`, or `one`, drawn by the seed.
        videos: `all`, or `random`: as many as `samples.count` needs, drawn by the seed.
        seed: of the draws.
    """

    kind: Literal["captions"]
    alphabet: Literal["ascii", "any"]
    per_video: Literal["all", "one"]
    videos: Literal["all", "random"]
    seed: Annotated[int, Field(ge=0)]


ConditioningRule = Annotated[Unconditional | ClassPrompts | Captions, Field(discriminator="kind")]
