"""Names of several files at once: `shards-{000..009}.tar`, `seed-*/`, `**/*.mp4`.

References:
    Bash manual, "Brace Expansion" (lists, ranges of integers and letters, nesting) and "Pattern
    Matching" (`*`, `?`, `[...]`); `**` stands for any number of folders.
"""

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.listing.walk import walk

MAX_NAMES = 1_000_000
"""More names than this are not expanded from one pattern."""

_WILD = re.compile(r"[*?\[]")
_BRACES = re.compile(r"\{[^{}]*(,|\.\.)[^{}]*\}")
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?|[a-z]\.\.[a-z]|[A-Z]\.\.[A-Z]", re.ASCII)


def is_pattern(text: str) -> bool:
    """Whether `text` has wildcards, or braces with a list or range."""
    return bool(_WILD.search(text) or _BRACES.search(text))


def is_wild(text: str) -> bool:
    """Whether `text` has wildcards, braces aside."""
    return bool(_WILD.search(text))


def root_of(pattern: str) -> str:
    """The folder before the first part with wildcards or braces; empty if that is the first."""
    start = min(
        found.start() for found in (_WILD.search(pattern), re.search(r"\{", pattern)) if found
    )
    return pattern[: pattern.rfind("/", 0, start) + 1]


def expand_braces(text: str) -> list[str]:
    """Every name that the braces of `text` stand for, in the order written, without repeats.

    Raises:
        UsageError: there would be more than `MAX_NAMES`.
    """
    names: dict[str, None] = {}
    for name in _expanded(text):
        if len(names) >= MAX_NAMES:
            raise UsageError(f"{text}: stands for more than {MAX_NAMES:,} names")
        names[name] = None
    return list(names)


def match_local(pattern: str) -> list[Path]:
    """Files and folders that `pattern` stands for, sorted, none inside another.

    Hidden ones match only where the pattern writes their dot, as in a shell.

    Raises:
        UsageError: nothing matches, or names without wildcards are missing; says which.
    """
    found: set[Path] = set()
    missing = []
    names = expand_braces(pattern)
    for name in names:
        if is_wild(name):
            found.update(map(Path, _matches(name)))
        elif os.path.lexists(name):
            found.add(Path(name))
        else:
            missing.append(name)
    require_all(pattern, missing, len(names))
    if not found:
        raise UsageError(f"{pattern}: no such file or folder")
    return sorted(path for path in found if found.isdisjoint(path.parents))


def _matches(pattern: str) -> Iterator[str]:
    """What a pattern stands for; `**` goes through every folder once, wherever links lead."""
    parts = pattern.split("/")
    if "**" not in parts:
        yield from glob.iglob(pattern)  # noqa: PTH207 - any root
        return
    place = parts.index("**")
    above, below = "/".join(parts[:place]), "/".join(parts[place + 1 :])
    if place and not above:
        above = "/"
    roots = sorted(glob.iglob(above)) if is_wild(above) else [above or "."]  # noqa: PTH207
    for folder, inside in walk(*(path for path in map(Path, roots) if path.is_dir())):
        yield from _matches(str(folder / below)) if below else map(str, (folder, *inside))


def require_all(pattern: str, missing: Sequence[str], total: int) -> None:
    """Raises UsageError if names that a pattern spells out in full are not there."""
    if missing:
        listed = ", ".join(PurePosixPath(name).name for name in missing[:5])
        more = ", …" if len(missing) > 5 else ""
        raise UsageError(f"{pattern}: {len(missing)} of {total} are missing: {listed}{more}")


def _expanded(text: str) -> Iterator[str]:
    """Depth first, from the left; braces without a list or range stand for themselves."""
    start = text.find("{")
    while start >= 0:
        parts, end = _split(text, start)
        choices = _choices(parts) if end else None
        if choices is not None:
            break
        start = text.find("{", start + 1)
    else:
        yield text
        return
    for choice in choices:
        for rest in _expanded(text[end:]):
            yield text[:start] + choice + rest


def _split(text: str, start: int) -> tuple[list[str], int]:
    """What lies between the commas of the braces at `start`, and where these end; 0 if never."""
    depth, begin, parts = 0, start + 1, []
    for place in range(start, len(text)):
        character = text[place]
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
        if depth == 0 or (depth == 1 and character == ","):
            parts.append(text[begin:place])
            begin = place + 1
        if depth == 0:
            return parts, place + 1
    return parts, 0


def _choices(parts: Sequence[str]) -> Iterable[str] | None:
    """None if these are no alternatives."""
    if len(parts) > 1:
        return (choice for part in parts for choice in _expanded(part))
    numbers = _RANGE.fullmatch(parts[0])
    if numbers is None:
        if next(_expanded(parts[0])) == parts[0]:
            return None
        return (f"{{{name}}}" for name in _expanded(parts[0]))
    if numbers[1] is None:
        return (chr(code) for code in _steps(ord(parts[0][0]), ord(parts[0][-1]), 1))
    padded = any(re.match(r"-?0\d", end) for end in numbers.group(1, 2))
    width = max(map(len, numbers.group(1, 2))) if padded else 0
    steps = _steps(int(numbers[1]), int(numbers[2]), int(numbers[3] or 1))
    return (f"{number:0{width}d}" for number in steps)


def _steps(first: int, last: int, step: int) -> range:
    step = abs(step) or 1
    return range(first, last + 1, step) if first <= last else range(first, last - 1, -step)
