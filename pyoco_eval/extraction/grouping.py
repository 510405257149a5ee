"""Which videos count as one: clips of one source, seeds of one prompt.

Intervals, limits and halves keep a group whole. Groups come from a rule the user names, or, where
none is named, from a manifest's column `group` and from names as UCF-101 has them.
"""

import hashlib
import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.listing.manifest_rows import MANIFEST_SUFFIXES, listed, read_rows

UCF101: Final = re.compile(r"v_(?P<class>[A-Za-z]+)_g(?P<group>[0-9]+)_c[0-9]+", re.IGNORECASE)
"""Names of UCF-101: class, source video, clip. Clips of one source share actor and scene."""


@dataclass(frozen=True)
class Grouping:
    """What counts as one video.

    Attributes:
        rule: as signed; None where every video counts for itself.
        labels: the group of every video, in order.
        count: groups that have rows.
        design_effect: how many times fewer rows the rows are worth; None where they are not known.
        warnings: sentences a reader of a score must know.
    """

    rule: str | None = None
    labels: tuple[str, ...] = ()
    count: int = 0
    design_effect: float | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Videos:
    """What rules look at: names, captions and groups of every video of a side, in order."""

    names: Sequence[str]
    captions: Sequence[str | None]
    groups: Sequence[str | None]


def labels_of(rule: str | None, videos: Videos, argument: str) -> tuple[str | None, list[str]]:
    """The rule as signed, and the label of every video; None and [] where none applies.

    Args:
        rule: `ucf101`, `folder`, `prompt`, `manifest`, `none`, a manifest file with a column
            `group`, or `regex:PATTERN`, whose groups (or whole match) name the group; None finds
            one: a manifest's column, else names of UCF-101.
        argument: the option, for messages.

    Raises:
        UsageError: the rule is unknown, or says nothing of some video.
    """
    if rule is None:
        return _found(videos)
    if rule == "none":
        return None, []
    if rule in _RULES:
        return rule, _all_named(_RULES[rule](videos), videos, f"{argument} {rule}", _LACKING[rule])
    if rule.startswith("regex:"):
        pattern = _compiled(rule.removeprefix("regex:"), argument)
        labels = [_matched(pattern, name) for name in videos.names]
        digest = hashlib.sha256(rule.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        lacking = "do not match the pattern"
        return f"regex@{digest}", _all_named(labels, videos, f"{argument} {rule}", lacking)
    if Path(rule).suffix.lower() in MANIFEST_SUFFIXES:
        return "manifest", _all_named(
            _of_file(Path(rule), videos), videos, f"{argument} {rule}", "have no row with a group"
        )
    raise UsageError(
        f"{argument} {rule!r}: use {', '.join(_RULES)}, none, regex:PATTERN (as "
        r"'regex:(.+)_clip\d+'), or a manifest (.csv, .tsv, .jsonl) with the columns file and group"
    )


def _found(videos: Videos) -> tuple[str | None, list[str]]:
    for rule in ("manifest", "ucf101"):
        labels = _RULES[rule](videos)
        if labels and all(labels):
            return rule, [label for label in labels if label]
    return None, []


def _ucf101(videos: Videos) -> list[str | None]:
    found = (UCF101.search(posixpath.basename(name)) for name in videos.names)
    return [match and f"{match['class']}_g{match['group']}" for match in found]


def _folder(videos: Videos) -> list[str | None]:
    return [posixpath.dirname(name) or "." for name in videos.names]


_RULES: Final[dict[str, Callable[[Videos], list[str | None]]]] = {
    "ucf101": _ucf101,
    "folder": _folder,
    "prompt": lambda videos: list(videos.captions),
    "manifest": lambda videos: list(videos.groups),
}
_LACKING: Final = {
    "ucf101": "are not named as v_Class_g01_c01",
    "folder": "are in no folder",
    "prompt": "have no caption",
    "manifest": "have no group in a manifest",
}


def _all_named(
    labels: Sequence[str | None], videos: Videos, argument: str, lacking: str
) -> list[str]:
    """Raises UsageError if a video has no label."""
    padded = list(labels) or [None] * len(videos.names)
    without = [name for name, label in zip(videos.names, padded, strict=True) if not label]
    if without:
        raise UsageError(
            f"{argument}: {len(without)} of {len(videos.names)} videos {lacking}:{listed(without)}"
        )
    return [label for label in padded if label]


def _compiled(pattern: str, argument: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UsageError(
            f"{argument} regex:{pattern}: is no regular expression: {error}"
        ) from error


def _matched(pattern: re.Pattern[str], name: str) -> str | None:
    match = pattern.search(name)
    if match is None:
        return None
    return "|".join(part or "" for part in match.groups()) if pattern.groups else match[0]


def _of_file(path: Path, videos: Videos) -> list[str | None]:
    """Groups of a manifest, by id, file name or file name without suffix."""
    known: dict[str, str | None] = {}
    for row in read_rows(path):
        base = posixpath.basename(row.file)
        for name in (row.file, base, posixpath.splitext(base)[0]):
            known.setdefault(name, row.group)
    found = []
    for name in videos.names:
        base = posixpath.basename(name)
        keys = (name, base, posixpath.splitext(base)[0])
        found.append(next((known[key] for key in keys if key in known), None))
    return found
