"""The results of a protocol run: `results.json`, from which every report is made.

A run has columns (what is scored), arms (models, or variants of one) and the published rows they
stand beside. An arm has one score per column; a score of several repeats is their mean.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.validation import in_words
from pyoco_eval.visible import json_text

Role = Literal["nearest", "farthest", "random"]
Parameter = str | int | float


class _Part(BaseModel):
    """Unknown keys of later versions are kept when read."""

    model_config = ConfigDict(extra="allow")


class Column(_Part):
    """One score of the table.

    Attributes:
        key: name in the protocol and in every mapping of scores, e.g. `fvd`, `frame-fid`.
        metric: one of `metrics.catalogue.METRICS`.
        title: as printed above the column, e.g. `FVD`.
        higher_is_better: direction of the arrow.
        convention: whose rule it follows.
        about: one sentence: what is scored against what.
    """

    key: str
    metric: str
    title: str
    higher_is_better: bool
    convention: str
    about: str = ""


class ScoreEntry(_Part):
    """The score of one arm in one column.

    Attributes:
        value: the score; the mean where there are several repeats.
        std: standard deviation over `spread_of`; None where there is one value.
        spread_of: `repeats`, or `splits` of the Inception Score.
        interval: of the first repeat, as `metrics.base.Score.interval` says.
        repeats: value of every repeat, in order.
        signatures: of every repeat, in order; `signature` is the first.
        num_samples, num_reference: feature rows of one repeat (clips, or frames).
        extras: further numbers of the first repeat.
    """

    key: str
    metric: str
    value: float
    std: float | None = None
    spread_of: Literal["repeats", "splits"] | None = None
    interval: tuple[float, float] | None = None
    repeats: list[float] = Field(default_factory=list)
    signature: str
    signatures: list[str] = Field(default_factory=list)
    num_samples: int
    num_reference: int | None = None
    extras: dict[str, Any] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)


class ClassScore(_Part):
    """How one class fares, in the first repeat.

    Attributes:
        label: position in the class list.
        values: e.g. `accuracy` (share of its clips that the classifier takes for it) and
            `probability` (mean probability the classifier gives the class), both in 0..1.
    """

    label: int
    name: str
    num_videos: int
    values: dict[str, float]


class CurvePoint(_Part):
    """Mean and standard deviation of the score over random subsets of `num_rows` rows."""

    num_rows: int
    mean: float
    std: float


class Curve(_Part):
    """A Fréchet distance against the number of samples, with the line fitted in 1/N.

    Attributes:
        key: of the column.
        limit: the line's value at infinitely many samples.
        slope: of the line in 1/N.
    """

    key: str
    points: list[CurvePoint]
    limit: float
    slope: float
    standard_error: float
    signature: str


class GalleryEntry(_Part):
    """One clip to show.

    Attributes:
        file: path relative to the folder of `results.json`, or absolute where it lies elsewhere.
        video: id in the set of samples.
        class_name: None without labels.
        distance: of its features to the nearest reference row, None where none was computed.
        neighbour: id of the reference video that is nearest.
        neighbour_file: where that one can be read, as `file`.
        index: its number in the repeat; None in older results.
        seed: of its noise; None where the run did not make it, and in older results.
    """

    file: str
    video: str
    role: Role
    caption: str | None = None
    class_name: str | None = None
    distance: float | None = None
    neighbour: str | None = None
    neighbour_file: str | None = None
    index: int | None = None
    seed: int | None = None


class MadeAs(_Part):
    """One fact of the scored videos beside what the recipe asks for.

    Attributes:
        fact: `container`, `frames`, `size`, `rate`, `pixels`, …
        asked: by the recipe; None where it says nothing.
        found: value -> number of videos, of all repeats.
        agrees: whether every video is as asked.
    """

    fact: str
    asked: str | None = None
    found: dict[str, int]
    agrees: bool = True

    def found_text(self) -> str:
        """`76`; of several values each with its number of videos."""
        if len(self.found) == 1:
            return next(iter(self.found))
        return ", ".join(f"{value} ({count:,} videos)" for value, count in self.found.items())


class Arm(_Part):
    """One row of the table: a model.

    Attributes:
        key: name in the protocol; `samples` where it has one arm only.
        title: as printed.
        parameters: what tells the arm from others, e.g. `{"prior": "mixed", "alpha": 1.0}`;
            infinity is the text `inf`.
        given: what the user gave, e.g. `--ckpt runs/a/model`, or `trained here`; one per repeat of
            the training.
        generator: what the generator says of itself; empty for a folder of samples.
        made_as: what its videos are, beside what the recipe asks for; empty in older results.
        class_scores: empty without labels.
        records: paths of the full records, relative to the folder of `results.json`.
        skipped: id of a video -> why it was left out.
    """

    key: str
    title: str
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    given: list[str] = Field(default_factory=list)
    generator: dict[str, str] = Field(default_factory=dict)
    num_videos: int
    scores: list[ScoreEntry]
    made_as: list[MadeAs] = Field(default_factory=list)
    class_scores: list[ClassScore] = Field(default_factory=list)
    curves: list[Curve] = Field(default_factory=list)
    gallery: list[GalleryEntry] = Field(default_factory=list)
    records: list[str] = Field(default_factory=list)
    skipped: dict[str, str] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)

    def score(self, key: str) -> ScoreEntry | None:
        """The score of a column; None where it was not computed."""
        return next((entry for entry in self.scores if entry.key == key), None)


class PublishedValue(_Part):
    """A number as printed in a paper; `std` is what stands behind its ±."""

    value: float
    std: float | None = None


class PublishedRow(_Part):
    """One published row.

    Attributes:
        values: column key -> number; columns without one are left out.
        source: where it is printed, e.g. `Ge et al. 2023, arXiv:2305.10474, Table 4`.
        is_paper: a row of the method that the protocol's own paper proposes.
        parameters: as `Arm.parameters`, so that arms find their published counterpart.
        note: what a reader must know, e.g. another protocol.
    """

    method: str
    values: dict[str, PublishedValue]
    source: str
    is_paper: bool = False
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    note: str = ""


class Figure(_Part):
    """How the arms form a figure: `x` and `series` are names of parameters."""

    x: str
    series: str | None = None
    columns: list[str]
    title: str = ""


class OpenPoint(_Part):
    """Something the paper leaves open, and what this protocol does."""

    question: str
    choice: str
    why: str = ""


class ProtocolRecord(_Part):
    """The protocol that ran.

    Attributes:
        sha256: of its resolved content.
        recipe: the resolved content in full.
        cites: paper, section and table.
        label: as signatures name it: with its hash where it is not a shipped one, with how it was
            reduced and every deviation; empty in older results.
        altered_from: the shipped protocol that it alters, None for a shipped one.
    """

    name: str
    version: int
    sha256: str
    title: str
    cites: str
    recipe: dict[str, Any]
    open_points: list[OpenPoint] = Field(default_factory=list)
    label: str = ""
    altered_from: str | None = None


class StageRecord(_Part):
    """One stage of the run.

    Attributes:
        stage: `dataset`, `train`, `generate`, `score`, `gallery`.
        arm: None for stages of the whole run.
        digest: hash of everything the stage depends on.
        reused: found finished from an earlier start.
    """

    stage: str
    arm: str | None = None
    digest: str
    seconds: float
    reused: bool


class Results(_Part):
    """Format `pyoco-eval/results/1`.

    Attributes:
        comparable: whether the numbers may stand beside the published ones: neither reduced nor
            embedded nor of unverified weights.
        reduced: how counts were reduced, e.g. `scale=0.01`; None for the full protocol.
        embedded: the numbers come from the embedded networks.
        deviations: sentences: everything else in which the run departs from the protocol.
    """

    format: Literal["pyoco-eval/results/1"] = "pyoco-eval/results/1"
    version: str
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    protocol: ProtocolRecord
    comparable: bool
    reduced: str | None = None
    embedded: bool = False
    deviations: list[str] = Field(default_factory=list)
    columns: list[Column]
    arms: list[Arm]
    published: list[PublishedRow] = Field(default_factory=list)
    figure: Figure | None = None
    stages: list[StageRecord] = Field(default_factory=list)
    environment: dict[str, Any] = Field(default_factory=dict)
    code: dict[str, Any] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)

    def to_json(self) -> str:
        """The text of results.json."""
        return json_text(self.model_dump(mode="json"))

    def save(self, path: str | Path) -> None:
        """Write atomically.

        Raises:
            PyocoEvalError: the system refuses to write.
        """
        with atomic_path(Path(path)) as temporary:
            temporary.write_text(self.to_json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "Results":
        """Read results of this or an earlier version.

        Raises:
            PyocoEvalError: not such a file.
        """
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except OSError as error:
            raise PyocoEvalError(f"{path}: cannot be read: {error.strerror}") from error
        except ValidationError as error:
            problems = "; ".join(in_words(error, cls))
            raise PyocoEvalError(f"{path}: not results of a protocol run: {problems}") from error
