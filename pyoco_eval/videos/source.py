"""Any set of videos as one ordered sequence: folders, shards, lists, URLs, arrays in memory."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from os import PathLike
from typing import Any

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.listing.locate import list_place
from pyoco_eval.videos.listing.opener import Opener
from pyoco_eval.videos.readers.array_reader import ArrayReader, Levels, check_layout, unstated_range
from pyoco_eval.videos.readers.base import UnreadableError
from pyoco_eval.videos.readers.choose import check_decoder, decoders_label
from pyoco_eval.videos.video import Video


class VideoSource:
    """Videos in a fixed order: by id, compared character by character; items of one array file
    or tar shard in their stored order.

    Attributes:
        name: of the folder or file, as the user would recognise it; `memory` for arrays.
        ignored: files in the folder that are no videos. Hidden files are not counted.
    """

    def __init__(self, name: str, videos: Sequence[Video], ignored: int = 0) -> None:
        self.name = name
        self.ignored = ignored
        self._videos = tuple(videos)
        self._digests: dict[str, str] | None = None

    def __len__(self) -> int:
        return len(self._videos)

    def __iter__(self) -> Iterator[Video]:
        return iter(self._videos)

    def __getitem__(self, index: int) -> Video:
        return self._videos[index]

    def described(self, texts: Iterable[tuple[str | None, str | None]]) -> "VideoSource":
        """The same videos with other captions and labels, one pair for each."""
        videos = [video.described(*pair) for video, pair in zip(self, texts, strict=True)]
        return VideoSource(self.name, videos, self.ignored)

    def file_digests(self) -> dict[str, str]:
        """id -> sha256 of the stored content. Reads everything once.

        Raises:
            VideoError: something cannot be read at all.
        """
        if self._digests is None:
            self._digests = {video.id: video.digest() for video in self._videos}
        return dict(self._digests)

    def digest(self) -> str:
        """sha256 over ids and contents: equal for equal sources, wherever they are stored."""
        whole = hashlib.sha256()
        for video_id, digest in self.file_digests().items():
            whole.update(f"{digest} {video_id}\n".encode(errors="surrogateescape"))
        return whole.hexdigest()

    def decoder_label(self) -> str:
        """For signatures: `pyav-18.1`, or `pillow-13.0+pyav-18.1` where files of both kinds are."""
        return decoders_label(video.reader.backend for video in self._videos)


def open_source(
    samples: object,
    *,
    decoder: str = "pyav",
    value_range: str | None = None,
    quantise: str = "round",
) -> VideoSource:
    """Open a set of videos. Nothing is decoded yet.

    Args:
        samples: a folder, searched recursively, which may mix video files, folders of frames,
            array files and tar shards; a single such file; a pattern (`shards-{000..009}.tar`)
            or URL (`s3://bucket/folder`) of such; a manifest (.csv, .tsv, .jsonl); an array
            (T, H, W, 3) or (N, T, H, W, 3), or a list of arrays (T, H, W, 3), of numpy or with a
            `.numpy()` method as torch tensors have; a VideoSource, returned as it is.
        decoder: `pyav`, or `decord` if installed; images and arrays need neither.
        value_range: of float arrays: `0..1`, `-1..1` or `0..255`.
        quantise: of float arrays: `round` or `truncate`.

    Raises:
        UsageError: no videos are found, an argument is unknown, or the range of floats is not
            stated.
        MissingError: the decoder, or what a URL needs, is not installed.
        PyocoEvalError: a URL cannot be listed.
    """
    if isinstance(samples, VideoSource):
        return samples
    check_decoder(decoder)
    levels = Levels.parse(value_range, quantise)
    if not isinstance(samples, str | PathLike):
        return _memory_source(samples, levels)
    source = find_videos(samples, decoder=decoder, levels=levels)
    for video in source:
        if isinstance(video.reader, ArrayReader) and not video.reader.range_known():
            raise UsageError(f"{video.id}: {unstated_range(video.reader.dtype)}")
    return source


def find_videos(
    place: str | PathLike[str], *, decoder: str = "pyav", levels: Levels | None = None
) -> VideoSource:
    """Like `open_source` for a path, pattern or URL, but floats of unstated range fail only when
    they are read.
    """
    name, entries, ignored = list_place(place)
    opener = Opener(decoder, levels or Levels())
    videos: list[Video] = []
    for entry in entries:
        for stored in opener.videos(entry):
            video = Video(
                stored.id,
                len(videos),
                entry.file.path,
                stored.reader,
                caption=stored.caption,
                label=stored.label,
            )
            videos.append(video)
    return VideoSource(name, videos, ignored)


def _memory_source(samples: object, levels: Levels) -> VideoSource:
    arrays = list(samples) if isinstance(samples, list | tuple) else [samples]
    videos: list[np.ndarray] = []
    for given in arrays:
        array = _as_array(given)
        try:
            check_layout(array.shape, array.dtype)
        except UnreadableError as error:
            raise UsageError(f"array {error.reason}") from error
        if array.dtype != np.uint8 and levels.value_range is None:
            raise UsageError(f"array {unstated_range(array.dtype)}")
        videos.extend(array if array.ndim == 5 else [array])
    if not videos:
        raise UsageError("an empty list holds no videos; give arrays of shape (T, H, W, 3)")
    return VideoSource(
        "memory",
        [
            Video(f"array#{index}", index, None, _memory_reader(array, levels))
            for index, array in enumerate(videos)
        ],
    )


def _memory_reader(array: np.ndarray, levels: Levels) -> ArrayReader:
    return ArrayReader(lambda: nullcontext(array), array.shape, array.dtype, levels, "memory")


def _as_array(given: Any) -> np.ndarray:
    if isinstance(given, np.ndarray):
        return given
    if not hasattr(given, "numpy"):
        raise UsageError(
            f"cannot take videos from a {type(given).__name__}; give a path, an array or a list "
            "of arrays"
        )
    for step in ("detach", "cpu"):
        given = getattr(given, step)() if hasattr(given, step) else given
    try:
        return np.asarray(given.numpy())
    except TypeError as error:
        raise UsageError(f"cannot turn {given.dtype} values into an array; give float32") from error
