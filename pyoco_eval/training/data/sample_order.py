"""Which example each sample of a run shows, as a function of the seed and the sample's number.

Every epoch shows every example once. `WholeOrder` draws one permutation of all of them;
`WindowOrder` goes through shards: their order is drawn anew each epoch, and the examples of so many
shards in a row are mixed with each other. Its memory is that of the shards' counts and of one
window, however many examples there are. `BucketOrder` gives each step examples of one length and
size. None has a state: a run goes on exactly where it was.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from pyoco_eval.seeding import numpy_generator


class Order(Protocol):
    """Sample number -> index of an example, for numbers from 0 without end."""

    def __getitem__(self, number: int) -> int: ...


class WholeOrder:
    """One permutation of all examples an epoch: 8 bytes an example."""

    def __init__(self, num_examples: int, *seed: str | int) -> None:
        self._num_examples = num_examples
        self._seed = seed
        self._epoch = -1
        self._order = np.empty(0, np.int64)

    def __getitem__(self, number: int) -> int:
        epoch, place = divmod(number, self._num_examples)
        if epoch != self._epoch:
            generator = numpy_generator(*self._seed, "order", epoch)
            self._epoch, self._order = epoch, generator.permutation(self._num_examples)
        return int(self._order[place])


class WindowOrder:
    """Shards in drawn order, `window` of them mixed at a time.

    Args:
        counts: examples of each shard; example i of all lies in the shard where their running sum
            passes i.
        window: shards that are mixed with each other.
        seed: of the run.
    """

    def __init__(self, counts: Sequence[int], window: int, *seed: str | int) -> None:
        self._counts = np.asarray(counts, dtype=np.int64)
        self._first = np.concatenate([[0], np.cumsum(self._counts)])
        self._window = window
        self._seed = seed
        self._epoch = -1
        self._shards = np.empty(0, np.int64)
        self._bounds = np.empty(0, np.int64)
        self._mixed: tuple[int, int] = (-1, -1)
        self._indices = np.empty(0, np.int64)

    def __getitem__(self, number: int) -> int:
        epoch, place = divmod(number, int(self._first[-1]))
        if epoch != self._epoch:
            self._start(epoch)
        window = int(np.searchsorted(self._bounds, place, side="right")) - 1
        if (epoch, window) != self._mixed:
            self._mix(epoch, window)
        return int(self._indices[place - self._bounds[window]])

    def _start(self, epoch: int) -> None:
        self._epoch = epoch
        self._shards = numpy_generator(*self._seed, "shards", epoch).permutation(len(self._counts))
        ends = np.cumsum(self._counts[self._shards])[self._window - 1 :: self._window]
        self._bounds = np.concatenate([[0], ends[ends < self._first[-1]]])

    def _mix(self, epoch: int, window: int) -> None:
        shards = self._shards[window * self._window : (window + 1) * self._window]
        indices = np.concatenate(
            [np.arange(self._first[shard], self._first[shard + 1]) for shard in shards]
        )
        generator = numpy_generator(*self._seed, "window", epoch, window)
        self._mixed, self._indices = (epoch, window), generator.permutation(indices)


class BucketOrder:
    """Steps of one bucket each, drawn by how many examples the buckets have.

    Within a bucket every example is shown once an epoch of the bucket. All processes of a step
    draw the same bucket, as it follows from the seed and the number of the step.

    Args:
        bucket_of: int64 (examples,), the bucket of each.
        batch: samples of a step.
        seed: of the run.
    """

    _BLOCK = 4096
    """Steps whose buckets are drawn at once."""

    def __init__(self, bucket_of: np.ndarray, batch: int, *seed: str | int) -> None:
        counts = np.bincount(bucket_of)
        self._batch = batch
        self._seed = seed
        self._members = [np.flatnonzero(bucket_of == bucket) for bucket in range(len(counts))]
        self._orders = [
            WholeOrder(int(count), *seed, "bucket", bucket) for bucket, count in enumerate(counts)
        ]
        self._shares = counts / counts.sum()
        self._before = [np.zeros(len(counts), np.int64)]
        self._block = -1
        self._drawn = np.empty(0, np.int64)

    def __getitem__(self, number: int) -> int:
        step, place = divmod(number, self._batch)
        bucket = self.bucket(step)
        nth = self._earlier(step, bucket) * self._batch + place
        return int(self._members[bucket][self._orders[bucket][nth]])

    def bucket(self, step: int) -> int:
        """Of step number `step`, from 0."""
        block, place = divmod(step, self._BLOCK)
        if block != self._block:
            self._block, self._drawn = block, self._draw(block)
        return int(self._drawn[place])

    def another(self, number: int, draw: np.random.Generator) -> int:
        """An example that can stand in for that of a number: of the same bucket."""
        members = self._members[self.bucket(number // self._batch)]
        return int(members[draw.integers(len(members))])

    def _earlier(self, step: int, bucket: int) -> int:
        """How many steps before this one have the bucket."""
        block, place = divmod(step, self._BLOCK)
        while len(self._before) <= block:
            drawn = self._draw(len(self._before) - 1)
            counts = np.bincount(drawn, minlength=len(self._shares))
            self._before.append(self._before[-1] + counts)
        self.bucket(step)
        here = np.count_nonzero(self._drawn[:place] == bucket)
        return int(self._before[block][bucket]) + int(here)

    def _draw(self, block: int) -> np.ndarray:
        generator = numpy_generator(*self._seed, "buckets", block)
        return generator.choice(len(self._shares), self._BLOCK, p=self._shares)
