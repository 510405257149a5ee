"""From `data` of a config to the examples it describes."""

from pathlib import Path

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.shapes.dataset import CLASS_NAMES, SPLITS, MovingShapes
from pyoco_eval.training.config import DataConfig
from pyoco_eval.training.data.example import Example, ExampleSet
from pyoco_eval.training.data.sample_order import Order, WholeOrder


class ShapesExamples:
    """Moving shapes: clips from their first frame on, or single frames of them."""

    SPAN = 16
    """Frames of a clip from which single ones are drawn."""

    def __init__(self, config: DataConfig) -> None:
        if config.path is not None:
            raise UsageError(
                "data.path: the moving shapes are no files; leave it out, or say what is there: "
                "data.source=videos, images, shards or ucf101"
            )
        if config.split is not None and config.split not in SPLITS:
            raise UsageError(f"data.split: {config.split!r} is none of {', '.join(SPLITS)}")
        split = config.split or "train"
        fps = config.fps or 8.0
        self.fps: float | None = fps / config.stride
        self._shapes = MovingShapes(split, config.size, config.num_frames, fps)
        self._indices = self._shapes.matching(config.only)[: config.limit]
        self._stride = config.stride
        self.name = f"shapes-{split}"
        self.class_names = CLASS_NAMES

    def __len__(self) -> int:
        return len(self._indices)

    def order(self, *seed: str | int) -> Order:
        return WholeOrder(len(self), *seed)

    def read(self, index: int, draw: np.random.Generator) -> Example:
        length = (self._shapes.num_frames - 1) * self._stride + 1
        start = int(draw.integers(self.SPAN)) if length == 1 else 0
        clip = self._shapes.clip(self._indices[index], num_frames=length, start=start)
        return Example(clip.frames[:: self._stride], clip.caption, clip.label)


def open_examples(config: DataConfig) -> ExampleSet:
    """The set that a config describes. Nothing is decoded yet.

    Raises:
        UsageError: nothing is there, or keys that do not go together.
        MissingError: the split lists of UCF-101, the index of shards, or what a URL needs, are
            not there.
    """
    if config.source == "shapes":
        return ShapesExamples(config)
    if config.only:
        raise UsageError("data.only: chooses among the moving shapes, by their attributes")
    from pyoco_eval.training.data.picture_source import open_pictures
    from pyoco_eval.training.data.video_examples import VideoExamples
    from pyoco_eval.videos.listing.attach import attach_captions
    from pyoco_eval.videos.source import open_source

    assert config.path is not None
    if config.source == "shards":
        from pyoco_eval.training.data.shard_examples import ShardExamples

        return ShardExamples(config)
    if config.source == "ucf101":
        from pyoco_eval.datasets.ucf101 import open_ucf101

        lists = None if config.split_lists is None else Path(config.split_lists)
        found = open_ucf101(Path(config.path), config.split, split_lists=lists)
        return VideoExamples(config, found.videos, found.labels, found.class_names)
    if config.split is not None:
        raise UsageError(f"data.split: {config.source} have no splits; name one in data.path")
    source = open_pictures(config.path) if config.source == "images" else open_source(config.path)
    if config.captions is not None:
        source = attach_captions(source, Path(config.captions))
    return VideoExamples(config, source)
