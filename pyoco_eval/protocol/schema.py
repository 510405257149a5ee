"""What a protocol file says. Every choice that the literature leaves open is a required key.

Unknown keys are errors. What one key alone can get wrong is refused here; what needs other keys
or other parts of the package is in `checks`.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from pyoco_eval.metrics.catalogue import METRICS
from pyoco_eval.protocol.conditioning import ConditioningRule
from pyoco_eval.records.results import Parameter

NONE = "none"
"""What a required key says where nothing is meant: no resize before the network's own, …"""

_NAME = r"^[a-z0-9][a-z0-9.-]*$"
_ARXIV = r"^\d{4}\.\d{4,5}$"
_SELECT = r"^(all|(first|random)\([1-9]\d*\))$"
PATTERNS = {
    _NAME: "use lower-case letters, digits, dots and dashes, such as my-protocol",
    _ARXIV: "write the number of the paper in quotes, such as '2305.10474'",
    _SELECT: "write all, first(N) or random(N)",
}
"""Patterns of texts, in words."""

Name = Annotated[str, StringConstraints(pattern=_NAME)]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Count = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]
Split = Literal[
    "all", "train01", "train02", "train03", "test01", "test02", "test03", "train", "val", "test"
]


def _check_metric(name: str) -> str:
    """Raises an error of the kind that `Literal` raises."""
    if name in METRICS and not METRICS[name].scores:
        return name
    *names, last = (repr(metric) for metric, row in METRICS.items() if not row.scores)
    expected = f"{', '.join(names)} or {last}"
    raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})


MetricName = Annotated[str, AfterValidator(_check_metric)]


