"""Feature rows kept on disk while a pass runs, so that a killed run goes on where it stopped.

A store belongs to one list of videos and one recipe. It holds one file for every `UNIT` videos,
written when all of them are done. Rows are used again only for a video of the same id, content and
recipe; anything else is extracted anew. Several processes may write different units of one store.
"""

import hashlib
import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.peers import UNIT
from pyoco_eval.statistics.files import FeatureSet

_NOT_OF_ROWS = ("conv", "skip", "size")
"""Recipe keys that say nothing about the value of a row."""


@dataclass(frozen=True)
class ScoredVideo:
    """What a pass learned about one video besides its rows.

    Attributes:
        id, digest: of the video and its content.
        sizes: distinct (width, height) of its clips.
        looped: it was too short for its clip and was repeated.
        timed: its frame rate varies, and its stored times chose the frames.
        skipped: why it was left out by rule, None if it was not.
    """

    id: str
    digest: str
    sizes: tuple[tuple[int, int], ...] = ()
    looped: bool = False
    timed: bool = False
    skipped: str | None = None


@dataclass(frozen=True)
class VideoRows:
    """Rows (k, D) of one video with their ids."""

    facts: ScoredVideo
    rows: np.ndarray
    ids: tuple[str, ...]


class RowStore(Protocol):
    """What a pass asks of whoever keeps rows, or what was made of them. Positions count from 0."""

    def find(self, position: int, video_id: str, digest: str) -> VideoRows | None:
        """What is kept of this very video; it is then not decoded. Called from several threads."""
        ...

    def describe(self, position: int, facts: ScoredVideo, *, stored: bool) -> None:
        """What is known of a video before its rows are added; `stored` if they came from here."""
        ...

    def spoil(self, position: int) -> None:
        """This video failed."""
        ...

    def add(self, position: int, rows: np.ndarray, ids: Sequence[str]) -> None:
        """Take the rows (k, D) of one video, in order; k = 0 if it is left out."""
        ...


class FeatureStore:
    """The rows of one network for the videos `start, start + 1, …` of a source.

    Positions count from `start`, which is a multiple of `UNIT`.
    """

    def __init__(
        self, folder: Path, source_name: str, ids: Sequence[str], recipe: Mapping[str, str]
    ) -> None:
        """Nothing is read or written yet.

        Args:
            folder: of all stores.
            ids: of every video of the source, in order.
            recipe: signature keys that say how the rows are made.
        """
        kept = {key: value for key, value in recipe.items() if key not in _NOT_OF_ROWS}
        self._recipe = kept
        self._ids = tuple(ids)
        network = recipe["net"].partition("@")[0]
        self.folder = (
            folder
            / f"{_plain(source_name)}-{_short_hash(list(ids))}"
            / f"{_plain(network)}-{_short_hash(kept)}"
        )
        self._start = 0
        self._waiting: dict[int, dict[int, VideoRows]] = {}
        self._facts: dict[int, ScoredVideo] = {}
        self._spoilt: set[int] = set()
        self._lock = threading.Lock()
        self._read: dict[int, dict[int, VideoRows]] = {}
        self._fresh: set[int] = set()

    def begin_at(self, start: int) -> None:
        """The video that position 0 stands for."""
        assert start % UNIT == 0
        self._start = start

    def find(self, position: int, video_id: str, digest: str) -> VideoRows | None:
        """The rows of this very video, if they are on disk. May be called from several threads."""
        unit, place = divmod(self._start + position, UNIT)
        with self._lock:
            if unit not in self._read:
                self._read[unit] = self._load(unit)
            found = self._read[unit].pop(place, None)
        if found is None or (found.facts.id, found.facts.digest) != (video_id, digest):
            return None
        return found

    def describe(self, position: int, facts: ScoredVideo, *, stored: bool) -> None:
        """Say what is known of a video before its rows are added; `stored` if they came from here.

        A unit whose videos all came from here is not written again.
        """
        self._facts[position] = facts
        if not stored:
            self._fresh.add((self._start + position) // UNIT)

    def spoil(self, position: int) -> None:
        """This video failed: its unit is not to be written."""
        self._spoilt.add((self._start + position) // UNIT)

    def add(self, position: int, rows: np.ndarray, ids: Sequence[str]) -> None:
        """Take the rows of one video; the unit is written when its last one is there."""
        unit, place = divmod(self._start + position, UNIT)
        facts = self._facts.pop(position, None)
        if unit in self._spoilt or facts is None:
            return
        waiting = self._waiting.setdefault(unit, {})
        waiting[place] = VideoRows(facts, rows, tuple(ids))
        if len(waiting) == min(UNIT, len(self._ids) - unit * UNIT):
            del self._waiting[unit]
            if unit in self._fresh:
                self._fresh.discard(unit)
                self._write(unit, waiting)

    def _path(self, unit: int) -> Path:
        return self.folder / f"{unit * UNIT:08d}.npz"

    def _write(self, unit: int, videos: Mapping[int, VideoRows]) -> None:
        in_order = [videos[place] for place in sorted(videos)]
        header = {
            "recipe": self._recipe,
            "videos": [asdict(v.facts) | {"rows": len(v.rows)} for v in in_order],
        }
        ids = tuple(row_id for video in in_order for row_id in video.ids)
        rows = np.concatenate([video.rows for video in in_order])
        self.folder.mkdir(parents=True, exist_ok=True)
        FeatureSet(rows, ids, header).save(self._path(unit))

    def _load(self, unit: int) -> dict[int, VideoRows]:
        path = self._path(unit)
        if not path.is_file():
            return {}
        try:
            stored = FeatureSet.load(path)
            if stored.header["recipe"] != self._recipe:
                return {}
            return _by_place(stored, stored.header["videos"])
        except (PyocoEvalError, KeyError, TypeError, ValueError):
            return {}  # damaged: extracted and written anew


def _by_place(stored: FeatureSet, videos: Sequence[Mapping[str, Any]]) -> dict[int, VideoRows]:
    found, row = {}, 0
    for place, entry in enumerate(videos):
        stop = row + int(entry["rows"])
        facts = ScoredVideo(
            id=str(entry["id"]),
            digest=str(entry["digest"]),
            sizes=tuple((int(width), int(height)) for width, height in entry["sizes"]),
            looped=bool(entry["looped"]),
            timed=bool(entry["timed"]),
            skipped=None if entry["skipped"] is None else str(entry["skipped"]),
        )
        found[place] = VideoRows(facts, stored.features[row:stop], stored.ids[row:stop])
        row = stop
    if row != len(stored.features):
        raise ValueError(f"{row} rows are described, {len(stored.features)} are there")
    return found


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", text) or "memory"


def _short_hash(content: object) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]
