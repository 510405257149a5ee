"""Any set of videos as one ordered sequence: folders, shards, lists, URLs, arrays in memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from types import MappingProxyType
from typing import TypeGuard

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.listing.entry import Listing
from pyoco_eval.videos.listing.left_out import LeftOut
from pyoco_eval.videos.listing.locate import list_place
from pyoco_eval.videos.listing.manifest import list_paths
from pyoco_eval.videos.listing.memory import memory_videos
from pyoco_eval.videos.listing.opener import Opener, Settled, settle_arrays
from pyoco_eval.videos.listing.pictures import (
    AS_VIDEOS,
    Decision,
    PictureRule,
    could_be_either,
)
from pyoco_eval.videos.outcome import set_digest
from pyoco_eval.videos.readers.array_reader import ArrayReader, Levels, unstated_range
from pyoco_eval.videos.readers.choose import check_decoder, decoders_label
from pyoco_eval.videos.readers.pixels import PixelRule, rgb_label
from pyoco_eval.videos.video import Video


class VideoSource:
    """Videos in a fixed order: by id, compared character by character; items of one array file
    or tar shard in their stored order.

    Attributes:
        name: of the folder or file, as the user would recognise it; `memory` for arrays.
        decision: what its pictures are taken for: images, or frames of videos.
        left: files in the place that are no samples. Hidden files are not counted.
    """

    def __init__(
        self,
        name: str,
        videos: Sequence[Video],
        *,
        decision: Decision = AS_VIDEOS,
        left: LeftOut | None = None,
    ) -> None:
        self.name = name
        self.decision = decision
        self.left = left or LeftOut()
        self._videos = tuple(videos)
        self._digests: dict[str, str] | None = None

    @property
    def ignored(self) -> int:
        """How many files of the place are no samples."""
        return len(self.left)

    @property
    def images(self) -> bool:
        """Whether its videos are images, each a feature row by itself."""
        return self.decision.images

    def __len__(self) -> int:
        return len(self._videos)

    def __iter__(self) -> Iterator[Video]:
        return iter(self._videos)

    def __getitem__(self, index: int) -> Video:
        return self._videos[index]

    def described(self, texts: Iterable[tuple[str | None, ...]]) -> "VideoSource":
        """The same videos with other captions and labels, and groups if given, a tuple for each."""
        videos = [video.described(*told) for video, told in zip(self, texts, strict=True)]
        return self.subset(self.name, videos)

    def subset(self, name: str, videos: Sequence[Video]) -> "VideoSource":
        """Some of the videos, or others made of them, under another name."""
        return VideoSource(name, videos, decision=self.decision, left=self.left)

    def file_digests(self) -> dict[str, str]:
        """id -> sha256 of the stored content. Reads everything once.

        Raises:
            VideoError: something cannot be read at all.
        """
        if self._digests is None:
            self._digests = {video.id: video.digest() for video in self._videos}
        return dict(self._digests)

    def digest(self) -> str:
        """sha256 over ids and contents: equal for equal sources, wherever they are stored.

        It is that of a side all of whose videos were used.
        """
        return set_digest(sorted(self.file_digests().items()))

    def decoder_label(self) -> str:
        """For signatures: `pyav-18.1`, or `pillow-13.0+pyav-18.1` where files of both kinds are."""
        return decoders_label(video.reader.backend for video in self._videos)

    def rgb_label(self, pixels: PixelRule) -> str | None:
        """For signatures: `peer-video`, `exact-pictures+video`; None if nothing is converted."""
        return rgb_label(pixels, (video.reader.storage for video in self._videos))

    def reading(self, pixels: PixelRule) -> "VideoSource":
        """The same videos with their pixels read by this rule (see `readers.pixels`)."""
        return self.subset(self.name, [video.reading(pixels) for video in self])


def open_source(
    samples: object,
    *,
    decoder: str = "pyav",
    value_range: str | None = None,
    quantise: str = "round",
    layout: str | None = None,
    rule: PictureRule | None = None,
) -> VideoSource:
    """Open a set of videos. Nothing is decoded yet.

    Args:
        samples: a folder, searched recursively, which may mix video files, pictures, array files
            and tar shards; a single such file; a pattern (`shards-{000..009}.tar`) or URL
            (`s3://bucket/folder`) of such; a manifest (.csv, .tsv, .jsonl) or a list of paths
            (.txt); an array or tensor (T, H, W, 3) or (N, T, H, W, 3), or with channels first; a
            list of paths, of arrays, of PIL pictures, or of lists of pictures; a VideoSource,
            returned as it is.
        decoder: `pyav`, or `decord` if installed; images and arrays need neither.
        value_range: of float arrays: `0..1`, `-1..1` or `0..255`.
        quantise: of float arrays: `round` or `truncate`.
        layout: axes of arrays, such as `BTCHW`, where their shape does not tell.
        rule: what pictures are taken for; by default each folder of them is a video.

    Raises:
        UsageError: no videos are found, an argument is unknown, or the range of floats is not
            stated.
        MissingError: the decoder, or what a URL needs, is not installed.
        PyocoEvalError: a URL cannot be listed.
    """
    if isinstance(samples, VideoSource):
        return samples
    check_decoder(decoder)
    levels, rule = Levels.parse(value_range, quantise, layout), rule or PictureRule()
    if not _is_place(samples):
        settled = memory_videos(samples, levels, rule)
        return _source(Listing("memory", []), settled)
    source = find_videos(samples, decoder=decoder, levels=levels, rule=rule)
    for video in source:
        if isinstance(video.reader, ArrayReader) and not video.reader.range_known():
            raise UsageError(f"{video.id}: {unstated_range(video.reader.dtype)}")
    return source


def find_videos(
    place: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    decoder: str = "pyav",
    levels: Levels | None = None,
    rule: PictureRule | None = None,
) -> VideoSource:
    """Like `open_source` for a path, pattern, URL or list of paths, but floats of unstated range
    fail only when they are read.
    """
    rule = rule or PictureRule()
    if isinstance(place, str | PathLike):
        listing, where = list_place(place, rule), fspath(place)
    else:
        listing, where = list_paths(place, rule), "the list of paths"
    opener = Opener(decoder, levels or Levels(), rule)
    stored = [
        (video, entry.file.path) for entry in listing.entries for video in opener.videos(entry)
    ]
    if not stored:
        raise UsageError(f"{where} holds no videos")
    paths = {id(video.reader): path for video, path in stored}
    settled = settle_arrays(where, [video for video, _ in stored], rule)
    return _source(listing, settled, paths)


def _is_place(samples: object) -> TypeGuard[str | PathLike[str] | Sequence[str | PathLike[str]]]:
    if isinstance(samples, list | tuple) and samples:
        return all(isinstance(one, str | PathLike) for one in samples)
    return isinstance(samples, str | PathLike)


def _source(
    listing: Listing,
    settled: Settled,
    paths: Mapping[int, Path | None] = MappingProxyType({}),
) -> VideoSource:
    """Number what was found; images and videos together make no source."""
    images = [stored for stored in settled.videos if stored.is_image]
    if images and len(images) < len(settled.videos):
        videos = len(settled.videos) - len(images)
        raise could_be_either(
            listing.name,
            f"holds {len(images):,} images and {videos:,} videos",
            "score the images",
            "score the videos",
        )
    decision = listing.decision
    note = settled.note or decision.note
    numbered = [
        Video(
            stored.id,
            index,
            paths.get(id(stored.reader)),
            stored.reader,
            caption=stored.caption,
            label=stored.label,
            group=stored.group,
        )
        for index, stored in enumerate(settled.videos)
    ]
    decision = Decision(
        images=bool(images),
        folders_of_frames=decision.folders_of_frames and not images,
        note=note,
    )
    return VideoSource(listing.name, numbered, decision=decision, left=listing.left)
