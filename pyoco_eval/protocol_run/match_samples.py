"""Samples that were made elsewhere: which video of a folder answers which wish of a protocol.

Where the protocol asks for nothing in particular, videos answer in order. Otherwise they are told
apart by class (a label in a manifest, or folders named as the classes), by the real video they
belong to (`video7010.mp4`), or as `generation.folder` tells them: manifest, number, prompt.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pyoco_eval.datasets.matching import stem_of
from pyoco_eval.errors import UsageError
from pyoco_eval.generation.folder import MANIFESTS, MissingSamplesError, open_folder
from pyoco_eval.protocol_run.planned_videos import PlannedVideo
from pyoco_eval.videos.source import VideoSource, open_source
from pyoco_eval.videos.video import Video

_SHOWN = 5


@dataclass(frozen=True)
class Answered:
    """The videos of one repeat in order of the wishes.

    Attributes:
        source: one video for each wish, with the caption wished for.
        told_by: how they were told apart: `order`, `class`, `name`, `manifest`, `number`, `prompt`.
    """

    source: VideoSource
    told_by: str


def answer(
    place: str,
    wished: Sequence[PlannedVideo],
    name: str,
    classes: Sequence[str],
    decoder: str,
    *,
    offset: int = 0,
    total: int = 0,
) -> Answered:
    """Find a video for every wish.

    Args:
        place: a folder, manifest, tar shard or pattern of videos.
        wished: of the repeat.
        name: for the source made of it.
        classes: of the dataset, empty without.
        offset: videos that belong to earlier repeats, where nothing tells videos apart.
        total: videos of all repeats that are taken from this place.

    Raises:
        UsageError: nothing is there, or too little of it.
        MissingSamplesError: videos that are missing or cannot be told apart.
    """
    source = open_source(_described(place), decoder=decoder)
    needed = max(total, offset + len(wished))
    if len(source) < needed:
        raise UsageError(
            f"--samples {place}: holds {len(source):,} videos, the protocol takes "
            f"{needed:,}; make more, or reduce the run with --scale or --repeats, "
            "which marks the result as reduced"
        )
    found, told_by = _found(place, source, wished, classes, offset)
    videos = [
        Video(v.id, i, v.path, v.reader, caption=wish.prompt or v.caption, label=v.label)
        for i, (v, wish) in enumerate(zip(found, wished, strict=True))
    ]
    return Answered(source.subset(name, videos), told_by)


def _described(place: str) -> str:
    """The manifest inside a folder, where there is one: it lists and describes the videos."""
    folder = Path(place)
    inside = [folder / name for name in MANIFESTS if (folder / name).is_file()]
    return str(inside[0]) if folder.is_dir() and inside else place


def _found(
    place: str,
    source: VideoSource,
    wished: Sequence[PlannedVideo],
    classes: Sequence[str],
    offset: int,
) -> tuple[Sequence[Video], str]:
    if all(wish.prompt is None and wish.label is None for wish in wished):
        return [source[offset + i] for i in range(len(wished))], "order"
    if offset:
        raise UsageError(
            f"--samples {place}: the repeats of a protocol with prompts need a folder each; give "
            "the option once for each"
        )
    labels = [_label(video, classes) for video in source]
    if classes and None not in labels:
        return _by_class(place, source, labels, wished, classes), "class"
    stems = [PurePosixPath(wish.video or "").stem for wish in wished]
    by_stem = {stem_of(video): video for video in source}
    if len(set(stems)) == len(stems) and all(stem in by_stem for stem in stems):
        return [by_stem[stem] for stem in stems], "name"
    try:
        samples = open_folder(place, [wish.request("prompts") for wish in wished])
    except MissingSamplesError:
        if len(source) == len(wished) and not any(video.caption for video in source):
            return list(source), "order"
        raise
    return samples.videos, samples.scheme


def _by_class(
    place: str,
    source: VideoSource,
    labels: Sequence[int | None],
    wished: Sequence[PlannedVideo],
    classes: Sequence[str],
) -> list[Video]:
    """The n-th wish of a class is answered by the n-th video of it."""
    waiting: dict[int | None, list[Video]] = defaultdict(list)
    for video, label in zip(reversed(list(source)), reversed(labels), strict=True):
        waiting[label].append(video)
    found: list[Video] = []
    lacking: Counter[str] = Counter()
    for wish in wished:
        if waiting[wish.label]:
            found.append(waiting[wish.label].pop())
        else:
            lacking["?" if wish.label is None else classes[wish.label]] += 1
    if lacking:
        shown = ", ".join(f"{name} ({count})" for name, count in lacking.most_common(_SHOWN))
        more = ", …" if len(lacking) > _SHOWN else ""
        raise UsageError(
            f"--samples {place}: {lacking.total():,} videos are missing, by class: {shown}{more}; "
            "make them, or reduce the run with --scale, which marks the result as reduced"
        )
    return found


def _label(video: Video, classes: Sequence[str]) -> int | None:
    """Position in `classes` by the label of a manifest, a number or a name, or by the folder."""
    given = video.label if video.label is not None else PurePosixPath(video.id).parent.name
    if given.isdecimal():
        return int(given) if int(given) < len(classes) else None
    wanted = given.replace(" ", "").casefold()
    return next((p for p, name in enumerate(classes) if name.casefold() == wanted), None)
