"""Samples that were made elsewhere: which video of a folder answers which wish of a protocol.

Tried in this order: numbers (`000123.npz`, as `pyoco-eval sample` and run-protocol write them,
where a manifest gives captions or labels they must be the wished ones); the caption of each video;
its class, in a manifest or as the name of its folder; the name of the real video it belongs to.
Where nothing tells videos apart, they answer in order, if the protocol does not tell them apart
either.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from pyoco_eval.datasets.matching import stem_of
from pyoco_eval.errors import UsageError
from pyoco_eval.protocol.requests import Wish
from pyoco_eval.videos.manifest import attach_captions
from pyoco_eval.videos.source import VideoSource, open_source
from pyoco_eval.videos.video import Video

_SHOWN = 5

K = TypeVar("K")


@dataclass(frozen=True)
class Answered:
    """The videos of one repeat in order of the wishes.

    Attributes:
        source: one video for each wish, with the caption wished for.
        by: how they were told apart: `numbers`, `captions`, `classes`, `names` or `order`.
    """

    source: VideoSource
    by: str


def open_given(place: str, decoder: str) -> VideoSource:
    """A folder, manifest, shard or pattern of videos; a manifest inside a folder describes them.

    Raises:
        UsageError: nothing there.
    """
    source = open_source(place, decoder=decoder)
    inside = Path(place) / "manifest.jsonl"
    if Path(place).is_dir() and inside.is_file():
        source = attach_captions(source, inside)
    return source


def answer(
    source: VideoSource,
    wished: Sequence[Wish],
    name: str,
    classes: Sequence[str],
    *,
    offset: int = 0,
    argument: str = "--samples",
) -> Answered:
    """Find a video for every wish.

    Args:
        source: what the user has.
        wished: of the repeat.
        name: for the source made of it.
        classes: of the dataset, empty without.
        offset: where nothing tells videos apart: how many belong to earlier repeats.
        argument: for messages.

    Raises:
        UsageError: there are too few, of which class or caption, or they cannot be told apart.
    """
    if len(source) < offset + len(wished):
        raise UsageError(
            f"{argument} {source.name}: holds {len(source):,} videos, the protocol takes "
            f"{offset + len(wished):,}; make more, or reduce it with --scale or --repeats, which "
            "marks the result as reduced"
        )
    found, by = _found(source, wished, classes, offset, argument)
    videos = [
        Video(v.id, i, v.path, v.reader, caption=wish.prompt or v.caption, label=v.label)
        for i, (v, wish) in enumerate(zip(found, wished, strict=True))
    ]
    return Answered(VideoSource(name, videos, source.ignored), by)


def _found(
    source: VideoSource,
    wished: Sequence[Wish],
    classes: Sequence[str],
    offset: int,
    argument: str,
) -> tuple[list[Video], str]:
    if all(wish.prompt is None and wish.label is None for wish in wished):
        return [source[offset + i] for i in range(len(wished))], "order"
    numbered = _by_number(source)
    if numbered is not None and not offset and _agrees(numbered, wished, classes):
        return [numbered[wish.index] for wish in wished], "numbers"
    if all(video.caption for video in source):
        found = _in_turn(source, wished, lambda v: v.caption, lambda w: w.prompt)
        if isinstance(found, list):
            return found, "captions"
        if not classes:
            raise UsageError(f"{argument} {source.name}: {_lacking('caption', found)}")
    labels = {video.id: _label(video, classes) for video in source}
    if classes and None not in labels.values():
        found = _in_turn(source, wished, lambda v: labels[v.id], lambda w: w.label)
        if isinstance(found, list):
            return found, "classes"
        lacking = {classes[label]: n for label, n in found.items() if isinstance(label, int)}
        raise UsageError(f"{argument} {source.name}: {_lacking('class', lacking)}")
    if all(wish.video for wish in wished):
        stems = [PurePosixPath(str(wish.video)).stem for wish in wished]
        by_stem = {stem_of(video).partition("_")[0]: video for video in source}
        if len(set(stems)) == len(stems) and all(stem in by_stem for stem in stems):
            return [by_stem[stem] for stem in stems], "names"
    if len(source) == len(wished):
        return list(source), "order"
    raise UsageError(
        f"{argument} {source.name}: nothing says which of its {len(source):,} videos shows what; "
        "put them into folders named as the classes, or add a manifest.jsonl with id, caption and "
        "label of each"
    )


def _by_number(source: VideoSource) -> dict[int, Video] | None:
    """Videos called by numbers, by these; None if one is not, or two have one number."""
    stems = [stem_of(video) for video in source]
    if not all(stem.isdecimal() for stem in stems):
        return None
    found = {int(stem): video for stem, video in zip(stems, source, strict=True)}
    return found if len(found) == len(source) else None


def _agrees(numbered: dict[int, Video], wished: Sequence[Wish], classes: Sequence[str]) -> bool:
    """Whether numbers are there, and say nothing else than was wished."""
    for wish in wished:
        video = numbered.get(wish.index)
        if video is None:
            return False
        if video.caption is None and video.label is None:
            return False
        label = _label(video, classes) if classes else None
        if label is not None and label != wish.label:
            return False
        if label is None and video.caption != wish.prompt:
            return False
    return True


def _in_turn(
    source: VideoSource,
    wished: Sequence[Wish],
    of_video: Callable[[Video], K],
    of_wish: Callable[[Wish], K],
) -> list[Video] | dict[K, int]:
    """The k-th wish of a kind takes the k-th video of it; or how many of each kind are missing."""
    by_kind: dict[K, list[Video]] = defaultdict(list)
    for video in source:
        by_kind[of_video(video)].append(video)
    taken: dict[K, int] = defaultdict(int)
    found: list[Video] = []
    lacking: dict[K, int] = defaultdict(int)
    for wish in wished:
        kind = of_wish(wish)
        number = taken[kind]
        taken[kind] += 1
        if number < len(by_kind.get(kind, [])):
            found.append(by_kind[kind][number])
        else:
            lacking[kind] += 1
    return dict(lacking) if lacking else found


def _label(video: Video, classes: Sequence[str]) -> int | None:
    """Position in `classes` by the label of a manifest, a number or a name, or by the folder."""
    places = {name.casefold(): place for place, name in enumerate(classes)}
    given = video.label if video.label is not None else PurePosixPath(video.id).parent.name
    if given.isdecimal():
        return int(given) if int(given) < len(classes) else None
    return places.get(given.replace(" ", "").casefold())


def _lacking(word: str, counts: dict[object, int] | dict[str, int]) -> str:
    total = sum(counts.values())
    shown = ", ".join(f"{name} ({n})" for name, n in list(counts.items())[:_SHOWN])
    more = ", …" if len(counts) > _SHOWN else ""
    return (
        f"{total:,} videos are missing, by {word}: {shown}{more}; make them, or reduce the run "
        "with --scale"
    )
