"""Sample n of a run is the same for every reader; every epoch shows everything once."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import small_config
from torch.utils.data._utils import signal_handling

from pyoco_eval.errors import PyocoEvalError, UsageError, VideoError
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.training.config import DataConfig
from pyoco_eval.training.data.batches import Batches
from pyoco_eval.training.data.example import Example
from pyoco_eval.training.data.examples import ShapesExamples, open_examples
from pyoco_eval.training.data.sample_order import Order, WholeOrder
from pyoco_eval.training.data.samples import (
    Batch,
    DrawnExamples,
    TrainingSamples,
    collate,
)


class Numbers:
    """Frames of one colour, the example's index; every third cannot be read."""

    name = "numbers"
    class_names = ()
    fps = None

    def __len__(self) -> int:
        return 9

    def order(self, *seed: str | int) -> Order:
        return WholeOrder(9, *seed)

    def read(self, index: int, draw: np.random.Generator) -> Example:
        if index % 3 == 2:
            raise VideoError(f"video {index}", "is damaged")
        return Example(np.full((1, 8, 8, 3), index, np.uint8))


def test_every_epoch_shows_everything_once_in_an_order_of_its_own() -> None:
    order = WholeOrder(50, 0, "data")
    epochs = [[order[number] for number in range(start, start + 50)] for start in (0, 50)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(50))] * 2
    assert epochs[0] != epochs[1]
    again = WholeOrder(50, 0, "data")
    assert [again[number] for number in (77, 3, 51)] == [order[number] for number in (77, 3, 51)]
    assert [WholeOrder(50, 1, "data")[n] for n in range(50)] != epochs[0]


def test_unusable_samples_are_errors_or_are_replaced_and_counted() -> None:
    strict = DrawnExamples(Numbers(), "error", "error", 0)
    lenient = DrawnExamples(Numbers(), "error", "skip", 0)
    order = WholeOrder(9, 0)
    skipped = 0
    for number in range(9):
        example, replaced = lenient.read(number)
        assert example.frames[0, 0, 0, 0] % 3 != 2
        skipped += replaced.broken > 0
        assert replaced.short == 0
        if order[number] % 3 == 2:
            with pytest.raises(VideoError, match="is damaged"):
                strict.read(number)
    assert skipped == 3


def test_a_set_without_anything_usable_is_an_error() -> None:
    class Broken(Numbers):
        def read(self, index: int, draw: np.random.Generator) -> Example:
            raise VideoError("v", "is damaged")

    with pytest.raises(PyocoEvalError, match="numbers: 100 samples in a row cannot be used"):
        DrawnExamples(Broken(), "skip", "skip", None, 0).read(0)


def test_processes_share_a_step_and_together_have_all_of_it(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    samples = TrainingSamples(config, open_examples(config.data))

    def numbers(rank: int, size: int) -> list[tuple[int, ...]]:
        found = Batches(samples, range(2, 4), 4, workers=0, rank=rank, size=size)
        return [batch.numbers for batch in found]

    assert numbers(0, 1) == [(8, 9, 10, 11), (12, 13, 14, 15)]
    assert numbers(0, 2) == [(8, 9), (12, 13)]
    assert numbers(1, 2) == [(10, 11), (14, 15)]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_errors_of_reading_processes_arrive_as_what_they_are(tmp_path: Path) -> None:
    samples = TrainingSamples(small_config(tmp_path, condition={}), Numbers())
    with pytest.raises(PyocoEvalError, match=r"^video \d: is damaged$"):
        list(Batches(samples, range(3), 4, workers=1))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_signal_while_reading_processes_start_kills_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch gives each a handler that lets a stranger's SIGTERM kill it; ours comes after."""
    honest = signal_handling._set_worker_signal_handlers

    def told() -> None:
        honest()
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(signal_handling, "_set_worker_signal_handlers", told)
    config = small_config(tmp_path)
    samples = TrainingSamples(config, open_examples(config.data))
    with Batches(samples, range(2), 4, workers=1) as source:
        assert [batch.numbers for batch in source] == [(0, 1, 2, 3), (4, 5, 6, 7)]


def test_encoders_without_captions_are_refused(tmp_path: Path) -> None:
    found = collate([TrainingSamples(small_config(tmp_path), Numbers())[1]])
    assert isinstance(found, UsageError)
    assert "a sample has no caption" in str(found)


def test_frames_of_shapes_are_frames_of_their_clips() -> None:
    examples = ShapesExamples(DataConfig(size=16, num_frames=1))
    clips = MovingShapes("train", 16, 16)
    seen = set()
    for number in range(12):
        example = examples.read(5, np.random.default_rng(number))
        matches = [p for p in range(16) if np.array_equal(example.frames[0], clips[5].frames[p])]
        assert matches
        seen |= set(matches)
    assert len(seen) > 4
    assert example.caption == clips[5].caption


def test_clips_of_shapes_start_at_their_beginning() -> None:
    draw = np.random.default_rng(0)
    clip = ShapesExamples(DataConfig(size=16, num_frames=4, stride=2)).read(7, draw)
    assert np.array_equal(clip.frames, MovingShapes("train", 16, 16)[7].frames[:8:2])


def test_pictures_stay_with_their_video_when_a_batch_is_split(tmp_path: Path) -> None:
    config = small_config(
        tmp_path,
        data={"source": "shapes", "size": 16, "num_frames": 3},
        joint={"per_video": 2, "data": {"source": "shapes", "split": "val", "size": 16}},
    )
    samples = TrainingSamples(config, open_examples(config.data), open_examples(config.joint.data))
    batch = next(iter(Batches(samples, range(1), 4, workers=0)))
    assert batch.frames.shape == (4, 5, 16, 16, 3)
    assert (len(batch.captions), len(batch.image_captions)) == (4, 8)
    parts = batch.split(3)
    assert [part.numbers for part in parts] == [(0, 1, 2), (3,)]
    assert parts[1].image_captions == batch.image_captions[6:]
    assert torch.equal(parts[1].image_labels, batch.image_labels[6:])
    single = collate([samples[3]])
    assert isinstance(single, Batch)
    assert single.image_captions == parts[1].image_captions
    assert torch.equal(single.frames, parts[1].frames)