class ProtocolPart(BaseModel):
    """A part of a protocol: closed and never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Provenance(ProtocolPart):
    """Where the protocol is described.

    Attributes:
        paper, arxiv: whose protocol it is.
        place: section, table or figure, e.g. `Section 5.1, Table 4`.
        after: papers whose counting it follows, where not the paper's own.
    """

    paper: Text
    arxiv: Annotated[str, StringConstraints(pattern=_ARXIV)]
    place: Text
    after: Text | None = None

    def cites(self) -> str:
        """One line: paper, number, place."""
        text = f"{self.paper}, arXiv:{self.arxiv}, {self.place}"
        return text if self.after is None else f"{text}; after {self.after}"


class OpenChoice(ProtocolPart):
    """What the paper does not say, what was chosen here, and why."""

    question: Text
    choice: Text
    why: Text


class SamplesRule(ProtocolPart):
    """Which videos are generated, or expected of `--samples`.

    Attributes:
        conditioning: what the model is told of each video.
        count: videos of one repeat.
        num_frames: of each video.
        width, height: in pixels.
        fps: at which they are written; None (`null`) where nothing depends on it.
        codec: how generated videos are stored before they are scored: `npz` keeps pixels exactly,
            `mp4` is H.264 at a high bit rate.
        quantise: how a model's output in -1..1 becomes whole numbers.
        seed: from which, with repeat and number, the seed of every video follows.
        replacement: whether a video may count twice; never here.
    """

    conditioning: ConditioningRule
    count: Count
    num_frames: Count
    width: Count
    height: Count
    fps: Annotated[float, Field(gt=0)] | None
    codec: Literal["npz", "mp4"]
    quantise: Literal["round"]
    seed: Seed
    replacement: Literal[False]


class NetworkRule(ProtocolPart):
    """The convention spelt out, so that a reader needs nothing else; checked against it.

    Attributes:
        extractor, layer: network and where its features are read.
        bn_eps: constant of batch normalisation that the convention sets; None for the network's.
        resize, scaling: how frames become its input.
    """

    extractor: Text
    layer: Text
    bn_eps: float | None
    resize: str
    scaling: str


class ReferenceRule(ProtocolPart):
    """The real side.

    Attributes:
        split: of the dataset.
        select: `all`; `first(N)`, the first N videos by name; `random(N)`, N videos by `seed`.
        seed: of that choice.
        clip: clip rule of real videos.
        mirror: whether real clips are mirrored at random; never here.
    """

    split: Split
    select: Annotated[str, StringConstraints(pattern=_SELECT)]
    seed: Seed
    clip: Text
    mirror: Literal[False]

    def limit(self) -> int | None:
        """N of `select`, None for all."""
        return None if self.select == "all" else int(self.select.partition("(")[2][:-1])


class ScoreRule(ProtocolPart):
    """One column of the table.

    Attributes:
        title: above the column.
        metric: one of `metrics.catalogue.METRICS` that gives one score.
        convention: whose rule it is; `network` and the estimator keys spell it out.
        network: as the convention has it.
        distance: arithmetic of a Fréchet distance; None for others.
        covariance: its divisor, `n-1` or `n`; None for others.
        splits, eps: of the Inception Score, None for others.
        estimator: of kernel distances, neighbours and CLIPSIM, None for others.
        pre_resize: resize of both sides before the network's own, or `none`.
        clip: clip rule of the samples.
        frames: which frames of a clip an image metric sees, None for video metrics.
        pooling: frames of all videos form one set; None for video metrics.
        count: videos of a repeat that are scored: the first `count` of its requests.
        reference: None for `is` and `clipsim`.
        interval: half-samples, 0 for none.
        curve: also against the number of samples.
        per_class: also class by class, where the classifier of the score knows the labels.
    """

    title: Text
    metric: MetricName
    convention: Text
    network: NetworkRule
    distance: Literal["exact-float64"] | None
    covariance: Literal["n-1", "n"] | None
    splits: str | None
    eps: float | None
    estimator: str | None
    pre_resize: Text
    clip: Text
    frames: str | None
    pooling: Literal["all-frames"] | None
    count: Count
    reference: ReferenceRule | None
    interval: Annotated[int, Field(ge=0)]
    curve: bool
    per_class: bool


class RepeatRule(ProtocolPart):
    """What is repeated, and what stands behind ±.

    Attributes:
        of: `samples`: fresh videos of the same model; `training`: models trained from other seeds.
        count: repeats.
        reference: the real videos are the same in all of them.
        spread: standard deviation over the repeats, divided by their number (ddof 0).
    """

    of: Literal["samples", "training"]
    count: Count
    reference: Literal["same"]
    spread: Literal["std-ddof0"]


class ComputeRule(ProtocolPart):
    """Arithmetic and decoding.

    Attributes:
        precision: of the networks.
        tf32: whether a GPU may round products to 10 bits; never here.
        decoder: of video files.
        pixels: how stored pixels become RGB: `peer`, as other tools do by default, or `exact`.
    """

    precision: Literal["fp32", "bf16"]
    tf32: Literal[False]
    decoder: Literal["pyav", "decord"]
    pixels: Literal["peer", "exact"]


class ArmRule(ProtocolPart):
    """One model of a comparison.

    Attributes:
        title: as printed.
        parameters: what tells it from the others.
        scores: columns it has; None for all.
        count, num_frames: where not those of `samples`; for an image model, pictures and 1.
        init_from: arm whose trained model this one starts from.
        training: settings of `pyoco-eval train` that differ from the protocol's own.
        optional: in a run only where a model is given for it; it never stands for the protocol.
    """

    title: Text
    parameters: dict[str, Parameter]
    scores: list[Name] | None = None
    count: Count | None = None
    num_frames: Count | None = None
    init_from: Name | None = None
    training: dict[str, str | int | float | bool] = {}
    optional: bool = False


class TrainingRule(ProtocolPart):
    """How arms without a model are trained, by `pyoco-eval train`.

    Attributes:
        config: the configuration, as in its YAML file.
        seed_key: the setting that another repeat changes.
        cascade: in place of `config`, the stages, as `pyoco-eval train-cascade` has them;
            `training: {cascade: NAME}` of an arm is one of its cascades.
    """

    config: dict[str, object] = {}
    seed_key: str = "seed"
    cascade: dict[str, object] | None = None


class FigureRule(ProtocolPart):
    """How the arms form a figure: names of parameters, and the columns drawn."""

    title: Text
    x: str
    series: str | None
    columns: list[Name]


class PublishedNumber(ProtocolPart):
    """As printed; `std` is what stands behind its ±."""

    value: float
    std: float | None = None


class PublishedLine(ProtocolPart):
    """A published row; `values` has a number for each column it has one in."""

    method: Text
    values: dict[Name, PublishedNumber]
    source: Text
    is_paper: bool = False
    parameters: dict[str, Parameter] = {}
    note: str = ""


class DatasetRule(ProtocolPart):
    """The real videos: `ucf101`, `msrvtt` (from `--data-root`), or `shapes`, made as needed."""

    name: Literal["ucf101", "msrvtt", "shapes"]


class Protocol(ProtocolPart):
    """A versioned recipe from a model to a finished table."""

    name: Name
    version: Count
    title: Text
    about: Text
    profile: Literal["published", "embedded"]
    provenance: Provenance
    dataset: DatasetRule
    samples: SamplesRule
    scores: Annotated[dict[Name, ScoreRule], Field(min_length=1)]
    repeats: RepeatRule
    compute: ComputeRule
    arms: Annotated[dict[Name, ArmRule], Field(min_length=1)]
    training: TrainingRule | None
    figure: FigureRule | None
    published: list[PublishedLine]
    open: dict[Name, OpenChoice]
