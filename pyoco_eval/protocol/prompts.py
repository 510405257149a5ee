"""Prompts for classes: our own lists, a user's file, and which published list a file is.

A list gives each class one prompt or several. Published lists are known by hashes alone: their
sentences belong to their papers.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyoco_eval.errors import UsageError
from pyoco_eval.parsing import parse_json
from pyoco_eval.resources import resource_folder

CLASS_NAMES = "class-names"
"""In place of a list: the names of the classes, split into words."""

PUBLISHED_FILE = "published.json"


@dataclass(frozen=True)
class PromptList:
    """Class -> its prompts, in order of the classes.

    Attributes:
        name: of the list, or the path of the file.
    """

    name: str
    prompts: Mapping[str, tuple[str, ...]]

    @property
    def sha256(self) -> str:
        """Over the lines `class<tab>prompt`, sorted by class, prompts of a class in order."""
        return hashlib.sha256("\n".join(_lines(self.prompts)).encode()).hexdigest()

    def prompt(self, class_name: str, number: int) -> str:
        """Prompt of a class for its video `number`; those of several take turns."""
        found = self.prompts[class_name]
        return found[number % len(found)]


@dataclass(frozen=True)
class PromptDifference:
    """One class on which a list departs from a published one; `kind` says how."""

    class_name: str
    kind: str


@dataclass(frozen=True)
class Identification:
    """What a list of prompts is, next to the published ones.

    Attributes:
        nearest: name of the published list that agrees with it in most classes.
        source: where that is published.
        differences: classes that differ from it; empty if it is that list.
        num_classes: of the published list.
    """

    nearest: str
    source: str
    differences: tuple[PromptDifference, ...]
    num_classes: int

    @property
    def is_published(self) -> bool:
        """Whether every class has the prompt of the list."""
        return not self.differences

    def sentences(self) -> list[str]:
        """For messages: what it is, or every class that differs."""
        if self.is_published:
            return [f"the prompts are the published list {self.nearest} ({self.source})"]
        same = self.num_classes - len({d.class_name for d in self.differences})
        if same <= 0:
            return ["the prompts are no published list that is known"]
        head = (
            f"the prompts are no published list; nearest is {self.nearest} ({self.source}), "
            f"with {same} of {self.num_classes} classes alike. Different:"
        )
        return [head, *(f"  {d.class_name}: {d.kind}" for d in self.differences)]


def shipped_lists() -> list[str]:
    """Names of our own lists."""
    return sorted(path.stem for path in resource_folder("prompts").glob("*.csv"))


def own_list(name: str, class_names: Sequence[str]) -> PromptList:
    """A shipped list, or the class names themselves.

    Raises:
        UsageError: no such list, or it is for other classes.
    """
    if name == CLASS_NAMES:
        return PromptList(name, {label: (spaced(label),) for label in class_names})
    path = resource_folder("prompts") / f"{name}.csv"
    if name not in shipped_lists():
        known = ", ".join([*shipped_lists(), CLASS_NAMES])
        raise UsageError(f"prompts {name!r}: no such list; there are {known}")
    found = read_prompts(path, class_names)
    return PromptList(name, found.prompts)


def spaced(class_name: str) -> str:
    """`Apply Eye Makeup` for `ApplyEyeMakeup`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", class_name)
    return words.replace("-", " ").replace("_", " ")


