"""The JSON record of a run: the scores and everything needed to repeat or doubt them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.validation import in_words
from pyoco_eval.visible import json_text

EMBEDDED_NOTE: Final = (
    "Scores labelled embedded come from small networks trained on moving shapes. They rank videos "
    "of moving shapes and exercise the tool; they never compare with published numbers."
)


class ScoreRecord(BaseModel):
    """One score. `num_samples` and `num_reference` count feature rows (clips, or frames)."""

    model_config = ConfigDict(extra="allow")

    metric: str
    value: float
    interval: tuple[float, float] | None
    std: float | None = None
    signature: str
    recipe: dict[str, str]
    num_samples: int
    num_reference: int | None
    extras: dict[str, Any] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)

    @classmethod
    def of(cls, score: Score) -> "ScoreRecord":
        """A score as it is stored."""
        return cls(
            metric=score.metric,
            value=score.value,
            interval=score.interval,
            std=score.std,
            signature=str(score.signature),
            recipe=score.signature.as_dict(),
            num_samples=score.num_samples,
            num_reference=score.num_reference,
            extras=dict(score.extras),
            warnings=list(score.warnings),
        )

    def to_score(self) -> Score:
        """The score that was stored."""
        return Score(
            metric=self.metric,
            value=self.value,
            signature=Signature.parse(self.signature),
            num_samples=self.num_samples,
            num_reference=self.num_reference,
            interval=self.interval,
            std=self.std,
            extras=self.extras,
            warnings=tuple(self.warnings),
        )


class SourceRecord(BaseModel):
    """One set of videos: what was read and what was left out."""

    model_config = ConfigDict(extra="allow")

    name: str
    digest: str
    num_videos: int
    recipe: dict[str, str] = Field(default_factory=dict)
    skipped: dict[str, str] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)


class NetworkRecord(BaseModel):
    """One network with the full hash of its weights."""

    model_config = ConfigDict(extra="allow")

    extractor: str
    network: str
    layer: str
    dim: int
    resize: str
    scaling: str
    weights: str
    published: bool


class Record(BaseModel):
    """Format `pyoco-eval/record/1`. Unknown keys of later versions are kept when read."""

    model_config = ConfigDict(extra="allow")

    format: Literal["pyoco-eval/record/1"] = "pyoco-eval/record/1"
    version: str
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    scores: list[ScoreRecord]
    samples: SourceRecord
    reference: SourceRecord | None = None
    networks: list[NetworkRecord] = Field(default_factory=list)
    environment: dict[str, Any] = Field(default_factory=dict)
    code: dict[str, Any] = Field(default_factory=dict)
    seconds: dict[str, float] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)

    def to_json(self, *, files: bool = True) -> str:
        """Indented JSON; `files=False` leaves the per-file digests out."""
        data = self.model_dump(mode="json")
        if not files:
            for side in (data["samples"], data["reference"]):
                if side is not None:
                    del side["files"]
        return json_text(data)

    def save(self, path: str | Path) -> None:
        """Write atomically.

        Raises:
            PyocoEvalError: the system refuses to write.
        """
        with atomic_path(Path(path)) as temporary:
            temporary.write_text(self.to_json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "Record":
        """Read a record of this or an earlier version.

        Raises:
            PyocoEvalError: not a record.
        """
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except OSError as error:
            raise PyocoEvalError(f"{path}: cannot be read: {error.strerror}") from error
        except ValidationError as error:
            problems = "; ".join(in_words(error, cls))
            raise PyocoEvalError(f"{path}: not a pyoco-eval record: {problems}") from error


def refuse_to_overwrite(path: Path, argument: str) -> None:
    """A record takes the place of an earlier record, of nothing else.

    Raises:
        UsageError: `path` holds something that is not JSON.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        start = file.read(64).lstrip()
    if start and not start.startswith(b"{"):
        raise UsageError(f"{argument} {path}: exists and is not a record; choose another name")
