"""What two runs of a command left, compared: the same names, the same content but for times."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

TIMES: Final = frozenset(
    {"created", "seconds", "total", "steps_per_second", "data_share", "time", "reused", "_seconds"}
)
"""Keys of records and logs that tell when and how long."""
_MOMENT: Final = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(\+00:00|Z| UTC)?"
    rb"|[\d.]+ (ms|s|min|h)\b| \(reused\)"
)
STAGES: Final = frozenset({"files", "record"})
"""Keys of a protocol's finished stages: hashes over the times of files, and over records of them.
The files and the records are compared themselves."""


def contents(folder: Path) -> dict[str, object]:
    """Every file and empty folder below `folder`, by its path."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir():
            found[name] = "folder"
        elif not path.name.startswith("events.out.tfevents"):  # one for each start
            found[name] = content(path)
    return found


def content(path: Path) -> object:
    """What of a file must be the same: all of it but times."""
    data = path.read_bytes()
    if path.suffix == ".json":
        found = without_times(json.loads(data))
        if path.parent.name == "stages" and isinstance(found, dict):
            return {key: value for key, value in found.items() if key not in STAGES}
        return found
    if path.suffix == ".jsonl":
        return [without_times(json.loads(line)) for line in data.splitlines()]
    if path.suffix == ".npz":
        return {name: text_or_bytes(part) for name, part in members(data)}
    if path.suffix in (".html", ".md", ".tex", ".svg", ".pdf"):
        return _MOMENT.sub(b"", data)
    return data


def members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        for name in opened.namelist():
            yield name, opened.read(name)


def text_or_bytes(member: bytes) -> object:
    """Headers of stored features are JSON in an array of text."""
    with suppress(ValueError):
        array = np.load(io.BytesIO(member))
        if array.dtype.kind == "U" and array.ndim == 0:
            return without_times(json.loads(str(array)))
    return member


def without_times(value: object) -> object:
    if isinstance(value, dict):
        return {key: without_times(entry) for key, entry in value.items() if key not in TIMES}
    return [without_times(entry) for entry in value] if isinstance(value, list) else value


def differences(whole: dict[str, object], found: dict[str, object]) -> str:
    """What differs, in words; nothing if nothing does."""

    def told() -> Iterator[str]:
        for about, names in (("lost", whole.keys() - found), ("left over", found.keys() - whole)):
            if names:
                yield f"{about}: {', '.join(sorted(names))}"
        changed = [name for name in sorted(whole.keys() & found) if whole[name] != found[name]]
        if changed:
            yield f"changed: {', '.join(changed)}"

    return "; ".join(told())
