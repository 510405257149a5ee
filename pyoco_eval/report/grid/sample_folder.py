"""One folder of samples, and what it states of each: caption, class, number, seed, hash, recipe."""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.parsing import parse_json
from pyoco_eval.videos.listing.manifest import is_manifest
from pyoco_eval.videos.listing.manifest_rows import FILE_COLUMNS
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.video import Video
from pyoco_eval.visible import one_line

MANIFESTS: Final = ("manifest.jsonl", "manifest.csv", "manifest.tsv")
RECIPE: Final = "recipe.json"


@dataclass(frozen=True)
class Sample:
    """One video of a folder.

    Attributes:
        index: its number in the run that made it, None where no manifest states one.
        seed: likewise.
        sha256: of its file as the manifest states it; empty without one.
    """

    video: Video
    index: int | None = None
    seed: int | None = None
    sha256: str = ""

    @property
    def caption(self) -> str:
        """What it should show: its prompt, else its class; empty where nothing says."""
        label = self.video.label
        return self.video.caption or (
            f"class {label}" if label and label.isdigit() else label or ""
        )


@dataclass(frozen=True)
class SampleFolder:
    """A folder of samples under the name that a grid shows.

    Attributes:
        place: the folder or manifest as it was given.
        samples: in order of their ids.
        recipe: what made them, from `recipe.json`; empty without one.
        code: the version of the code that made them, likewise.
    """

    name: str
    place: str
    samples: tuple[Sample, ...]
    recipe: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, Any] = field(default_factory=dict)


def parse_named(texts: Sequence[str]) -> list[tuple[str, str]]:
    """`NAME=DIR`, or `DIR` alone, which is called by its own name: (name, place) of each.

    Of several `=` the first one counts behind which there is a folder or file, so that `α = 0=a/`
    is called `α = 0`.

    Raises:
        UsageError: no such folder, no name, or a name given twice.
    """
    found = [_name_and_place(text) for text in texts]
    names = [name for name, _ in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(
            f"NAME=DIR: {', '.join(map(one_line, twice))} stands for several folders; give each a "
            "name of its own"
        )
    return found


def open_sample_folder(name: str, place: str) -> SampleFolder:
    """What a folder of videos holds; nothing is decoded.

    Args:
        place: a folder, with or without a manifest, or a manifest.

    Raises:
        UsageError: there are no videos, or the manifest is malformed or names missing files.
        PyocoEvalError: `recipe.json` is there and is none.
    """
    path = Path(place)
    manifest = next((path / found for found in MANIFESTS if (path / found).is_file()), path)
    source = open_source(manifest)
    facts = _facts(manifest) if manifest.suffix == ".jsonl" and is_manifest(manifest) else {}
    samples = tuple(_sample(video, facts.get(video.id, {})) for video in source)
    document = _recipe(manifest.parent if manifest.is_file() else manifest)
    return SampleFolder(
        name, place, samples, document.get("recipe", {}), document.get("code") or {}
    )


def _name_and_place(text: str) -> tuple[str, str]:
    if Path(text).exists():
        return Path(text).resolve().name, text
    marks = [place for place, character in enumerate(text) if character == "="]
    for mark in marks:
        name, place = text[:mark].strip(), text[mark + 1 :]
        if place and Path(place).exists():
            if not name:
                raise UsageError(f"{text}: has no name before =; write NAME=DIR")
            return name, place
    place = text[marks[0] + 1 :] if marks else text
    raise UsageError(f"{text}: there is no folder {place!r}; write NAME=DIR")


def _facts(manifest: Path) -> dict[str, dict[str, Any]]:
    """Row of each id. That every line is an object that names a file has been checked."""
    found = {}
    for line in manifest.read_text(encoding="utf-8-sig").split("\n"):
        if line.strip():
            row = {key.lower(): value for key, value in parse_json(line).items()}
            file = next(row[name] for name in FILE_COLUMNS if name in row)
            found[posixpath.normpath(file)] = row
    return found


def _sample(video: Video, row: Mapping[str, Any]) -> Sample:
    index, seed, sha256 = (row.get(key) for key in ("index", "seed", "sha256"))
    return Sample(
        video,
        index if type(index) is int else None,
        seed if type(seed) is int else None,
        sha256 if isinstance(sha256, str) else "",
    )


def _recipe(folder: Path) -> dict[str, Any]:
    path = folder / RECIPE
    if not path.is_file():
        return {}
    try:
        document = parse_json(path.read_text(encoding="utf-8"), nan=True)
        recipe = {str(key): str(value) for key, value in document["recipe"].items()}
        code = dict(document.get("code") or {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PyocoEvalError(
            f"{path}: is no recipe of samples; remove it, or make the samples again"
        ) from error
    return {"recipe": recipe, "code": code}
