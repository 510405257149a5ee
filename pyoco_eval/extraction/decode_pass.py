"""One pass over a source of videos, feeding any number of networks.

Threads decode and, for networks on the CPU, resize and scale; this thread runs the networks in
batches and hands each video's feature rows to its collectors. Videos are consumed in index order,
so a run is repeatable.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from pyoco_eval.errors import VideoError
from pyoco_eval.extraction.feature_store import ScoredVideo, VideoRows
from pyoco_eval.extraction.feeding.feed import Feed, PickedFrames, feed_for
from pyoco_eval.extraction.feeding.row_queue import Inputs, NetworkInput, RowQueue
from pyoco_eval.extraction.options import Options
from pyoco_eval.extraction.ordered_stream import OrderedStream
from pyoco_eval.videos.clip_rule import ShortVideo, VideoClip
from pyoco_eval.videos.clips_by_rule import clips_by_rule
from pyoco_eval.videos.outcome import set_digest, settle
from pyoco_eval.videos.readers.pixels import PixelRule
from pyoco_eval.videos.resize import resize_frames
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.videos.video import Video


@dataclass
class Pass:
    """What one pass over the videos found.

    Attributes:
        num_videos: videos whose features were collected.
        num_looped: of these, how many were repeated because they are too short.
        num_timed: of these, of how many the stored times chose the frames.
        num_from_store: of these, how many needed no network because their features were on disk.
        sizes: distinct (width, height) of their frames.
        skipped: id -> reason, for videos left out.
        failures: id -> reason, for videos that cannot be scored.
        digests: id -> sha256 of each video's stored content.
        num_clipped: videos of floats a rounding error outside their range.
    """

    num_videos: int = 0
    num_looped: int = 0
    num_timed: int = 0
    num_from_store: int = 0
    sizes: set[tuple[int, int]] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    num_clipped: int = 0

    def merge(self, other: "Pass") -> None:
        """Take in what another process found in other videos."""
        self.num_videos += other.num_videos
        self.num_looped += other.num_looped
        self.num_timed += other.num_timed
        self.num_from_store += other.num_from_store
        self.sizes |= other.sizes
        self.skipped |= other.skipped
        self.failures |= other.failures
        self.digests |= other.digests
        self.num_clipped += other.num_clipped

    def settle(self, total: int, options: Options) -> None:
        """Decide about the failures once all `total` videos were seen.

        Raises:
            UnusableVideosError: with `on_error="error"`, naming every unusable video; also when no
                usable video is left.
        """
        settle(
            self.skipped,
            self.failures,
            num_usable=self.num_videos,
            total=total,
            on_error=options.on_error,
        )

    def digest(self) -> str:
        """sha256 over the ids and contents of the videos whose features were collected."""
        kept = (name for name in sorted(self.digests) if name not in self.skipped)
        return set_digest((name, self.digests[name]) for name in kept)

    def size_label(self) -> str:
        """`320x240`, or `mixed`."""
        if len(self.sizes) != 1:
            return "mixed"
        ((width, height),) = self.sizes
        return f"{width}x{height}"


@dataclass(frozen=True)
class _Opened:
    """Comes before a video's clips: its digest and, tap by tap, the rows that are on disk."""

    digest: str
    stored: tuple[VideoRows | None, ...]


@dataclass(frozen=True)
class _Prepared:
    """One clip after decoding: its network inputs, tap by tap; None where rows are on disk."""

    size: tuple[int, int]
    looped: bool
    timed: bool
    inputs: tuple[Inputs | None, ...]
    row_ids: tuple[tuple[str, ...], ...]


def run_pass(
    source: VideoSource,
    taps: Sequence[NetworkInput],
    options: Options,
    *,
    chosen: range | None = None,
    on_video: Callable[[], None] = lambda: None,
    feed: Feed | None = None,
) -> Pass:
    """Decode every video once and collect the features of every tap.

    Args:
        chosen: which videos of the source, all by default; positions count from its first.
        on_video: told about every finished video.
        feed: how clips reach the networks; by default what suits their device.

    Returns:
        What was found, still to be settled.
    """
    found = Pass()
    feed = feed or feed_for(taps)
    queues = [feed.queue(tap, options) for tap in taps]
    chosen = range(len(source)) if chosen is None else chosen
    videos = [source[index] for index in chosen]

    def prepare(video: Video) -> Iterator[_Opened | _Prepared]:
        digest = video.digest()
        stored = tuple(
            None
            if tap.store is None
            else tap.store.find(video.index - chosen.start, video.id, digest)
            for tap in taps
        )
        yield _Opened(digest, stored)
        waiting = [tap if known is None else None for tap, known in zip(taps, stored, strict=True)]
        rules = sorted({tap.pixels for tap in waiting if tap is not None})
        for clips in clips_by_rule(video, options.clip, rules, feed.memory):
            yield _prepare_clip(clips, waiting, options, feed)

    with OrderedStream(videos, prepare, workers=options.num_workers()) as stream:
        for video, values in stream:
            _consume(video, video.index - chosen.start, values, queues, taps, found, options)
            on_video()
    if not found.failures or options.on_error == "skip":
        for rows in queues:
            rows.flush()
    return found


