"""Training samples by number: sample n of a run is the same whoever reads it, and whenever.

Axes: B samples of a step, T frames of a video, N pictures that go with it, H, W.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.utils.data import Dataset

from pyoco_eval.errors import PyocoEvalError, UsageError, VideoError
from pyoco_eval.seeding import numpy_generator
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.data.buckets import own_bucket
from pyoco_eval.training.data.draws import Drawing, Draws
from pyoco_eval.training.data.example import Example, ExampleSet
from pyoco_eval.training.data.sample_order import BucketOrder
from pyoco_eval.training.data.video_examples import VideoExamples
from pyoco_eval.videos.clip_rule import ShortVideo

_MOST_REPLACEMENTS = 100


@dataclass(frozen=True)
class Replaced:
    """How many samples had to be replaced by others, and why.

    Attributes:
        short: too few frames for the clip, where `data.short` is `skip`.
        broken: could not be read, where `data.on_error` is `skip`.
    """

    short: int = 0
    broken: int = 0

    def __add__(self, other: "Replaced") -> "Replaced":
        return Replaced(self.short + other.short, self.broken + other.broken)

    def __bool__(self) -> bool:
        return bool(self.short or self.broken)

    def __str__(self) -> str:
        return f"{self.short} short and {self.broken} broken samples were replaced"


@dataclass(frozen=True)
class Batch:
    """Samples of one step.

    Attributes:
        numbers: of the samples in the run.
        frames: uint8 (B, T + N, H, W, 3); the pictures come after the video.
        captions: of the videos, B; empty strings where there is none.
        labels: int64 (B,), -1 for none.
        image_captions: of the pictures, B * N, sample by sample; so are `image_labels`.
        replaced: samples that others stand in for.
        draws: what is random about them; None where nobody has drawn it yet.
    """

    numbers: tuple[int, ...]
    frames: torch.Tensor
    captions: tuple[str, ...]
    labels: torch.Tensor
    image_captions: tuple[str, ...]
    image_labels: torch.Tensor
    replaced: Replaced = Replaced()
    draws: Draws | None = None

    def moved(
        self, move: Callable[[torch.Tensor], torch.Tensor], *, frames: bool = True
    ) -> "Batch":
        """With every tensor where `move` puts it; the frames stay unless asked for."""
        return replace(
            self,
            frames=move(self.frames) if frames else self.frames,
            labels=move(self.labels),
            image_labels=move(self.image_labels),
            draws=None if self.draws is None else self.draws.moved(move),
        )

    def split(self, size: int) -> list["Batch"]:
        """Parts of at most `size` samples, in order."""
        per_sample = len(self.image_captions) // len(self.numbers)
        parts = []
        for start in range(0, len(self.numbers), size):
            own = slice(start, start + size)
            images = slice(start * per_sample, (start + size) * per_sample)
            parts.append(
                Batch(
                    self.numbers[own],
                    self.frames[own],
                    self.captions[own],
                    self.labels[own],
                    self.image_captions[images],
                    self.image_labels[images],
                    draws=None if self.draws is None else self.draws.rows(own, images),
                )
            )
        return parts


class DrawnExamples:
    """A set of examples as an endless sequence; unusable ones are errors or are replaced.

    Args:
        short, on_error: `skip` replaces examples with too few frames, and those that cannot be
            read: one policy has no say in what the other is for.
        buckets: order of examples of several lengths and sizes; None for the set's own order.
    """

    def __init__(
        self,
        examples: ExampleSet,
        short: str,
        on_error: str,
        *seed: str | int,
        buckets: BucketOrder | None = None,
    ) -> None:
        self.examples = examples
        self._buckets = buckets
        self._skips_short = short == "skip"
        self._skips_broken = on_error == "skip"
        self._order = examples.order(*seed) if buckets is None else buckets
        self._seed = seed

    def read(self, number: int) -> tuple[Example, Replaced]:
        """The example of a number, and what was tried before it.

        Raises:
            VideoError: it cannot be used, and is not to be skipped.
            PyocoEvalError: neither can any of a hundred others.
        """
        index = self._order[number]
        replaced = Replaced()
        for attempt in range(_MOST_REPLACEMENTS):
            draw = numpy_generator(*self._seed, "draw", number, attempt)
            try:
                return self.examples.read(index, draw), replaced
            except ShortVideo:
                if not self._skips_short:
                    raise
                replaced += Replaced(short=1)
            except VideoError:
                if not self._skips_broken:
                    raise
                replaced += Replaced(broken=1)
            index = self._another(number, draw)
        raise PyocoEvalError(
            f"{self.examples.name}: {_MOST_REPLACEMENTS} samples in a row cannot be used "
            f"({replaced.short} are too short, {replaced.broken} cannot be read); "
            "`pyoco-eval inspect` says why"
        )

    def _another(self, number: int, draw: np.random.Generator) -> int:
        if self._buckets is not None:
            return self._buckets.another(number, draw)
        return int(draw.integers(len(self.examples)))


@dataclass(frozen=True)
class Sample:
    """What one number of a run stands for."""

    number: int
    video: Example
    images: tuple[Example, ...]
    replaced: Replaced


class TrainingSamples(Dataset[Sample | PyocoEvalError]):
    """All samples of a run, by number: a clip, or a picture, with the pictures that join it.

    Attributes:
        drawing: of what is random about them beside the data; None where nobody wants it.
    """

    def __init__(
        self,
        config: TrainConfig,
        examples: ExampleSet,
        images: ExampleSet | None = None,
        drawing: Drawing | None = None,
    ) -> None:
        def drawn(found: ExampleSet, data_key: str) -> DrawnExamples:
            data = config.data if data_key == "data" else config.joint.data
            return DrawnExamples(
                found, data.short, data.on_error, config.seed, data_key, buckets=self._buckets
            )

        self.drawing = drawing
        self._config = config
        self._buckets: BucketOrder | None = None
        if isinstance(examples, VideoExamples) and examples.bucket_of is not None:
            self._buckets = BucketOrder(examples.bucket_of, config.batch, config.seed, "data")
        self._videos = drawn(examples, "data")
        self._per_video = config.joint.per_video
        self._images = None if images is None else drawn(images, "images")
        self._needs_caption = bool(config.condition.encoders)

    def of_own_size(self, count: int) -> list[int]:
        """The first so many numbers whose samples have the length and size of the model."""
        numbers, batch = itertools.count(), self._config.batch
        if self._buckets is not None:
            data, order = self._config.data, self._buckets
            own = data.buckets.index(own_bucket(data))
            return list(
                itertools.islice((n for n in numbers if order.bucket(n // batch) == own), count)
            )
        return list(itertools.islice(numbers, count))

    def __getitem__(self, number: int) -> Sample | PyocoEvalError:
        """Errors are returned: raised in a reading process, they would arrive as tracebacks."""
        try:
            return self._read(number)
        except PyocoEvalError as error:
            kind = UsageError if isinstance(error, UsageError) else PyocoEvalError
            return kind(str(error))

    def _read(self, number: int) -> Sample:
        video, replaced = self._videos.read(number)
        images = []
        if self._images is not None:
            for place in range(number * self._per_video, (number + 1) * self._per_video):
                image, more = self._images.read(place)
                images.append(image)
                replaced += more
        if self._needs_caption:
            for example in (video, *images):
                if example.caption is None:
                    raise UsageError(
                        "condition.encoders: a sample has no caption; name a manifest in "
                        "data.captions, or leave the encoders out"
                    )
        return Sample(number, video, tuple(images), replaced)


def collate(
    found: list[Sample | PyocoEvalError], drawing: Drawing | None = None
) -> Batch | PyocoEvalError:
    """Samples side by side, with their draws if asked for, or the first error among them."""
    samples = [sample for sample in found if isinstance(sample, Sample)]
    for error in found:
        if isinstance(error, PyocoEvalError):
            return error
    images = [image for sample in samples for image in sample.images]
    frames = np.stack(
        [
            np.concatenate([sample.video.frames, *(image.frames for image in sample.images)])
            for sample in samples
        ]
    )
    numbers = tuple(sample.number for sample in samples)
    return Batch(
        numbers,
        torch.from_numpy(frames),
        tuple(sample.video.caption or "" for sample in samples),
        torch.tensor([sample.video.label for sample in samples], dtype=torch.int64),
        tuple(image.caption or "" for image in images),
        torch.tensor([image.label for image in images], dtype=torch.int64),
        sum((sample.replaced for sample in samples), Replaced()),
        None if drawing is None else drawing(numbers, frames.shape),
    )
