"""Which of several lengths and sizes each video is trained at.

Axes: T frames, H, W.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from pyoco_eval.errors import UsageError, VideoError
from pyoco_eval.training.config import DataConfig
from pyoco_eval.training.data.clip_cutter import drawn_indices
from pyoco_eval.videos.clip_rule import EVERY_FRAME, ClipRule, ShortVideo
from pyoco_eval.videos.frame_size import compact, sides
from pyoco_eval.videos.pacing import Pacing, pacing_of
from pyoco_eval.videos.video import Video

Bucket = tuple[int, int, int]
"""(T, H, W)."""

_THREADS = 8


def buckets_of(config: DataConfig) -> tuple[Bucket, ...]:
    """Those of the config, or the one length and size it names."""
    return config.buckets or (own_bucket(config),)


def own_bucket(config: DataConfig) -> Bucket:
    """That of `num_frames` and `size`: of sheets, and what the model says of itself."""
    return (config.num_frames, *sides(config.size))


def in_bucket(config: DataConfig, bucket: Bucket) -> DataConfig:
    """The config with the length and size of one bucket alone."""
    return replace(config, num_frames=bucket[0], size=compact(*bucket[1:]), buckets=())


def nearest_bucket(buckets: Sequence[Bucket], fits: Sequence[bool], height: int, width: int) -> int:
    """The bucket of a video.

    Of those it has frames enough for, or else of the shortest, those of the nearest aspect, by the
    ratio; of these the longest; of these the size whose area is nearest to its own, by the ratio.

    Args:
        fits: of each bucket, whether the video has frames enough.
        height, width: of the video.
    """
    shortest = min(length for length, _, _ in buckets)
    open_to = [
        place
        for place, (length, _, _) in enumerate(buckets)
        if fits[place] or (not any(fits) and length == shortest)
    ]

    def distance(place: int) -> tuple[float, int, float]:
        length, rows, columns = buckets[place]
        aspect = abs(math.log((columns * height) / (rows * width)))
        area = abs(math.log((rows * columns) / (height * width)))
        return round(aspect, 9), -length, round(area, 9)

    return min(open_to, key=distance)


def assign_buckets(videos: Sequence[Video], config: DataConfig) -> np.ndarray:
    """int64 (videos,): the bucket of each, by its header, or by decoding where it has no count.

    Videos whose first frame cannot be read are put where `num_frames` and `size` say, and found
    unusable there when it is their turn.

    Raises:
        UsageError: none is nearest to `num_frames` and `size`.
    """
    buckets = buckets_of(config)
    own = buckets.index(own_bucket(config))
    rules = [
        ClipRule(length, "random", config.stride, config.fps, short="skip")
        for length, _, _ in buckets
    ]

    def bucket(video: Video) -> int:
        try:
            facts = video.probe()
            num_frames = facts.header_frames or video.count_frames()
            pace = EVERY_FRAME if config.fps is None else pacing_of(video, config.fps)
        except VideoError:
            return own
        fits = [_fits(rule, video.id, num_frames, pace) for rule in rules]
        return nearest_bucket(buckets, fits, facts.height, facts.width)

    with ThreadPoolExecutor(_THREADS) as threads:
        found = np.array(list(threads.map(bucket, videos)), dtype=np.int64)
    if not (found == own).any():
        raise UsageError(
            "data.buckets: no video is nearest to data.num_frames and data.size, "
            f"{in_words(buckets[own])}, of which sheets and the model are; there are "
            + counted(buckets, found)
        )
    return found


def counted(buckets: Sequence[Bucket], found: np.ndarray) -> str:
    """`120 of 16 x 64 x 64, 40 of 16 x 48 x 80`."""
    counts = np.bincount(found, minlength=len(buckets))
    return ", ".join(
        f"{count:,} of {in_words(bucket)}" for count, bucket in zip(counts, buckets, strict=True)
    )


def in_words(bucket: Bucket) -> str:
    """`16 x 48 x 80`: frames, height, width."""
    return " x ".join(map(str, bucket))


def _fits(rule: ClipRule, video_id: str, num_frames: int, pace: Pacing) -> bool:
    try:
        drawn_indices(rule, video_id, num_frames, pace)
    except ShortVideo:
        return False
    return True
