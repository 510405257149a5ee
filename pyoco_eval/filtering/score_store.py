"""The scores of videos on disk, so that a killed run goes on and new thresholds decode nothing.

While videos are scored, every process notes each in a journal of its own, which only grows; the
table of all videos is written from the journals. A score is used again only for a video of the same
id, content and caption, under the same recipe.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from pyoco_eval.atomic import writing
from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.filtering.judge import Judgement
from pyoco_eval.parsing import parse_json
from pyoco_eval.visible import json_text

_SYNC_SECONDS: Final = 1.0
"""A power cut costs the scores of so long; a kill costs none."""


@dataclass(frozen=True)
class VideoScores:
    """What is known of one video.

    Attributes:
        id, sha256: of the video and its stored content.
        caption: sha256 of the caption it was compared with; None where it was not.
        found: its scores.
    """

    id: str
    sha256: str
    caption: str | None
    found: Judgement

    def row(self, recipe: str) -> dict[str, Any]:
        """As a line of a journal, or the start of a line of the table."""
        return {
            "id": self.id,
            "clip": self.found.clip,
            "aesthetic": self.found.aesthetic,
            "sha256": self.sha256,
            "caption_sha256": self.caption,
            "caption_cut": self.found.cut,
            "recipe": recipe,
        }


def caption_digest(caption: str) -> str:
    """sha256 of a caption."""
    return hashlib.sha256(caption.encode(errors="surrogatepass")).hexdigest()


def recipe_digest(signatures: Iterable[tuple[str, str]]) -> str:
    """Twelve hexadecimal digits of how scores are made."""
    text = json.dumps(sorted(signatures))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def journals(folder: Path) -> list[Path]:
    """What the processes of earlier runs noted."""
    return sorted(folder.glob("journal-*.jsonl"))


def read_scores(
    paths: Sequence[Path], recipe: str, wanted: AbstractSet[str] | None = None
) -> dict[str, VideoScores]:
    """The scores of one recipe by video; the last line about a video counts.

    Args:
        paths: journals and tables; those that are not there are passed over. A last line that was
            cut off is no line.
        wanted: ids; all by default.

    Raises:
        PyocoEvalError: a line is damaged.
    """
    found: dict[str, VideoScores] = {}
    for path in paths:
        for row in _rows(path):
            if row.get("recipe") == recipe and (wanted is None or row["id"] in wanted):
                found[row["id"]] = VideoScores(
                    row["id"],
                    row["sha256"],
                    row["caption_sha256"],
                    Judgement(row["clip"], row["aesthetic"], row["caption_cut"]),
                )
    return found


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith("\n"):
                return
            try:
                row = parse_json(line)
                if not isinstance(row["id"], str):
                    raise TypeError("its id is no text")
                if "recipe" in row:
                    row["sha256"], row["caption_sha256"], row["caption_cut"]
                    float(row["clip"] or 0), float(row["aesthetic"] or 0)
            except (ValueError, KeyError, TypeError) as error:
                raise PyocoEvalError(
                    f"{path}, line {number}: is no row of scores ({error}); remove the file, and "
                    "its videos are scored again"
                ) from error
            yield row


class Journal:
    """Appends the scores of one process."""

    def __init__(self, file: IO[str], recipe: str) -> None:
        self._file = file
        self._recipe = recipe
        self._synced = time.monotonic()

    def note(self, scores: VideoScores) -> None:
        """Add one video."""
        with writing(Path(self._file.name)):
            self._file.write(json_text(scores.row(self._recipe), indent=None) + "\n")
            self._file.flush()
            if time.monotonic() - self._synced > _SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()


@contextmanager
def open_journal(folder: Path, rank: int, recipe: str) -> Iterator[Journal]:
    """The journal of a process, behind what it holds already."""
    path = folder / f"journal-{rank}.jsonl"
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        _end_last_line(path)
        file = path.open("a", encoding="utf-8")
    with file:
        yield Journal(file, recipe)
        with writing(path):
            os.fsync(file.fileno())


def _end_last_line(path: Path) -> None:
    """Cut off what a killed process left of a line."""
    if not path.is_file():
        return
    with path.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
