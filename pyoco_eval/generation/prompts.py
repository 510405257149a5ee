"""Reads what to generate: one prompt a line, or a table of prompts and labels."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyoco_eval.errors import UsageError
from pyoco_eval.parsing import parse_json
from pyoco_eval.videos.listing.manifest_rows import CAPTION_COLUMNS, texts_of

SUFFIXES: Final = (".txt", ".jsonl", ".csv", ".tsv")


@dataclass(frozen=True)
class Prompt:
    """One line of a prompt file.

    Attributes:
        text: the prompt.
        label: its class, as text; None where the file states none.
    """

    text: str
    label: str | None = None


def read_prompts(path: Path) -> list[Prompt]:
    """All prompts of a file, in order; empty lines are passed over.

    Args:
        path: `.txt`, one prompt a line; or `.jsonl`, `.csv`, `.tsv` with a `caption`, `prompt` or
            `text`, and maybe a `label` or `class`, such as the manifest of a folder of videos.

    Raises:
        UsageError: the file cannot be read, is empty, or a line has no prompt; names the line.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"--prompts {path}: give a file ending in {', '.join(SUFFIXES)}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"--prompts {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--prompts {path}: is not UTF-8; save the file as UTF-8") from error
    if suffix == ".txt":
        found = [Prompt(line.strip()) for line in text.splitlines() if line.strip()]
    else:
        cells = _json_cells(path, text) if suffix == ".jsonl" else _table_cells(path, text)
        found = [_prompt(path, line, row) for line, row in cells]
    if not found:
        raise UsageError(f"--prompts {path}: holds no prompt; write one a line")
    return found


def _json_cells(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            raise UsageError(f"--prompts {path}, line {number}: is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise UsageError(f"--prompts {path}, line {number}: is no JSON object ({{...}})")
        yield number, {key.lower(): value for key, value in row.items()}


def _table_cells(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise UsageError(
                    f"--prompts {path}, line {reader.line_num}: has not as many cells as the "
                    'header; put quotes (") around a cell that holds the separator'
                )
            yield reader.line_num, {str(key).strip().lower(): value for key, value in row.items()}
    except csv.Error as error:
        raise UsageError(f"--prompts {path}, line {reader.line_num}: {error}") from error


def _prompt(path: Path, line: int, cells: Mapping[str, Any]) -> Prompt:
    try:
        text, label = texts_of(cells)
    except ValueError as error:
        raise UsageError(f"--prompts {path}, line {line}: {error}") from error
    if text is None:
        raise UsageError(
            f"--prompts {path}, line {line}: has no prompt; name it {', '.join(CAPTION_COLUMNS)}"
        )
    return Prompt(text, label)
