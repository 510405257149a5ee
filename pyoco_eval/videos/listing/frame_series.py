"""From the pictures of a folder to the frames of one video: their order, and what is no frame.

A video's frames are one series: names that differ in a number, each number once, none missing.

- Order is that of the numbers: frame2 before frame10, `t=-0.5` before `t=0.25`. A minus is a sign
  after `=`, at the start, or where other names of the series lack it; else it is a hyphen.
- Masks and maps (`0001_mask.png`, `depth_0001.png`) and covers (`preview.png`) beside frames are
  left out, and counted; so are folders of such (`masks`, `thumbs`) beside others.
- A frame that is there twice (`f1.jpg`, `f1.png`), numbers that are missing, two series, or frames
  of several videos in one folder make the video unusable, and the reason says so.
- Names without any number are taken in natural order.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import PurePosixPath

from pyoco_eval.videos.readers.stored_file import StoredFile

MASKS = "masks and maps"
COVERS = "covers"

_MAP_WORDS = (
    "masks?|mattes?|alpha|depths?|disp|disparity|flow|seg|segmentation|labels?|normals?|pose|edges?"
    "|canny|gt|thumbs?|thumbnails?|previews?"
)
_MAP = re.compile(rf"(?P<a>.*?)[ _.-]?(?<![a-z])(?:{_MAP_WORDS})(?![a-z])[ _.-]?(?P<b>.*)", re.I)
_COVER = re.compile(
    r"(cover|poster|preview|thumb(nail)?|folder|grid|sheet|contact[ _-]?sheet|collage|montage"
    r"|samples)",
    re.I,
)
_MAP_FOLDER = re.compile(rf"(?:{_MAP_WORDS}|annotations?|optical_?flow)", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![0-9])(?:(?<==)-?[0-9]+\.[0-9]+|-?[0-9]+)")
_MOST_NAMED = 5


@dataclass(frozen=True)
class FrameSeries:
    """The frames of a folder.

    Attributes:
        frames: in order.
        left: pictures that are no frames, with what they are.
        problem: why the frames cannot be used as a video, None if they can.
    """

    frames: tuple[StoredFile, ...]
    left: tuple[tuple[StoredFile, str], ...] = ()
    problem: str | None = None


def frame_series(pictures: Iterable[StoredFile]) -> FrameSeries:
    """Put the pictures of one folder in order, and say what is odd about them."""
    files = in_natural_order(pictures)
    stems = {PurePosixPath(file.name).stem for file in files}
    frames: list[StoredFile] = []
    left: list[tuple[StoredFile, str]] = []
    numbered = sum(any(c.isdecimal() for c in stem) for stem in stems)
    for file in files:
        stem = PurePosixPath(file.name).stem
        if _is_map(stem, stems):
            left.append((file, MASKS))
        elif numbered and is_cover(file.name):
            left.append((file, COVERS))
        else:
            frames.append(file)
    return _in_series(frames, tuple(left))


def is_cover(name: str) -> bool:
    """Whether a picture's name says that it shows a whole folder: `cover.jpg`, `samples.png`."""
    return bool(_COVER.fullmatch(PurePosixPath(name).stem))


def is_map_folder(name: str) -> bool:
    """Whether a folder's name says that it holds masks, maps or thumbnails: `masks`, `Depth`."""
    return _MAP_FOLDER.fullmatch(name) is not None


def in_natural_order(files: Iterable[StoredFile]) -> tuple[StoredFile, ...]:
    """By name, with runs of digits compared as numbers."""
    return tuple(sorted(files, key=lambda file: (_natural(file.name), file.name)))


