"""The videos of a source as examples: all listed at the start, with the classes they state."""

from collections.abc import Sequence

import numpy as np

from pyoco_eval.training.config import DataConfig
from pyoco_eval.training.data.buckets import assign_buckets, buckets_of, in_bucket
from pyoco_eval.training.data.clip_cutter import ClipCutter, own_rate
from pyoco_eval.training.data.example import Example
from pyoco_eval.training.data.sample_order import Order, WholeOrder
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.videos.video import Video


class VideoExamples:
    """The videos of a source; each gives a clip at a drawn place.

    Attributes:
        bucket_of: int64 (videos,), which of `data.buckets` each has; None without buckets.

    Args:
        config: how clips are cut and resized.
        source: the videos.
        labels: position of each video's class in `class_names`; by default the sorted labels of
            the source, and where it states none the names of its top folders.
        class_names: of `labels`.
    """

    def __init__(
        self,
        config: DataConfig,
        source: VideoSource,
        labels: Sequence[int] | None = None,
        class_names: Sequence[str] = (),
    ) -> None:
        self._videos = tuple(source)[: config.limit]
        self.bucket_of = assign_buckets(self._videos, config) if config.buckets else None
        self._cutters = [
            ClipCutter(in_bucket(config, bucket) if config.buckets else config)
            for bucket in buckets_of(config)
        ]
        if labels is None:
            labels, class_names = _labels(self._videos)
        self._labels = tuple(labels)
        self.name = source.name
        self.class_names = tuple(class_names)
        self.fps = config.fps or own_rate(config, self._videos)

    def __len__(self) -> int:
        return len(self._videos)

    def order(self, *seed: str | int) -> Order:
        return WholeOrder(len(self), *seed)

    def read(self, index: int, draw: np.random.Generator) -> Example:
        video = self._videos[index]
        bucket = 0 if self.bucket_of is None else int(self.bucket_of[index])
        frames = self._cutters[bucket].cut(video, draw)
        return Example(frames, video.caption, self._labels[index] if self._labels else -1)


def _labels(videos: Sequence[Video]) -> tuple[list[int], list[str]]:
    stated = [video.label for video in videos]
    if all(label is None for label in stated):
        folders = [video.id.partition("/")[0] if "/" in video.id else None for video in videos]
        stated = folders if all(folders) else stated
    names = sorted({label for label in stated if label is not None})
    place = {name: index for index, name in enumerate(names)}
    return [-1 if label is None else place[label] for label in stated] if names else [], names
