"""What the scored videos are, beside what the recipe asks for: container, frames, size, rate.

Every video of a repeat is looked at, headers alone. What agrees is recorded; what does not is a
deviation, or refused where scores of it would mean something else.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from pyoco_eval.errors import PyocoEvalError, UsageError, VideoError
from pyoco_eval.protocol.arms import frames_of
from pyoco_eval.protocol.schema import Protocol
from pyoco_eval.protocol.trust import Deviation
from pyoco_eval.records.results import MadeAs
from pyoco_eval.videos.readers.base import VideoProperties
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.videos.video import Video

EXACT: Final = ("raw", "png", "apng", "bmp", "tiff", "ppm", "ffv1", "rawvideo")
"""Codecs that keep pixels as they were made: where the recipe says `npz`, all of them do."""

NOT_STATED: Final = "not stated"
_THREADS = 4
_SENTENCES: Final = {
    "container": "samples are stored as {found}, not as {asked}",
    "frames": "samples have {found} frames, not {asked}",
    "size": "samples are {found} pixels, not {asked}",
    "rate": "samples state {found}, not {asked}",
}


def look_at(
    videos: VideoSource, on_video: Callable[[], None] = lambda: None
) -> dict[str, dict[str, int]]:
    """Fact -> value -> how many videos have it, from every header.

    Raises:
        PyocoEvalError: videos that cannot be read, all at once.
    """
    found: dict[str, Counter[str]] = {}
    unreadable: list[str] = []

    def properties(video: Video) -> VideoProperties | VideoError:
        try:
            return video.probe()
        except VideoError as error:
            return error

    with ThreadPoolExecutor(_THREADS) as pool:
        for facts in pool.map(properties, videos):
            on_video()
            if isinstance(facts, VideoError):
                unreadable.append(f"  {facts}")
                continue
            for name, value in _facts(facts).items():
                found.setdefault(name, Counter())[value] += 1
    if unreadable:
        lines = "\n".join(unreadable)
        raise PyocoEvalError(
            f"{len(unreadable):,} of {len(videos):,} samples cannot be read:\n{lines}\n"
            "Make them again: a protocol leaves none out"
        )
    return {name: dict(counts.most_common()) for name, counts in found.items()}


def made_as(protocol: Protocol, arm: str, facts: dict[str, dict[str, int]]) -> list[MadeAs]:
    """Every fact beside what the recipe says of it."""
    samples = protocol.samples
    asked: dict[str, str | None] = {
        "container": samples.codec if samples.codec == "mp4" else "npz, or another without loss",
        "frames": str(frames_of(protocol, protocol.arms[arm])),
        "size": f"{samples.width} x {samples.height}",
        "rate": None if samples.fps is None else f"{samples.fps:g} fps",
    }
    if asked["frames"] == "1":
        asked["rate"] = None
    return [
        MadeAs(
            fact=name,
            asked=asked.get(name),
            found=counts,
            agrees=all(_agrees(protocol, name, asked.get(name), value) for value in counts),
        )
        for name, counts in facts.items()
    ]


def merged(before: Sequence[MadeAs], table: Sequence[MadeAs]) -> list[MadeAs]:
    """Facts of several repeats as those of all their videos."""
    known = {row.fact: row for row in before}
    for row in table:
        if row.fact in known:
            counts = Counter(known[row.fact].found) + Counter(row.found)
            agrees = known[row.fact].agrees and row.agrees
            row = row.model_copy(update={"found": dict(counts.most_common()), "agrees": agrees})
        known[row.fact] = row
    return list(known.values())


def deviations_of(arm: str, table: Sequence[MadeAs], *, allow: bool) -> list[Deviation]:
    """What is not as the recipe says.

    Raises:
        UsageError: size or length are others, and that is not allowed.
    """
    differing = [row for row in table if not row.agrees]
    hindering = [row for row in differing if row.fact in ("size", "frames")]
    if hindering and not allow:
        lines = " ".join(_sentence(arm, row) for row in hindering)
        raise UsageError(
            f"{lines} Make them so, or score them all the same with --allow-deviations, which is "
            "noted in signatures and results and keeps them from standing beside published rows"
        )
    return [Deviation(_word(row), _sentence(arm, row)) for row in differing]


def _facts(facts: VideoProperties) -> dict[str, str]:
    rate = NOT_STATED if facts.fps is None else f"{facts.fps:.6g} fps"
    frames = NOT_STATED if facts.header_frames is None else str(facts.header_frames)
    found = {
        "container": " ".join(filter(None, dict.fromkeys((facts.container, facts.codec)))),
        "frames": frames,
        "size": f"{facts.width} x {facts.height}",
        "rate": f"{rate}, uneven" if facts.variable_delays else rate,
        "pixels": facts.pixel_format or NOT_STATED,
    }
    if facts.rotation:
        found["rotation"] = f"{facts.rotation} degrees, applied"
    return found


def _agrees(protocol: Protocol, name: str, asked: str | None, value: str) -> bool:
    if asked is None:
        return True
    if name == "container":
        if protocol.samples.codec == "npz":
            return value.split()[-1] in EXACT
        return value in ("mov h264", "mp4 h264")
    return value in (asked, NOT_STATED)


def _sentence(arm: str, row: MadeAs) -> str:
    text = _SENTENCES[row.fact].format(found=row.found_text(), asked=row.asked)
    return f"{arm}: {text} as the protocol says."


def _word(row: MadeAs) -> str:
    first = next(value for value in row.found if value != row.asked)
    word = "".join(first.partition(",")[0].split())
    return f"{row.fact}={word}" + ("+" if len(row.found) > 1 else "")
