"""Batches network inputs across videos and gives the feature rows back video by video."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from pyoco_eval.extraction.feature_store import RowStore
from pyoco_eval.extraction.feeding.staging import Load
from pyoco_eval.extraction.options import Options
from pyoco_eval.features.base import FeatureExtractor
from pyoco_eval.videos.readers.pixels import PixelRule

FRAMES_PER_CLIP_IN_BATCH = 8
FRAMES_AT_ONCE_ON_CPU = 32
CLIPS_AT_ONCE = 8
"""On a device: enough work to hide what it costs the CPU to ask for it."""


class Collector(Protocol):
    """Takes the feature rows of one video at a time."""

    def add(self, index: int, rows: np.ndarray) -> None:
        """Rows float32 (N, D) of the video at `index`."""
        ...


@dataclass
class NetworkInput:
    """A network and who listens to it.

    Attributes:
        extractor: the network.
        pixels: how stored pixels become RGB for it.
        collectors: each gets `add(position, (k, D) rows)` for every video of the pass, in order
            from position 0; k = 0 if the video is left out.
        store: where rows are kept on disk and found again, if they are.
        row_ids: filled with one id per row: the video's, plus clip number and frame if several;
            None if nobody asks for them.
    """

    extractor: FeatureExtractor
    collectors: Sequence[Collector]
    pixels: PixelRule
    store: RowStore | None = None
    row_ids: list[str] | None = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Inputs:
    """What one clip brings to one network.

    Attributes:
        load: (k, …) prepared, or `stored` frames, uint8 (T, H, W, 3).
        as_clip: all of it is one row of a batch; else each of its k is one.
        stored: the device has to prepare it.
    """

    load: Load
    as_clip: bool
    stored: bool = False

    @property
    def num_rows(self) -> int:
        """Feature rows that come of them."""
        return 1 if self.as_clip else len(self.load.host)


class RowQueue:
    """The waiting inputs of one tap.

    A CPU takes one clip at a time: it is about as fast, and as kernels differ with the size of a
    batch, a clip's features then have the same digits whatever else is scored with it.
    """

    def __init__(self, tap: NetworkInput, options: Options) -> None:
        self._tap = tap
        image = tap.extractor.kind == "image"
        alone = tap.extractor.device.type == "cpu"
        clips = options.batch_size or CLIPS_AT_ONCE
        self._batch = clips * FRAMES_PER_CLIP_IN_BATCH if image else clips
        if alone:
            self._batch = FRAMES_AT_ONCE_ON_CPU if image else 1
        self._enough = 1 if alone else self._batch
        self._inputs: list[torch.Tensor] = []
        self._owners: list[int | None] = []
        self._rows: dict[int, list[np.ndarray]] = {}
        self._ids: dict[int, list[str]] = {}
        self._closed: list[int] = []

    def push(self, position: int, inputs: Inputs, ids: Sequence[str]) -> None:
        """Queue the network inputs of a clip."""
        self._accept(inputs)
        self._owners += [position] * inputs.num_rows
        self._rows.setdefault(position, [])
        self._ids.setdefault(position, []).extend(ids)
        while len(self._owners) >= self._enough:
            self._run(min(self._batch, len(self._owners)))

    def provide(self, position: int, rows: np.ndarray, ids: Sequence[str]) -> None:
        """Take rows (k, D) that are known already."""
        self._rows[position] = list(rows)
        self._ids[position] = list(ids)

    def close(self, position: int) -> None:
        """Nothing more comes for this video."""
        self._closed.append(position)
        self._deliver()

    def discard(self, position: int) -> None:
        """Forget a video that failed after some of its clips were queued."""
        self._rows[position], self._ids[position] = [], []
        self._forget(position)
        self.close(position)

    def flush(self) -> None:
        """Run what waits and deliver everything."""
        self._run_all()
        self._deliver()

    def _accept(self, inputs: Inputs) -> None:
        """Take what a clip brings; frames of one size share a batch."""
        rows = inputs.load.host[None] if inputs.as_clip else inputs.load.host
        if self._inputs and self._inputs[-1].shape[1:] != rows.shape[1:]:
            self._run_all()
        self._inputs.append(rows)

    def _run_all(self) -> None:
        while self._owners:
            self._run(min(self._batch, len(self._owners)))

    def _run(self, count: int) -> None:
        waiting = self._inputs[0] if len(self._inputs) == 1 else torch.cat(self._inputs)
        owners, self._owners = self._owners[:count], self._owners[count:]
        self._inputs = [waiting[count:]] if self._owners else []
        self._keep(owners, self._tap.extractor.extract(waiting[:count]).numpy())
        self._deliver()

    def _keep(self, owners: Sequence[int | None], rows: np.ndarray) -> None:
        """Give rows (B, D) to their videos, except those of videos that were discarded."""
        for owner, row in zip(owners, rows, strict=True):
            if owner is not None:
                self._rows[owner].append(row)

    def _forget(self, position: int) -> None:
        self._owners = [None if owner == position else owner for owner in self._owners]

    def _unfinished(self) -> set[int | None]:
        """Videos of which rows are still to come."""
        return set(self._owners)

    def _deliver(self) -> None:
        """Hand complete videos to the collectors, in order."""
        unfinished = self._unfinished()
        while self._closed and self._closed[0] not in unfinished:
            position = self._closed.pop(0)
            rows = self._rows.pop(position, [])
            ids = self._ids.pop(position, [])
            if self._tap.row_ids is not None:
                self._tap.row_ids += ids
            dim = self._tap.extractor.spec.dim
            block = np.stack(rows) if rows else np.empty((0, dim), np.float32)
            if self._tap.store is not None:
                self._tap.store.add(position, block, ids)
            for collector in self._tap.collectors:
                collector.add(position, block)
