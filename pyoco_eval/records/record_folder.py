"""Records that belong together: a run leaves a file for every group of metrics and every repeat."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from pyoco_eval.errors import UsageError
from pyoco_eval.records.record import Record

RESULTS = "results.json"
_OF_A_RUN = re.compile(r"(?P<set>.+-r\d+)-[a-z0-9+-]+")
"""How `run-protocol` calls a record: arm, repeat, columns."""


def results_of(folder: Path) -> Path | None:
    """The results of the run that a folder is, or is the records of; None of another folder."""
    for place in (folder, folder.parent) if folder.name == "records" else (folder,):
        if (place / RESULTS).is_file():
            return place / RESULTS
    return None


def record_files(folder: Path) -> list[Path]:
    """Every JSON file of a folder of records.

    Raises:
        UsageError: there is none.
    """
    found = sorted(path for path in folder.glob("*.json") if path.is_file())
    if not found:
        raise UsageError(f"{folder}: a folder without records (.json, written with --out)")
    return found


def joined(records: Iterable[tuple[Path, Record]]) -> dict[str, tuple[Path, Record]]:
    """Records of one set of videos as one: name -> (first file, record).

    One set are the files of a folder that a run gave one arm and repeat; else those whose videos
    have one digest. Two scores of one metric and convention are never joined.
    """
    sets: dict[tuple[str, str], list[tuple[Path, Record]]] = {}
    for path, record in records:
        named = _OF_A_RUN.fullmatch(path.stem)
        key = (str(path.parent), named["set"] if named else record.samples.digest)
        sets.setdefault(key, []).append((path, record))
    found: dict[str, tuple[Path, Record]] = {}
    for (_, name), same in sets.items():
        if len(same) > 1 and not _overlap([record for _, record in same]):
            is_run = _OF_A_RUN.fullmatch(same[0][0].stem) is not None
            found[name if is_run else same[0][0].stem] = (same[0][0], _one(same))
        else:
            found |= {path.stem: (path, record) for path, record in same}
    return found


def _overlap(records: Iterable[Record]) -> bool:
    held = [
        (score.metric, score.recipe.get("conv")) for record in records for score in record.scores
    ]
    return len(set(held)) < len(held)


def _one(same: list[tuple[Path, Record]]) -> Record:
    first = same[0][1]
    seconds: dict[str, float] = {}
    for path, record in same:
        seconds |= {f"{path.stem}: {what}": value for what, value in record.seconds.items()}
    changes: Mapping[str, object] = {
        "scores": [score for _, record in same for score in record.scores],
        "networks": [network for _, record in same for network in record.networks],
        "warnings": list(dict.fromkeys(w for _, record in same for w in record.warnings)),
        "seconds": seconds,
    }
    return first.model_copy(update=dict(changes))