def read_prompts(path: Path, class_names: Sequence[str]) -> PromptList:
    """A user's prompts: for every class at least one.

    `.csv` and `.tsv` with the columns class and prompt (a class with several rows has several
    prompts), `.json` with {class: prompt or [prompts]}, or `.txt` with one prompt a line in the
    order of the classes. Classes may be written with blanks and in other case.

    Raises:
        UsageError: the file cannot be read, or a class is unknown or lacks a prompt; all at once.
    """
    if not path.is_file():
        raise UsageError(f"--prompts {path}: no such file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--prompts {path}: cannot be read as UTF-8 text: {error}") from error
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"--prompts {path}: write .csv, .tsv, .json or .txt")
    try:
        pairs = list(reader(text, class_names))
    except (ValueError, csv.Error) as error:
        raise UsageError(f"--prompts {path}: {error}") from error
    known = {_plain(name): name for name in class_names}
    found: dict[str, list[str]] = {name: [] for name in class_names}
    problems = []
    for label, prompt in pairs:
        name = known.get(_plain(label))
        if name is None:
            problems.append(f"{label!r} is no class of this dataset")
        elif prompt.strip():
            found[name].append(" ".join(prompt.split()))
    problems += [f"{name} has no prompt" for name, prompts in found.items() if not prompts]
    if problems:
        shown = "\n  ".join(problems[:20])
        raise UsageError(f"--prompts {path}: {len(problems)} problems:\n  {shown}")
    return PromptList(str(path), {name: tuple(prompts) for name, prompts in found.items()})


def identify(prompts: PromptList) -> Identification:
    """Which published list this is, or the nearest one and every class that differs."""
    published = parse_json((resource_folder("prompts") / PUBLISHED_FILE).read_text("utf-8"))
    candidates = [
        Identification(
            entry["name"],
            entry["source"],
            tuple(_differences(prompts.prompts, entry["prompts"])),
            len(entry["prompts"]),
        )
        for entry in published["lists"]
    ]
    return min(candidates, key=lambda found: len(found.differences))


def prompt_hash(prompt: str) -> str:
    """How one published prompt is known: sha256 of its words with single blanks, lower case."""
    return hashlib.sha256(" ".join(prompt.split()).lower().encode()).hexdigest()


def _differences(
    prompts: Mapping[str, tuple[str, ...]], hashes: Mapping[str, Sequence[str]]
) -> Iterable[PromptDifference]:
    for name, expected in hashes.items():
        ours = [prompt_hash(prompt) for prompt in prompts.get(name, ())]
        if ours == list(expected):
            continue
        if not ours:
            yield PromptDifference(name, "no prompt")
        elif sorted(ours) == sorted(expected):
            yield PromptDifference(name, "other order of its prompts")
        elif len(ours) != len(expected):
            yield PromptDifference(name, f"{len(ours)} prompts, published {len(expected)}")
        else:
            yield PromptDifference(name, "another prompt")


def _lines(prompts: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [f"{name}\t{prompt}" for name in sorted(prompts) for prompt in prompts[name]]


def _plain(class_name: str) -> str:
    return re.sub(r"[\s_-]", "", class_name).casefold()


def _from_table(text: str, delimiter: str) -> Iterable[tuple[str, str]]:
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns = [name.strip().lower() for name in rows.fieldnames or ()]
    if not {"class", "prompt"} <= set(columns):
        raise ValueError(f"needs the columns class and prompt; it has {', '.join(columns)}")
    for row in rows:
        cells = {str(key).strip().lower(): value or "" for key, value in row.items()}
        yield cells["class"], cells["prompt"]


def _from_csv(text: str, class_names: Sequence[str]) -> Iterable[tuple[str, str]]:  # noqa: ARG001
    return _from_table(text, ",")


def _from_tsv(text: str, class_names: Sequence[str]) -> Iterable[tuple[str, str]]:  # noqa: ARG001
    return _from_table(text, "\t")


def _from_json(text: str, class_names: Sequence[str]) -> Iterable[tuple[str, str]]:  # noqa: ARG001
    found: Any = parse_json(text)
    if not isinstance(found, dict):
        raise ValueError("expected a JSON object {class: prompt or list of prompts}")
    for name, value in found.items():
        for prompt in [value] if isinstance(value, str) else value:
            if not isinstance(prompt, str):
                raise ValueError(f"the prompt of {name} is a {type(prompt).__name__}, no text")
            yield name, prompt


def _from_lines(text: str, class_names: Sequence[str]) -> Iterable[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) != len(class_names):
        raise ValueError(f"has {len(lines)} lines for {len(class_names)} classes")
    return zip(class_names, lines, strict=True)


_READERS = {".csv": _from_csv, ".tsv": _from_tsv, ".json": _from_json, ".txt": _from_lines}