def _in_series(
    frames: Sequence[StoredFile], left: tuple[tuple[StoredFile, str], ...]
) -> FrameSeries:
    plain = tuple(frames)
    signed = _signs({PurePosixPath(file.name).stem for file in frames})
    series: dict[str, list[tuple[tuple[Decimal, ...], StoredFile]]] = defaultdict(list)
    for file in frames:
        skeleton, numbers = _split(PurePosixPath(file.name).stem, signed=signed)
        series[skeleton].append((numbers, file))
    if not any(numbers for members in series.values() for numbers, _ in members):
        return FrameSeries(plain, left, _same_stem(frames))
    if len(series) > 1:
        counts = sorted(((len(files), name) for name, files in series.items()), reverse=True)
        named = ", ".join(f"{name} ({count})" for count, name in counts[:_MOST_NAMED])
        more = ", …" if len(counts) > _MOST_NAMED else ""
        return FrameSeries(
            plain,
            left,
            f"holds {len(counts)} series of pictures, not one: {named}{more}; keep the frames "
            "alone, or say --pictures images for metrics of images",
        )
    (members,) = series.values()
    column = _counting_column([numbers for numbers, _ in members])
    if column is None:
        return FrameSeries(
            plain, left, "holds frames of several videos; give each a folder of its own"
        )
    members.sort(key=lambda member: (member[0][column], member[0], member[1].name))
    ordered = tuple(file for _, file in members)
    counted = [numbers[column] for numbers, _ in members]
    return FrameSeries(ordered, left, _repeated(ordered, counted) or _gap(ordered, counted))


def _is_map(stem: str, stems: set[str]) -> bool:
    """Whether a name is that of another picture with a word such as `mask` before or behind."""
    found = _MAP.fullmatch(stem)
    return found is not None and found["a"] + found["b"] in stems - {stem}


def _signs(stems: Iterable[str]) -> bool:
    """Whether a minus before a number is a sign: some names have one there, others have none."""
    places: dict[str, set[bool]] = defaultdict(set)
    for stem in stems:
        bare = re.sub(r"-(?=[0-9])", "", stem)
        places[re.sub(r"[0-9]+(\.[0-9]+)?", "#", bare)].add(re.search(r"-[0-9]", stem) is not None)
    return any(len(found) > 1 for found in places.values())


def _split(stem: str, *, signed: bool) -> tuple[str, tuple[Decimal, ...]]:
    """A name without its numbers, and the numbers."""
    numbers: list[Decimal] = []

    def take(match: re.Match[str]) -> str:
        text = match[0]
        is_sign = text[0] == "-" and (
            signed or match.start() == 0 or stem[match.start() - 1] == "="
        )
        numbers.append(Decimal(text if is_sign else text.lstrip("-")))
        return "#" if is_sign or text[0] != "-" else "-#"

    return _NUMBER.sub(take, stem), tuple(numbers)


def _counting_column(rows: Sequence[tuple[Decimal, ...]]) -> int | None:
    """Which number counts the frames; None if frames of several videos are mixed."""
    varying = [place for place in range(len(rows[0])) if len({row[place] for row in rows}) > 1]
    if not varying:
        return len(rows[0]) - 1
    different = len(set(rows))
    counting = [p for p in varying if len({row[p] for row in rows}) == different]
    return counting[0] if counting else None


def _repeated(files: Sequence[StoredFile], numbers: Sequence[Decimal]) -> str | None:
    for place in range(1, len(files)):
        if numbers[place] == numbers[place - 1]:
            pair = f"{files[place - 1].name} and {files[place].name}"
            return f"holds one frame twice, {pair}; keep one of them"
    return None


def _same_stem(files: Sequence[StoredFile]) -> str | None:
    names: dict[str, str] = {}
    for file in files:
        stem = PurePosixPath(file.name).stem
        if stem in names:
            return f"holds one frame twice, {names[stem]} and {file.name}; keep one of them"
        names[stem] = file.name
    return None


def _gap(files: Sequence[StoredFile], numbers: Sequence[Decimal]) -> str | None:
    """Numbers missing in a series that else goes up by about the same step."""
    steps = [after - before for before, after in pairwise(numbers)]
    if len(steps) < 2:
        return None
    usual = min(step for step, n in Counter(steps).items() if n == max(Counter(steps).values()))
    wide = [place for place, step in enumerate(steps) if 2 * step > 3 * usual]
    if not wide:
        return None
    missing = sum(round(steps[place] / usual) - 1 for place in wide)
    pairs = [f"{files[place].name} and {files[place + 1].name}" for place in wide[:_MOST_NAMED]]
    more = ", …" if len(wide) > _MOST_NAMED else ""
    return (
        f"lacks {missing} of its frames: between {', '.join(pairs)}{more}; number what is there "
        "without gaps if that is meant"
    )


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key that compares runs of digits as numbers."""
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)]