def _consume(
    video: Video,
    position: int,
    values: Iterator[_Opened | _Prepared],
    queues: Sequence[RowQueue],
    taps: Sequence[NetworkInput],
    found: Pass,
    options: Options,
) -> None:
    """Take all that the decoding threads made of one video."""
    stored: tuple[VideoRows | None, ...] = (None,) * len(taps)
    sizes: set[tuple[int, int]] = set()
    looped = timed = False
    hopeless = found.failures and options.on_error == "error"
    reason = None
    try:
        for value in values:
            if isinstance(value, _Opened):
                found.digests[video.id] = value.digest
                found.num_clipped += getattr(video.reader, "clipped", False)
                stored = value.stored
                continue
            sizes.add(value.size)
            looped |= value.looped
            timed |= value.timed
            if hopeless:
                continue
            for rows, inputs, ids in zip(queues, value.inputs, value.row_ids, strict=True):
                if inputs is not None:
                    rows.push(position, inputs, ids)
    except VideoError as error:
        reason = error.reason
        by_rule = isinstance(error, ShortVideo)
        (found.skipped if by_rule else found.failures)[video.id] = reason
        if not by_rule:
            for tap in taps:
                if tap.store is not None:
                    tap.store.spoil(position)
    known = [entry.facts for entry in stored if entry is not None]
    if known and reason is None:
        sizes |= set(known[0].sizes)
        looped |= known[0].looped
        timed |= known[0].timed
        reason = known[0].skipped
        if reason is not None:
            found.skipped[video.id] = reason
    facts = ScoredVideo(
        video.id, found.digests.get(video.id, ""), tuple(sorted(sizes)), looped, timed, reason
    )
    for tap, rows, entry in zip(taps, queues, stored, strict=True):
        if tap.store is not None:
            tap.store.describe(position, facts, stored=entry is not None)
        if reason is not None:
            rows.discard(position)
            continue
        if entry is not None:
            rows.provide(position, entry.rows, entry.ids)
        rows.close(position)
    if reason is None:
        found.num_videos += 1
        found.num_looped += looped
        found.num_timed += timed
        found.num_from_store += len(known) == len(taps)
        found.sizes |= sizes


def _prepare_clip(
    read: Mapping[PixelRule, VideoClip],
    taps: Sequence[NetworkInput | None],
    options: Options,
    feed: Feed,
) -> _Prepared:
    """The network inputs of one clip, which was read by every rule that a tap has."""
    first = next(iter(read.values()))
    frames = {rule: _pre_resized(clip.frames, options) for rule, clip in read.items()}
    picked = PickedFrames(frames, feed)
    inputs: list[Inputs | None] = []
    ids: list[tuple[str, ...]] = []
    for tap in taps:
        if tap is None:
            inputs.append(None)
            ids.append(())
            continue
        chosen = _chosen(tap, len(frames[tap.pixels]), first, options)
        inputs.append(picked.inputs(tap, chosen))
        ids.append(_ids(tap, chosen, first, options))
    for clip in read.values():
        feed.release(clip.frames)
    size = (int(first.frames.shape[2]), int(first.frames.shape[1]))
    return _Prepared(size, first.looped, first.timed, tuple(inputs), tuple(ids))


def _chosen(
    tap: NetworkInput, num_frames: int, clip: VideoClip, options: Options
) -> tuple[int, ...]:
    """Which frames of a clip a network sees: all, or those that the frame rule names."""
    if tap.extractor.kind == "video":
        return tuple(range(num_frames))
    return tuple(options.frames.indices(num_frames, clip.video_id, clip.number))


def _ids(
    tap: NetworkInput, chosen: Sequence[int], clip: VideoClip, options: Options
) -> tuple[str, ...]:
    """One id for each feature row."""
    select = options.clip.select
    clip_id = f"{clip.video_id}@{clip.number}" if select == "all" else clip.video_id
    if tap.extractor.kind == "video" or select == "images":
        return (clip_id,)
    return tuple(f"{clip_id}:{index}" for index in chosen)


def _pre_resized(frames: np.ndarray, options: Options) -> np.ndarray:
    if options.pre_resize is None:
        return frames
    resized = resize_frames(frames, options.pre_resize)
    return resized.permute(0, 2, 3, 1).to(torch.uint8).numpy()
