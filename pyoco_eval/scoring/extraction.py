"""One pass over a source of videos, feeding any number of networks.

Threads decode, resize and scale; this thread runs the networks in batches and hands each video's
feature rows to its collectors. Videos are consumed in index order, so a run is repeatable.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from pyoco_eval.errors import UnusableVideosError, VideoError
from pyoco_eval.features.base import FeatureExtractor
from pyoco_eval.scoring.options import Options
from pyoco_eval.scoring.stream import OrderedStream
from pyoco_eval.videos.clip_frames import ShortVideo, read_clips
from pyoco_eval.videos.resize import resize_frames
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.videos.video import Video

FRAMES_PER_CLIP_IN_BATCH = 8
FRAMES_AT_ONCE_ON_CPU = 32


class Collector(Protocol):
    """Takes the feature rows of one video at a time."""

    def add(self, index: int, rows: np.ndarray) -> None: ...


@dataclass
class Tap:
    """A network and who listens to it.

    Attributes:
        extractor: the network.
        collectors: each gets `add(video index, (k, D) rows)` for every video, k = 0 if skipped.
        row_ids: filled with one id per row: the video's, plus clip number and frame if several.
    """

    extractor: FeatureExtractor
    collectors: Sequence[Collector]
    row_ids: list[str] = field(default_factory=list)


@dataclass
class Pass:
    """What one pass over the videos found.

    Attributes:
        num_videos: videos whose features were collected.
        sizes: distinct (width, height) of their frames.
        skipped: id -> reason, for videos left out.
        digests: id -> sha256 of each video's stored content.
    """

    num_videos: int = 0
    sizes: set[tuple[int, int]] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def digest(self) -> str:
        """sha256 over the ids and contents of the videos whose features were collected."""
        kept = (name for name in sorted(self.digests) if name not in self.skipped)
        lines = (f"{self.digests[name]} {name}" for name in kept)
        return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()

    def size_label(self) -> str:
        """`320x240`, or `mixed`."""
        if len(self.sizes) != 1:
            return "mixed"
        ((width, height),) = self.sizes
        return f"{width}x{height}"


@dataclass(frozen=True)
class _Prepared:
    """One clip after decoding: its network inputs, tap by tap."""

    size: tuple[int, int]
    inputs: tuple[torch.Tensor, ...]
    row_ids: tuple[tuple[str, ...], ...]


def run_pass(
    source: VideoSource,
    taps: Sequence[Tap],
    options: Options,
    *,
    on_video: Callable[[], None] = lambda: None,
) -> Pass:
    """Decode every video once and collect the features of every tap.

    Raises:
        UnusableVideosError: with `on_error="error"`, naming every unusable video; also when no
            usable video is left.
    """
    found = Pass()
    queues = [_RowQueue(tap, options) for tap in taps]
    failures: dict[str, str] = {}
    videos = list(source)

    def prepare(video: Video) -> Iterator[_Prepared]:
        found.digests[video.id] = video.digest()
        for clip in read_clips(video, options.clip):
            yield _prepare_clip(clip.frames, video.id, clip.number, taps, options)

    with OrderedStream(videos, prepare, workers=options.num_workers()) as stream:
        for video, clips in stream:
            sizes = set()
            try:
                for clip in clips:
                    sizes.add(clip.size)
                    if not failures or options.on_error == "skip":
                        for rows, inputs, ids in zip(
                            queues, clip.inputs, clip.row_ids, strict=True
                        ):
                            rows.push(video.index, inputs, ids)
            except VideoError as error:
                short_by_rule = isinstance(error, ShortVideo) and options.clip.short == "skip"
                (found.skipped if short_by_rule else failures)[video.id] = error.reason
                for rows in queues:
                    rows.discard(video.index)
            else:
                found.num_videos += 1
                found.sizes |= sizes
                for rows in queues:
                    rows.close(video.index)
            on_video()
    if failures and options.on_error == "error":
        raise UnusableVideosError(failures, len(videos))
    found.skipped.update(failures)
    if not found.num_videos:
        raise UnusableVideosError(found.skipped, len(videos), already_skipping=True)
    for rows in queues:
        rows.flush()
    return found


def _prepare_clip(
    frames: np.ndarray, video_id: str, number: int, taps: Sequence[Tap], options: Options
) -> _Prepared:
    size = (int(frames.shape[2]), int(frames.shape[1]))
    if options.pre_resize is not None:
        resized = resize_frames(frames, options.pre_resize)
        frames = resized.permute(0, 2, 3, 1).to(torch.uint8).numpy()
    clip_id = video_id if options.clip.select != "all" else f"{video_id}@{number}"
    inputs, ids = [], []
    for tap in taps:
        if tap.extractor.kind == "image":
            chosen = options.frames.indices(len(frames), video_id, number)
            inputs.append(tap.extractor.prepare(frames[chosen]))
            ids.append(tuple(f"{clip_id}:{index}" for index in chosen))
        else:
            inputs.append(tap.extractor.prepare(frames)[None])
            ids.append((clip_id,))
    return _Prepared(size, tuple(inputs), tuple(ids))


class _RowQueue:
    """Batches network inputs across videos and gives the rows back video by video.

    A CPU takes one clip at a time: it is about as fast, and as kernels differ with the size of a
    batch, a clip's features then have the same digits whatever else is scored with it.
    """

    def __init__(self, tap: Tap, options: Options) -> None:
        self._tap = tap
        image = tap.extractor.kind == "image"
        self._alone = tap.extractor.device.type == "cpu"
        clips = options.batch_size or 4
        self._batch = clips * FRAMES_PER_CLIP_IN_BATCH if image else clips
        if self._alone:
            self._batch = FRAMES_AT_ONCE_ON_CPU if image else 1
        self._inputs: list[torch.Tensor] = []
        self._owners: list[int] = []
        self._rows: dict[int, list[np.ndarray]] = {}
        self._ids: dict[int, list[str]] = {}
        self._closed: list[int] = []

    def push(self, index: int, inputs: torch.Tensor, ids: Sequence[str]) -> None:
        self._inputs.append(inputs)
        self._owners += [index] * len(inputs)
        self._rows.setdefault(index, [])
        self._ids.setdefault(index, []).extend(ids)
        while len(self._owners) >= (1 if self._alone else self._batch):
            self._run(min(self._batch, len(self._owners)))

    def close(self, index: int) -> None:
        self._closed.append(index)
        self._deliver()

    def discard(self, index: int) -> None:
        """Forget a video that failed after some of its clips were queued."""
        self._rows[index], self._ids[index] = [], []
        waiting = torch.cat(self._inputs) if self._inputs else None
        keep = [position for position, owner in enumerate(self._owners) if owner != index]
        if waiting is not None and len(keep) < len(self._owners):
            self._inputs = [waiting[keep]] if keep else []
            self._owners = [self._owners[position] for position in keep]
        self.close(index)

    def flush(self) -> None:
        while self._owners:
            self._run(min(self._batch, len(self._owners)))
        self._deliver()

    def _run(self, count: int) -> None:
        waiting = self._inputs[0] if len(self._inputs) == 1 else torch.cat(self._inputs)
        owners, self._owners = self._owners[:count], self._owners[count:]
        self._inputs = [waiting[count:]] if self._owners else []
        rows = self._tap.extractor.extract(waiting[:count]).numpy()
        for owner, row in zip(owners, rows, strict=True):
            self._rows[owner].append(row)
        self._deliver()

    def _deliver(self) -> None:
        """Hand complete videos to the collectors, in index order."""
        unfinished = set(self._owners)
        while self._closed and self._closed[0] not in unfinished:
            index = self._closed.pop(0)
            rows = self._rows.pop(index, [])
            self._tap.row_ids += self._ids.pop(index, [])
            dim = self._tap.extractor.spec.dim
            block = np.stack(rows) if rows else np.empty((0, dim), np.float32)
            for collector in self._tap.collectors:
                collector.add(index, block)
