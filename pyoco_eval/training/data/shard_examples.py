"""Training on tar shards without listing them: what is in a shard is looked up when it is its turn.

In memory are the counts of all shards, and the contents of as many as are mixed with each other
(`data.shuffle_shards`), so that ten million samples take no more room than ten thousand. Samples
stay functions of their number: processes, workers and restarts change nothing.
"""

from bisect import bisect_right
from collections import OrderedDict
from itertools import accumulate
from pathlib import Path

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.training.config import DataConfig
from pyoco_eval.training.data.clip_cutter import ClipCutter, own_rate
from pyoco_eval.training.data.example import Example
from pyoco_eval.training.data.sample_order import Order, WindowOrder
from pyoco_eval.training.data.shard_index import ShardIndex, read_index
from pyoco_eval.videos.listing.tar_shards import ShardSample
from pyoco_eval.videos.readers.array_files import ArrayCache, array_videos
from pyoco_eval.videos.readers.array_reader import Levels
from pyoco_eval.videos.readers.base import BrokenReader, FrameReader, UnreadableError
from pyoco_eval.videos.readers.choose import ARRAY_SUFFIXES, FRAME_SUFFIXES, file_reader
from pyoco_eval.videos.readers.pillow_reader import FrameFolder
from pyoco_eval.videos.video import Video


class ShardExamples:
    """The videos or pictures of indexed shards.

    Args:
        config: `path` is the index of `pyoco-eval index`.

    Raises:
        MissingError: there is no index.
        UsageError: keys that cannot go with it.
    """

    def __init__(self, config: DataConfig) -> None:
        assert config.path is not None
        if config.captions is not None or config.split is not None:
            raise UsageError(
                "data.captions, data.split: shards hold their captions themselves (.txt or .json "
                "beside each video), and have no splits; leave them out"
            )
        self._index = _limited(read_index(Path(config.path)), config.limit)
        self._ends = list(accumulate(shard.samples for shard in self._index.shards))
        self._cutter = ClipCutter(config)
        self._window = config.shuffle_shards
        self._open: OrderedDict[int, list[ShardSample]] = OrderedDict()
        self.name = Path(config.path).resolve().parent.name
        self.class_names = self._index.labels or ()
        self._classes = {name: place for place, name in enumerate(self.class_names)}
        self.fps = config.fps or own_rate(config, map(self._video, range(self._ends[0])))

    def __len__(self) -> int:
        return self._ends[-1]

    def order(self, *seed: str | int) -> Order:
        """Shards in drawn order, `shuffle_shards` of them mixed at a time."""
        return WindowOrder([shard.samples for shard in self._index.shards], self._window, *seed)

    def read(self, index: int, draw: np.random.Generator) -> Example:
        video = self._video(index)
        label = -1 if video.label is None else self._classes.get(video.label, -1)
        return Example(self._cutter.cut(video, draw), video.caption, label)

    def _video(self, index: int) -> Video:
        place = bisect_right(self._ends, index)
        shard = self._index.shards[place]
        sample = self._samples(place)[index - (self._ends[place] - shard.samples)]
        path = self._index.folder / shard.name
        video_id = f"{shard.name}#{sample.key}"
        return Video(
            video_id, index, path, _reader(sample), caption=sample.caption, label=sample.label
        )

    def _samples(self, place: int) -> list[ShardSample]:
        """Of one shard; as many are kept as a window holds, and one for what replaces samples."""
        if place in self._open:
            self._open.move_to_end(place)
        else:
            self._open[place] = self._index.samples_of(self._index.shards[place])
            if len(self._open) > self._window + 1:
                self._open.popitem(last=False)
        return self._open[place]


def _reader(sample: ShardSample) -> FrameReader:
    if sample.problem is not None:
        return BrokenReader(sample.file, sample.problem)
    if sample.file.suffix in FRAME_SUFFIXES:
        return FrameFolder([sample.file])
    if sample.file.suffix in ARRAY_SUFFIXES:
        try:
            readers = [reader for _, reader in array_videos(sample.file, Levels(), ArrayCache())]
        except UnreadableError as error:
            return BrokenReader(sample.file, error.reason)
        if len(readers) == 1:
            return readers[0]
        return BrokenReader(sample.file, f"holds {len(readers)} videos; a sample is one")
    return file_reader(sample.file, "pyav")


def _limited(index: ShardIndex, limit: int | None) -> ShardIndex:
    """The first shards that hold `limit` samples; whole ones, so that their counts stay true."""
    if limit is None or limit >= index.num_samples:
        return index
    ends = list(accumulate(shard.samples for shard in index.shards))
    return ShardIndex(index.folder, index.shards[: bisect_right(ends, limit - 1) + 1], index.labels)
