"""Plain sentences about an inspected set of videos, alone and against a reference."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from fractions import Fraction

from pyoco_eval.videos.inspection import BLACK, FLAT, FROZEN, UNEVEN, InspectedVideo, Inspection

_LOSSLESS = frozenset({"raw", "png", "ffv1", "rawvideo", "huffyuv", "ffvhuff", "utvideo"})

COMMON_CLIP = 16
"""Frames in a clip of the usual protocols."""


def duplicates(videos: Sequence[InspectedVideo]) -> list[list[str]]:
    """Groups of videos with the same stored content or the same pictures.

    Pictures of one flat colour do not make two files the same.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for video in videos:
        key = video.digest if video.is_plain() or video.error else video.pictures
        if key is not None:
            groups[key].append(video.path)
    return sorted(group for group in groups.values() if len(group) > 1)


def findings(inspection: Inspection) -> list[str]:
    """What a user should know before scoring, worst first."""
    videos, usable = inspection.videos, inspection.usable()
    found = [*_unreadable(videos)]
    for remark, what in (
        (BLACK, "black throughout"),
        (FLAT, "made of flat colour only"),
        (FROZEN, "frozen: all their frames are alike"),
    ):
        count = sum(remark in video.remarks for video in videos)
        if count:
            found.append(f"{_of(count, videos)} {_are(count)} {what}.")
    found += [f"{len(group)} videos are the same: {_names(group)}." for group in duplicates(videos)]
    suspicious = [v.path for v in videos if any(r.startswith("no value") for r in v.remarks)]
    if suspicious:
        found.append(f"The values of {_names(suspicious)} do not fit their range.")
    found += _variety(usable, images=inspection.images)
    uneven = sum(UNEVEN in v.remarks for v in videos)
    if uneven:
        found.append(
            f"{_of(uneven, videos)} {_have(uneven)} a variable frame rate: --fps takes their "
            "frames by time, --stride counts them."
        )
    wrong = sum(any(r.startswith("header states") for r in v.remarks) for v in videos)
    if wrong:
        found.append(f"{_of(wrong, videos)} {_state(wrong)} a wrong frame count in the header.")
    if inspection.ignored:
        count = inspection.ignored
        found.append(
            f"{count} other file{_s(count)} {_are(count)} no video and will not be used: "
            f"{inspection.left}."
        )
    if not found and videos:
        found.append("Nothing suspicious was found.")
    return [*found, *inspection.notes] or ["There is nothing to look at."]


def differences(samples: Inspection, reference: Inspection) -> list[str]:
    """What sets two sets of videos apart besides what they show."""
    left, right = samples.usable(), reference.usable()
    if not left or not right:
        return ["There is nothing to compare: one side has no usable video."]
    found = []
    if len(left) != len(right):
        found.append(
            f"The samples are {len(left)} usable videos, the reference {len(right)}: "
            "scores depend on the number of videos."
        )
    shared = _pictures(left) & _pictures(right)
    if shared:
        count = len(shared)
        found.append(f"{count} video{_s(count)} occur{'s' * (count == 1)} on both sides.")
    for what, fact in _COMPARED:
        mine, theirs = _usual(left, fact), _usual(right, fact)
        if mine != theirs:
            found.append(f"{what}: samples {mine}, reference {theirs}.")
    lossy = [any(_is_lossy(v) for v in side) for side in (left, right)]
    if lossy[0] != lossy[1]:
        side = "samples" if lossy[0] else "reference"
        found.append(
            f"Only the {side} went through lossy compression, whose traces networks notice: "
            "store both sides alike."
        )
    return found or ["Both sides agree in size, length, frame rate and codec."]


def _unreadable(videos: Sequence[InspectedVideo]) -> list[str]:
    lost = [v for v in videos if v.error is not None and not v.num_frames]
    broken = [v for v in videos if v.error is not None and v.num_frames]
    found = []
    if lost:
        found.append(f"{len(lost)} of {len(videos)} files cannot be read.")
    if broken:
        count = len(broken)
        verb = "breaks" if count == 1 else "break"
        found.append(f"{count} of {len(videos)} files {verb} before the end.")
    return found


def _variety(usable: Sequence[InspectedVideo], *, images: bool) -> list[str]:
    found = []
    for what, fact in _VARIETIES:
        values = Counter(fact(video) for video in usable)
        if len(values) > 1:
            (most, count) = values.most_common(1)[0]
            found.append(f"{len(values)} different {what}; {most} is the commonest ({count}).")
    counts = sorted(video.num_frames for video in usable)
    if counts and counts[0] != counts[-1]:
        found.append(f"Videos have from {counts[0]} to {counts[-1]} frames.")
    short = sum(count < COMMON_CLIP for count in counts)
    if short and not images:
        found.append(f"{_of(short, usable)} {_have(short)} fewer than {COMMON_CLIP} frames.")
    return found


def size(video: InspectedVideo) -> str:
    """`320 x 240`, as shown."""
    return "unknown" if video.width is None else f"{video.width} x {video.height}"


def frame_rate(video: InspectedVideo) -> str:
    """`29.97`, or `unknown`."""
    return "unknown" if video.fps is None else f"{video.fps:.4g}"


def codec(video: InspectedVideo) -> str:
    """`h264`, `png`, `raw`, …"""
    return "unknown" if video.properties is None else video.properties.codec


def _aspect(video: InspectedVideo) -> str:
    ratio = Fraction(video.width or 1, video.height or 1)
    return f"{float(ratio):.3g}:1"


def _length(video: InspectedVideo) -> str:
    return f"{video.num_frames} frames"


_Fact = Callable[[InspectedVideo], str]
_VARIETIES: tuple[tuple[str, _Fact], ...] = (("sizes", size), ("frame rates", frame_rate))
_COMPARED: tuple[tuple[str, _Fact], ...] = (
    ("Size", size),
    ("Aspect ratio", _aspect),
    ("Length", _length),
    ("Frame rate", frame_rate),
    ("Codec", codec),
)


def _usual(videos: Sequence[InspectedVideo], fact: _Fact) -> str:
    """The commonest value, and how many others there are."""
    values = Counter(fact(video) for video in videos)
    most = min(values, key=lambda value: (-values[value], value))
    return most if len(values) == 1 else f"mostly {most} ({len(values)} kinds)"


def _pictures(videos: Sequence[InspectedVideo]) -> set[str | None]:
    return {video.pictures for video in videos if not video.is_plain()}


def _is_lossy(video: InspectedVideo) -> bool:
    return codec(video) not in _LOSSLESS


def _of(count: int, videos: Sequence[InspectedVideo]) -> str:
    return f"{count} of {len(videos)} videos"


def _names(paths: Sequence[str], most: int = 4) -> str:
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return ", ".join(paths[:most]) + more


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _state(count: int) -> str:
    return "states" if count == 1 else "state"
