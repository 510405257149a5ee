"""What a folder of samples holds: which recipe, which request behind each file, which hash.

`recipe.json` stands before the first sample. While samples are made, every process notes each in a
journal of its own, after the file is in place; the manifest of all is written from the journals.
Whatever is interrupted, a sample is either noted and whole, or made again.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pyoco_eval import provenance
from pyoco_eval.atomic import atomic_path, writing
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.generation.request import Request
from pyoco_eval.parsing import parse_json
from pyoco_eval.videos.content_digest import content_digest
from pyoco_eval.visible import json_text

RECIPE: Final = "recipe.json"
MANIFEST: Final = "manifest.jsonl"
SUFFIXES: Final = {"mp4": ".mp4", "gif": ".gif", "npz": ".npz", "png": ""}
"""Formats of samples; `png` is a folder of frames each."""

_FORMAT: Final = "pyoco-eval samples 1"
_JOURNAL: Final = ".journal-{rank}.jsonl"
_SHOWN: Final = ("generator", "model", "sampler", "prior")
"""Entries of the recipe that stand in every row of the manifest."""

Row = dict[str, Any]


def open_ledger(
    out: Path, recipe: Mapping[str, str], requests: Sequence[Request], *, overwrite: bool = False
) -> dict[int, Row]:
    """Prepare `out` for samples of `recipe`; the rows of those it holds already, by index.

    Args:
        out: new, or the folder of an earlier run.
        recipe: of the generator, with everything about the files.
        requests: of this run.
        overwrite: remove the samples of another recipe instead of refusing.

    Raises:
        UsageError: the folder holds something else: samples of another recipe or of other
            requests, or files of unknown origin.
        PyocoEvalError: it cannot be read or written.
    """
    if overwrite:
        _clear(out)
    _check_recipe(out, recipe)
    rows = _read_rows(out)
    _check_requests(out, rows, requests)
    for left in out.glob(".writing-*"):
        shutil.rmtree(left)
    whole = {index: row for index, row in rows.items() if _is_whole(out, row)}
    content = {"format": _FORMAT, "recipe": dict(recipe), "code": provenance.code_state()}
    if not (out / RECIPE).is_file():
        with atomic_path(out / RECIPE) as path:
            path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    close_ledger(out, whole.values())
    return whole


def close_ledger(out: Path, rows: Iterable[Row] | None = None) -> list[Row]:
    """Write the manifest from `rows`, or from all that was noted, and remove the journals."""
    rows = _read_rows(out).values() if rows is None else rows
    ordered = sorted(rows, key=lambda row: row["index"])
    with atomic_path(out / MANIFEST) as path:
        path.write_text("".join(map(_line, ordered)), encoding="utf-8")
    for journal in _journals(out):
        journal.unlink()
    return ordered


def sample_name(request: Request, file_format: str) -> str:
    """Name of the file, or of the folder of frames."""
    return f"{request.index:06d}{SUFFIXES[file_format]}"


def note_sample(
    out: Path, request: Request, name: str, sha256: str, recipe: Mapping[str, str], rank: int
) -> None:
    """Note that the file of `request` is in place, with the digest of its content."""
    row: Row = {"id": name, "index": request.index}
    if request.prompt is not None:
        row["caption"] = request.prompt
    if request.label is not None:
        row["label"] = request.label
    if request.origin is not None:
        row["from"] = request.origin
    row |= {"seed": request.seed, "sha256": sha256}
    row |= {key: recipe[key] for key in _SHOWN if key in recipe}
    path = out / _JOURNAL.format(rank=rank)
    with writing(path), path.open("a", encoding="utf-8") as journal:
        journal.write(_line(row))
        journal.flush()
        os.fsync(journal.fileno())


def _line(row: Row) -> str:
    return json_text(row, indent=None) + "\n"


def _journals(out: Path) -> list[Path]:
    return sorted(out.glob(_JOURNAL.format(rank="*")))


def _read_rows(out: Path) -> dict[int, Row]:
    """Rows of the manifest and of all journals. A last line cut off in a journal is no row."""
    rows: dict[int, Row] = {}
    for path in (out / MANIFEST, *_journals(out)):
        if not path.is_file():
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        if path.name != MANIFEST:
            lines = lines[:-1]
        for number, line in enumerate(lines, start=1):
            if not line:
                continue
            try:
                row = parse_json(line, nan=True)
                rows[int(row["index"])] = row
            except (ValueError, KeyError, TypeError) as error:
                raise PyocoEvalError(
                    f"{path}, line {number}: is no row of samples; choose another --out, or "
                    "replace what is there with --overwrite"
                ) from error
    return rows


def _check_recipe(out: Path, recipe: Mapping[str, str]) -> None:
    path = out / RECIPE
    if not path.is_file():
        foreign = [found.name for found in out.glob("*") if _is_sample(found)]
        if foreign or (out / MANIFEST).exists():
            listed = ", ".join(sorted(foreign)[:3]) or MANIFEST
            raise UsageError(
                f"--out {out}: holds {listed} without a {RECIPE}, so they come from elsewhere; "
                "choose another folder, or replace them with --overwrite"
            )
        return
    try:
        content = parse_json(path.read_text(encoding="utf-8"), nan=True)
        earlier = content["recipe"] if content["format"] == _FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        earlier = None
    if not isinstance(earlier, dict):
        raise PyocoEvalError(
            f"{path}: is no recipe of samples; choose another --out, or replace what is there "
            "with --overwrite"
        )
    if earlier != dict(recipe):
        names = [n for n in {**earlier, **recipe} if earlier.get(n) != recipe.get(n)]
        changes = "; ".join(f"{n}: {earlier.get(n, '-')} -> {recipe.get(n, '-')}" for n in names)
        raise UsageError(
            f"--out {out}: holds samples of another recipe ({changes}); choose another folder, or "
            "replace them with --overwrite"
        )


def _check_requests(out: Path, rows: Mapping[int, Row], requests: Sequence[Request]) -> None:
    wanted = {request.index: request for request in requests}
    for index, row in rows.items():
        if index not in wanted:
            raise UsageError(
                f"--out {out}: holds {len(rows)} samples, also number {index}, which is not asked "
                "for; ask for as many, choose another folder, or replace them with --overwrite"
            )
        request = wanted[index]
        for key, value in (
            ("caption", request.prompt),
            ("label", request.label),
            ("seed", request.seed),
            ("from", request.origin),
        ):
            if row.get(key) != value:
                raise UsageError(
                    f"--out {out}: sample {index} was made with {key} {row.get(key)!r}, not "
                    f"{value!r}; choose another folder, or replace all with --overwrite"
                )


def _is_whole(out: Path, row: Row) -> bool:
    path = out / str(row["id"])
    return path.exists() and content_digest(path) == row["sha256"]


def _is_sample(path: Path) -> bool:
    return len(path.stem) >= 6 and path.stem.isdecimal() and path.suffix in SUFFIXES.values()


def _clear(out: Path) -> None:
    """Remove the samples of an earlier run; nothing else in `out` is touched."""
    (out / RECIPE).unlink(missing_ok=True)
    for path in out.glob("*"):
        if _is_sample(path) and path.is_dir():
            shutil.rmtree(path)
        elif _is_sample(path):
            path.unlink()
    for path in (out / MANIFEST, *_journals(out)):
        path.unlink(missing_ok=True)
