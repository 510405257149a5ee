"""One split of a published dataset, in a user's own copy of it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pyoco_eval.datasets.catalogue import KnownSet
from pyoco_eval.errors import UsageError, VideoError
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.videos.video import Video

Kind = Literal[
    "lists", "missing", "duplicate", "unreadable", "renamed", "misplaced", "extra", "size"
]

HINDERING: Final = ("lists", "missing", "duplicate", "unreadable")
"""Kinds of findings that make the videos another set than the published one."""

_SHOWN = 10


@dataclass(frozen=True)
class DatasetFinding:
    """Something about a copy of a dataset that is not as published.

    Attributes:
        kind: what sort of thing it is.
        text: a sentence without the names.
        names: of the files or videos it is about; empty if it is about the whole.
    """

    kind: Kind
    text: str
    names: tuple[str, ...] = ()

    @property
    def hinders(self) -> bool:
        """Whether the videos are not the set that its name promises."""
        return self.kind in HINDERING

    def __str__(self) -> str:
        names = ", ".join(self.names[:_SHOWN])
        more = f" and {len(self.names) - _SHOWN:,} more" if len(self.names) > _SHOWN else ""
        return f"{self.kind}: {self.text}" + (f": {names}{more}" if names else "")


@dataclass(frozen=True, eq=False)
class Dataset:
    """One split, with the videos of it that were found.

    Attributes:
        known: which dataset and split, with its published count.
        root: the folder searched.
        videos: those found, by their published names, so that copies in other folders are equal.
        labels: class of every video as a position in `class_names`; empty without classes.
        class_names: in the order of the published class list.
        captions: all of every video, in published order; empty without captions.
        lists: file name -> sha256 of the annotation files used.
        size: published (width, height) of the frames.
        findings: what was noticed about names alone.
    """

    known: KnownSet
    root: Path
    videos: VideoSource
    labels: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()
    captions: tuple[tuple[str, ...], ...] = ()
    lists: Mapping[str, str] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    findings: tuple[DatasetFinding, ...] = ()

    @property
    def name(self) -> str:
        """Of the dataset."""
        return self.known.dataset

    @property
    def split(self) -> str:
        """Of the dataset: `all`, `train01`, `test`."""
        return self.known.split

    def check(
        self, *, workers: int = 4, on_video: Callable[[], None] = lambda: None
    ) -> list[DatasetFinding]:
        """Everything that is not as published: names, and every header, file by file.

        Args:
            workers: threads that open files.
            on_video: told about every video whose header was read.
        """
        unreadable: list[str] = []
        sizes: dict[tuple[int, int], list[str]] = {}

        def look(video: Video) -> tuple[int, int] | VideoError:
            try:
                properties = video.probe()
            except VideoError as error:
                return error
            return properties.width, properties.height

        with ThreadPoolExecutor(workers) as pool:
            for video, found in zip(self.videos, pool.map(look, self.videos), strict=True):
                if isinstance(found, VideoError):
                    unreadable.append(f"{video.id} ({found.reason})")
                elif self.size is not None and found != self.size:
                    sizes.setdefault(found, []).append(video.id)
                on_video()
        findings = list(self.findings)
        if unreadable:
            text = f"{len(unreadable):,} of {len(self.videos):,} videos cannot be read"
            findings.append(DatasetFinding("unreadable", text, tuple(unreadable)))
        for (width, height), names in sorted(sizes.items()):
            assert self.size is not None
            text = (
                f"{len(names):,} videos are {width} x {height} pixels, not "
                f"{self.size[0]} x {self.size[1]} as published"
            )
            findings.append(DatasetFinding("size", text, tuple(names)))
        return findings

    def caption_list(self, *, ascii_only: bool = False) -> list[tuple[str, str]]:
        """(id of the video, caption) for every caption, video by video.

        Args:
            ascii_only: leave out captions with other characters, as the 59,794 of MSR-VTT do.
        """
        return [
            (video.id, caption)
            for video, captions in zip(self.videos, self.captions, strict=bool(self.captions))
            for caption in captions
            if not ascii_only or caption.isascii()
        ]


def file_digest(path: Path) -> str:
    """sha256 of an annotation file as it is."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def existing_folder(path: Path, argument: str) -> Path:
    """Raises UsageError if `path` is no folder."""
    if not path.is_dir():
        raise UsageError(f"{argument} {path}: no such folder")
    return path


def ordered(videos: Sequence[Video]) -> list[Video]:
    """By id, with positions to match: what a source holds."""
    in_order = sorted(videos, key=lambda video: video.id)
    return [
        Video(video.id, index, video.path, video.reader, caption=video.caption, label=video.label)
        for index, video in enumerate(in_order)
    ]
