"""Folders, manifests and tar shards of pictures: every picture is a video of one frame."""

from collections.abc import Iterator
from pathlib import Path

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.listing.manifest import is_manifest
from pyoco_eval.videos.listing.manifest_rows import listed, read_rows
from pyoco_eval.videos.listing.patterns import is_pattern, match_local
from pyoco_eval.videos.listing.tar_shards import shard_samples
from pyoco_eval.videos.listing.walk import walk
from pyoco_eval.videos.readers.base import BrokenReader, FrameReader, UnreadableError
from pyoco_eval.videos.readers.choose import FRAME_SUFFIXES, SHARD_SUFFIXES
from pyoco_eval.videos.readers.pillow_reader import FrameFolder
from pyoco_eval.videos.readers.stored_file import LocalFile
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.videos.video import Video

_KINDS = FRAME_SUFFIXES | SHARD_SUFFIXES


def open_pictures(place: str) -> VideoSource:
    """The pictures at a place, in the order of their ids. None is opened yet.

    Args:
        place: a folder, searched recursively, of PNG and JPEG files and tar shards of such; a
            pattern of these; or a manifest whose rows name pictures, with captions and labels.
            In a shard, `.txt` beside a picture is its caption and `.cls` its label.

    Raises:
        UsageError: nothing is there, or rows of the manifest name no pictures.
    """
    path = Path(place)
    if is_manifest(path):
        pictures = list(_of_manifest(path))
    elif path.is_dir():
        inside = (file for _, found in walk(path) for file in found)
        files = sorted(file for file in inside if _is_picture(file.relative_to(path)))
        pictures = [video for file in files for video in _of_file(file, path)]
    elif path.is_file() or is_pattern(place):
        files = [path] if path.is_file() else match_local(place)
        pictures = [
            video for file in files if _is_picture(file) for video in _of_file(file, file.parent)
        ]
    else:
        raise UsageError(f"{place}: no such file or folder")
    if not pictures:
        raise UsageError(f"{place}: no pictures; looked for {' '.join(sorted(_KINDS))}")
    numbered = [
        Video(video.id, index, video.path, video.reader, caption=video.caption, label=video.label)
        for index, video in enumerate(pictures)
    ]
    return VideoSource(path.name, numbered)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _KINDS and not any(part.startswith(".") for part in path.parts)


def _of_file(file: Path, root: Path) -> Iterator[Video]:
    own_id = file.relative_to(root).as_posix()
    stored = LocalFile(file)
    if stored.suffix in FRAME_SUFFIXES:
        yield Video(own_id, 0, file, FrameFolder([stored]))
        return
    try:
        samples = shard_samples(stored, FRAME_SUFFIXES)
    except UnreadableError as error:
        raise UsageError(f"{file}: {error.reason}") from error
    for sample in samples:
        reader: FrameReader = FrameFolder([sample.file])
        if sample.problem is not None:
            reader = BrokenReader(sample.file, sample.problem)
        shown = f"{own_id}#{sample.key}"
        yield Video(shown, 0, file, reader, caption=sample.caption, label=sample.label)


def _of_manifest(path: Path) -> Iterator[Video]:
    problems = []
    for row in read_rows(path):
        file = path.parent / row.file
        if file.suffix.lower() not in FRAME_SUFFIXES:
            kinds = " ".join(sorted(FRAME_SUFFIXES))
            problems.append(f"line {row.line}: {row.file}: is no picture; one of {kinds}")
        elif not file.is_file():
            problems.append(f"line {row.line}: {row.file}: no such file")
        else:
            reader = FrameFolder([LocalFile(file)])
            yield Video(row.file, 0, file, reader, caption=row.caption, label=row.label)
    if problems:
        raise UsageError(f"{path}: {len(problems)} rows cannot be used:{listed(problems)}")
