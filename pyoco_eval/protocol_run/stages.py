"""Finished work of a run, known by what it depends on.

A stage has a digest over everything that decides its outcome. When it is done, a marker of that
name is written with what came out; a later start that arrives at the same digest takes it from
there. A stage whose inputs changed has another digest and runs again.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pyoco_eval.atomic import atomic_path
from pyoco_eval.parsing import parse_json
from pyoco_eval.processes import processes
from pyoco_eval.records.results import StageRecord
from pyoco_eval.version import __version__
from pyoco_eval.videos.listing.walk import walk

Outcome = dict[str, Any]

_SECONDS: Final = "_seconds"
"""What a stage took, kept in its marker for starts that find it done."""


class Stages:
    """The stages of one run folder.

    Attributes:
        records: of those that were met in this start, in order.
        told: called with every stage that is over.

    Args:
        folder: of the markers.
    """

    def __init__(self, folder: Path, told: Callable[[StageRecord], None]) -> None:
        self._folder = folder
        self.told = told
        self.records: list[StageRecord] = []

    def run(
        self,
        stage: str,
        arm: str | None,
        inputs: Mapping[str, Any],
        work: Callable[[], Outcome],
        still_there: Callable[[Outcome], bool] = lambda _: True,
    ) -> Outcome:
        """The outcome of a stage: of an earlier start, or of `work`.

        Every process of a run calls this; process 0 decides and writes.

        Args:
            inputs: everything that decides the outcome, as plain JSON.
            work: does it and returns a small outcome as plain JSON.
            still_there: whether files an earlier outcome speaks of are as they were.
        """
        group = processes()
        digest = digest_of({"stage": stage, "inputs": inputs, "version": __version__})
        path = self._folder / f"{stage}-{digest[:16]}.json"
        payload = None
        if group.is_main:
            found = _read(path)
            spent = 0.0 if found is None else float(found.pop(_SECONDS, 0))
            if found is not None and not still_there(found):
                found = None
            payload = json.dumps([found, spent]).encode()
        outcome: Outcome | None
        outcome, seconds = json.loads(group.broadcast(payload))
        started = time.perf_counter()
        reused = outcome is not None
        if outcome is None:
            made = work()
            payload = json.dumps(made).encode() if group.is_main else None
            outcome = json.loads(group.broadcast(payload))
            assert outcome is not None
            seconds = round(time.perf_counter() - started, 3)
            if group.is_main:
                text = json.dumps(outcome | {_SECONDS: seconds}, indent=1)
                with atomic_path(path) as temporary:
                    temporary.write_text(text + "\n", encoding="utf-8")
        record = StageRecord(stage=stage, arm=arm, digest=digest, seconds=seconds, reused=reused)
        self.records.append(record)
        self.told(record)
        return outcome


def digest_of(content: object) -> str:
    """sha256 of plain JSON with sorted keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(paths: Iterable[Path]) -> str:
    """sha256 over names, sizes and times of files and of everything in folders.

    It tells at once whether files are as they were, without reading them.
    """
    whole = hashlib.sha256()
    for path in paths:
        inside = (p for _, found in walk(path) for p in found) if path.is_dir() else (path,)
        files = sorted(p for p in inside if not p.is_dir())
        for file in files:
            try:
                facts = file.stat()
            except OSError:
                whole.update(f"{file} is not there\n".encode(errors="surrogateescape"))
                continue
            name = file.relative_to(path).as_posix() if file != path else file.name
            line = f"{name} {facts.st_size} {facts.st_mtime_ns}\n"
            whole.update(line.encode(errors="surrogateescape"))
    return whole.hexdigest()


def _read(path: Path) -> Outcome | None:
    try:
        found = parse_json(path.read_text(encoding="utf-8"), nan=True)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
