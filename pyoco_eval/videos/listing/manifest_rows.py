"""Tables that say what videos show: CSV, TSV, JSON Lines, lists of paths; with every row's line.

References:
    CSV: RFC 4180. TSV: the same with tabs. JSON Lines: one JSON object a line. All in UTF-8.
    Lists: one path a line, with a number behind it, if any, as its class (UCF-101's `trainlist`).
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyoco_eval.errors import UsageError
from pyoco_eval.parsing import parse_json
from pyoco_eval.visible import one_line

MANIFEST_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".txt"})

FILE_COLUMNS = ("file", "path", "video", "filename", "id")
CAPTION_COLUMNS = ("caption", "prompt", "text")
LABEL_COLUMNS = ("label", "class")
GROUP_COLUMNS = ("group", "source_video")
"""What a video belongs to: videos of one group are not independent of each other."""

_OF_NAMES = (*LABEL_COLUMNS, *GROUP_COLUMNS)
"""Columns whose names may be integers."""

MOST_LISTED = 20
"""Problems that one message lists; the others are counted."""

_PATH_AND_CLASS = re.compile(r"(.*\.\w{2,5})[ \t]+([0-9]+)")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True)
class ManifestRow:
    """One row.

    Attributes:
        line: where it starts, from 1.
        file: the video as the manifest writes it.
        caption: None if the cell is empty or there is none; so are `label` and `group`.
    """

    line: int
    file: str
    caption: str | None
    label: str | None
    group: str | None = None


def read_rows(path: Path) -> list[ManifestRow]:
    """All rows of a manifest. Of several columns for one thing the first listed above counts.

    Raises:
        UsageError: the file cannot be read, has no rows or lacks the column of files, or a row
            is malformed; names the line.
    """
    suffix = path.suffix.lower()
    if suffix not in MANIFEST_SUFFIXES:
        raise UsageError(f"{path} is no manifest: write .csv, .tsv, .jsonl or .txt")
    text = _text(path)
    if not text.strip():
        raise UsageError(f"{path} is empty; give it one row for each video")
    if suffix == ".jsonl":
        rows = list(_json_rows(path, text))
    elif suffix == ".txt":
        rows = list(_path_rows(path, text))
    else:
        rows = list(_table_rows(path, text, _DELIMITERS[suffix]))
    if not rows:
        raise UsageError(f"{path} has a header but no rows; give it one for each video")
    return rows


def listed(problems: Sequence[str]) -> str:
    """One indented line each; no more than `MOST_LISTED`."""
    lines = [f"\n  {one_line(problem)}" for problem in problems[:MOST_LISTED]]
    if len(problems) > MOST_LISTED:
        lines.append(f"\n  and {len(problems) - MOST_LISTED} more")
    return "".join(lines)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}, line {line}: is not UTF-8; save the file as UTF-8") from error


def _table_rows(path: Path, text: str, delimiter: str) -> Iterator[ManifestRow]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            start, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            cells = [cell.strip() for cell in cells]
            if header is None:
                header = _header(path, start, cells)
                continue
            if len(cells) != len(header):
                raise UsageError(
                    f"{path}, line {start}: has {len(cells)} cells, the header {len(header)}; put "
                    'quotes (") around a cell that holds the separator'
                )
            yield _row(path, start, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise UsageError(
            f"{path}, line {line}: {error}; put quotes around a cell that holds one, and write "
            'the one inside twice ("")'
        ) from error


def _header(path: Path, line: int, cells: Sequence[str]) -> list[str]:
    names = [cell.lower() for cell in cells]
    used = (*FILE_COLUMNS, *CAPTION_COLUMNS, *LABEL_COLUMNS, *GROUP_COLUMNS)
    for name in used:
        if names.count(name) > 1:
            raise UsageError(f"{path}, line {line}: has two columns called {name}")
    if not set(FILE_COLUMNS) & set(names):
        raise UsageError(
            f"{path}, line {line}: no column names the videos; call one file, path, video, "
            f"filename or id; there are: {', '.join(cells)}"
        )
    return names


def _json_rows(path: Path, text: str) -> Iterator[ManifestRow]:
    for number, line in enumerate(io.StringIO(text), start=1):
        if not line.strip():
            continue
        try:
            found = parse_json(line)
        except ValueError as error:
            reason = getattr(error, "msg", str(error))
            raise UsageError(f"{path}, line {number}: is not JSON: {reason}") from error
        if not isinstance(found, dict):
            raise UsageError(f"{path}, line {number}: is no JSON object ({{...}})")
        yield _row(path, number, {key.lower(): value for key, value in found.items()})


def _path_rows(path: Path, text: str) -> Iterator[ManifestRow]:
    for number, line in enumerate(io.StringIO(text), start=1):
        if line.strip():
            found = _PATH_AND_CLASS.fullmatch(line.strip())
            cells = {"file": line.strip()}
            if found is not None:
                cells = {"file": found[1], "label": found[2]}
            yield _row(path, number, cells)


def _row(path: Path, line: int, cells: Mapping[str, Any]) -> ManifestRow:
    try:
        file = _first(cells, FILE_COLUMNS)
        if file is None:
            raise ValueError("names no video; give it a file, path, video, filename or id")
        return ManifestRow(line, file, *texts_of(cells), _first(cells, GROUP_COLUMNS))
    except ValueError as error:
        raise UsageError(f"{path}, line {line}: {error}") from error


def texts_of(cells: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Caption and label of a row or JSON object with lower-case keys.

    Raises:
        ValueError: one of them is neither text nor an integer.
    """
    return _first(cells, CAPTION_COLUMNS), _first(cells, LABEL_COLUMNS)


def _first(cells: Mapping[str, Any], columns: Sequence[str]) -> str | None:
    """The first of `columns` that is there, as text; None if it is empty or null."""
    for name in columns:
        if name not in cells:
            continue
        value = cells[name]
        if isinstance(value, int) and not isinstance(value, bool) and name in _OF_NAMES:
            return str(value)
        if value is not None and not isinstance(value, str):
            raise ValueError(f"its {name} is a {type(value).__name__}; give one text")
        if value and "\0" in value:
            raise ValueError(f"its {name} holds a NUL character")
        if value and name not in FILE_COLUMNS and not _is_unicode(value):
            raise ValueError(f"its {name} holds half a surrogate pair (\\ud800 to \\udfff)")
        return value if value and not value.isspace() else None
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def count_rows(count: int) -> str:
    """`1 row`, `2 rows`."""
    return f"{count} row" + "s" * (count != 1)
