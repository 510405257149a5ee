"""What a filter leaves: the manifest of what is kept, the scores of all, the recipe, the figure."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from pyoco_eval.atomic import atomic_path, check_writable
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.filtering.choices import FilterChoices
from pyoco_eval.filtering.figure import Scale, draw_histograms
from pyoco_eval.filtering.kept_rows import kept_row
from pyoco_eval.filtering.score_store import VideoScores
from pyoco_eval.filtering.verdict import KEPT, UNREADABLE, Tally, reason
from pyoco_eval.parsing import parse_json
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.visible import json_text

FORMAT: Final = "pyoco-eval filter 1"
LABELS: Final = {
    "clip": "CLIP similarity, mean cosine of frames and caption",
    "aesthetic": "aesthetic score, mean over frames",
}


@dataclass(frozen=True)
class Files:
    """Where everything is written, beside each other."""

    kept: Path
    scores: Path
    recipe: Path
    figure: Path
    parts: Path

    @classmethod
    def of(cls, out: Path) -> Self:
        """The files of `--out`, refused where they are somebody else's.

        Raises:
            UsageError: another suffix than `.jsonl`, an unwritable folder, or a file without the
                recipe of a filter.
        """
        if out.suffix != ".jsonl":
            raise UsageError(f"--out {out}: is a manifest of JSON lines; give a name in .jsonl")
        check_writable(out, "--out")
        stem = out.with_suffix("")
        scores, recipe, figure = (
            stem.with_name(stem.name + end) for end in (".scores.jsonl", ".recipe.json", ".png")
        )
        found = cls(out, scores, recipe, figure, out.with_name(f"{out.name}.parts"))
        there = [path for path in (out, scores, recipe, figure) if path.exists()]
        if there and not found.parts.is_dir() and not _is_recipe(recipe):
            raise UsageError(
                f"--out {out}: {there[0]} is there and not of a filter; choose another name"
            )
        return found


@dataclass
class Outcome:
    """What a filter came to.

    Attributes:
        tally: kept and dropped.
        unreadable: id -> reason.
        reused, scored: videos whose scores were on disk, and that were judged now.
        record: content of the recipe file.
        notes: what a reader must know.
    """

    tally: Tally
    unreadable: Mapping[str, str]
    reused: int
    scored: int
    record: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def write_tables(
    source: VideoSource,
    known: Mapping[str, VideoScores],
    unreadable: Mapping[str, str],
    choices: FilterChoices,
    files: Files,
    recipe: str,
) -> Tally:
    """Write the manifest and the table, video by video in the order of the source.

    Raises:
        PyocoEvalError: a video has neither scores nor a reason, or the disk is full.
    """
    tally = Tally()
    with ExitStack() as stack:
        paths = [stack.enter_context(atomic_path(path)) for path in (files.scores, files.kept)]
        table, manifest = (stack.enter_context(path.open("w", encoding="utf-8")) for path in paths)
        for video in source:
            if video.id in unreadable:
                why = f"{UNREADABLE}: {unreadable[video.id]}"
                row = {"id": video.id, "clip": None, "aesthetic": None, "kept": False, "why": why}
                table.write(_line(row))
                tally.count(UNREADABLE)
                continue
            scores = known.get(video.id)
            if scores is None:
                raise PyocoEvalError(
                    f"{video.id}: its scores are not in {files.parts}; all processes must see one "
                    "folder, which nothing else changes"
                )
            why = reason(scores.found, choices)
            verdict = {"kept": why == KEPT, "why": why or None}
            table.write(_line(scores.row(recipe) | verdict))
            if why == KEPT:
                manifest.write(_line(kept_row(video, scores.found, files.kept.parent)))
            tally.count(why, cut=scores.found.cut)
    return tally


def write_recipe(record: Mapping[str, Any], files: Files) -> dict[str, Any]:
    """Write the record, with the hashes of both tables; returns what was written."""
    hashes = {path.name: _sha256(path) for path in (files.kept, files.scores)}
    whole = {"format": FORMAT, **record, "files": hashes}
    with atomic_path(files.recipe) as path:
        path.write_text(json_text(whole) + "\n", encoding="utf-8")
    return whole


def write_figure(
    known: Mapping[str, VideoScores], choices: FilterChoices, tally: Tally, files: Files
) -> None:
    """Draw the scores of all videos that have some."""
    scales = {
        name: Scale(
            LABELS[name],
            [value for s in known.values() if (value := getattr(s.found, name)) is not None],
            least,
        )
        for name, least in (("clip", choices.min_clip), ("aesthetic", choices.min_aesthetic))
        if least is not None
    }
    draw_histograms(scales, f"{tally.kept:,} of {tally.total:,} videos kept", files.figure)


def _line(row: Mapping[str, Any]) -> str:
    return json_text(row, indent=None) + "\n"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_recipe(path: Path) -> bool:
    try:
        return bool(parse_json(path.read_text(encoding="utf-8"))["format"] == FORMAT)
    except (OSError, ValueError, KeyError, TypeError, json.JSONDecodeError):
        return False
