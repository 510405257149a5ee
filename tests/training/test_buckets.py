"""Several lengths and sizes in one run: who goes where, and that samples stay functions of their
number."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from process_runs import (
    TRAIN,
    assert_close_weights,
    assert_same_bits,
    final,
    finish,
    finish_all,
    losses,
    start,
    start_together,
    written,
)
from small_runs import small_config

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.models.checkpoint import ModelInfo
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.sampling_notes import sampling_notes
from pyoco_eval.priors import parse_prior
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.data.batches import Batches
from pyoco_eval.training.data.buckets import nearest_bucket
from pyoco_eval.training.data.examples import open_examples
from pyoco_eval.training.data.sample_order import BucketOrder
from pyoco_eval.training.data.samples import TrainingSamples
from pyoco_eval.training.data.video_examples import VideoExamples
from pyoco_eval.training.memory import plan_memory
from pyoco_eval.training.run import train
from pyoco_eval.videos.write import write_video

BUCKETS = [[4, 16, 16], [4, 8, 16], [2, 16, 16]]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Of the three buckets 3, 2 and 2 videos."""
    shapes = {"square": (20, 20, 6, 3), "wide": (16, 30, 6, 2), "short": (20, 20, 3, 2)}
    for name, (height, width, num_frames, count) in shapes.items():
        for number in range(count):
            noise = np.random.default_rng(number).integers(0, 255, (num_frames, height, width, 3))
            write_video(tmp_path / "videos" / f"{name}{number}.mp4", noise.astype(np.uint8), fps=8)
    return tmp_path / "videos"


def bucketed(videos: Path, **data: Any) -> dict[str, Any]:
    own = {"source": "videos", "path": str(videos), "size": 16, "num_frames": 4}
    return {
        "condition": {},
        "data": {**own, "buckets": BUCKETS, **data},
        "batch": 2,
        "steps": 6,
    }


def samples_of(config: TrainConfig) -> TrainingSamples:
    return TrainingSamples(config, open_examples(config.data))


@pytest.mark.parametrize(
    ("num_frames", "height", "width", "expected"),
    [
        (20, 480, 640, (16, 48, 64)),  # its aspect, the longest
        (20, 360, 640, (16, 36, 64)),
        (10, 360, 640, (8, 48, 64)),  # too short for the only wide one
        (10, 100, 100, (8, 128, 128)),
        (3, 48, 64, (8, 48, 64)),  # too short for all: the shortest, and `short` has its say
        (9, 1000, 1000, (8, 128, 128)),  # of one aspect and length, the area nearest to its own
        (9, 90, 90, (8, 64, 64)),
        (20, 640, 360, (8, 128, 128)),  # squares are nearest to upright frames
    ],
)
def test_the_nearest_bucket(
    num_frames: int, height: int, width: int, expected: tuple[int, int, int]
) -> None:
    buckets = [(16, 36, 64), (8, 48, 64), (16, 48, 64), (8, 64, 64), (8, 128, 128)]
    fits = [length <= num_frames for length, _, _ in buckets]
    assert buckets[nearest_bucket(buckets, fits, height, width)] == expected


def test_steps_are_of_one_bucket_and_epochs_show_all() -> None:
    bucket_of = np.array([0] * 30 + [2] * 10 + [0] * 20)
    order = BucketOrder(bucket_of, 5, 0, "data")
    found = [[order[step * 5 + place] for place in range(5)] for step in range(600)]
    shown: dict[int, list[int]] = {0: [], 2: []}
    for step, indices in enumerate(found):
        assert {int(bucket_of[index]) for index in indices} == {order.bucket(step)}
        shown[order.bucket(step)] += indices
    for bucket, indices in shown.items():
        members = np.flatnonzero(bucket_of == bucket).tolist()
        for first in range(0, len(indices) - len(members), len(members)):
            assert sorted(indices[first : first + len(members)]) == members
    assert len(shown[2]) / 3000 == pytest.approx(1 / 6, abs=0.06)  # four standard deviations


def test_a_sample_of_buckets_is_a_function_of_its_number() -> None:
    """Read in any order, also beyond the steps whose buckets are drawn at once."""
    bucket_of = np.arange(40) % 3
    numbers = [30_000, 3, 12_288, 8_191, 8_192, 29_999, 4]
    one = BucketOrder(bucket_of, 2, 7)
    there = [one[number] for number in numbers]
    assert there == [BucketOrder(bucket_of, 2, 7)[number] for number in numbers]
    straight = BucketOrder(bucket_of, 2, 7)
    whole = [straight[number] for number in range(30_001)]
    assert there == [whole[number] for number in numbers]
    assert max(Counter(whole).values()) < 1.2 * min(Counter(whole).values())
    assert [BucketOrder(bucket_of, 2, 8)[n] for n in range(40)] != whole[:40]


def test_videos_go_where_their_aspect_and_length_say(videos: Path, tmp_path: Path) -> None:
    examples = open_examples(small_config(tmp_path, **bucketed(videos)).data)
    assert isinstance(examples, VideoExamples)
    assert examples.bucket_of is not None
    assert examples.bucket_of.tolist() == [2, 2, 0, 0, 0, 1, 1]
    shapes = [examples.read(i, np.random.default_rng(0)).frames.shape[:3] for i in range(7)]
    assert shapes == [tuple(BUCKETS[b]) for b in examples.bucket_of]


@pytest.mark.parametrize("workers", [0, 2])
def test_processes_and_workers_make_no_difference(
    videos: Path, tmp_path: Path, workers: int
) -> None:
    samples = samples_of(small_config(tmp_path, **bucketed(videos)))
    with Batches(samples, range(16), 2, workers=0) as batches:
        alone = list(batches)
    assert len({batch.frames.shape for batch in alone[3:]}) == 3
    parts = []
    for rank in range(2):
        with Batches(samples, range(3, 16), 2, workers=workers, rank=rank, size=2) as batches:
            parts.append(list(batches))
    for whole, first, second in zip(alone[3:], *parts, strict=True):
        assert torch.equal(whole.frames, torch.cat([first.frames, second.frames]))


def test_what_replaces_a_sample_is_of_its_bucket(videos: Path, tmp_path: Path) -> None:
    (videos / "wide0.mp4").write_bytes((videos / "wide0.mp4").read_bytes()[:600])
    config = small_config(tmp_path, **bucketed(videos, on_error="skip"))
    with Batches(samples_of(config), range(12), 2, workers=0) as batches:
        assert sum(batch.replaced.broken for batch in batches) > 0
    strict = samples_of(small_config(tmp_path, **bucketed(videos)))
    with pytest.raises(PyocoEvalError, match=r"wide0.mp4"):
        list(Batches(strict, range(12), 2, workers=0))


def test_a_run_of_buckets_goes_on_bit_for_bit(videos: Path, tmp_path: Path) -> None:
    log = {"every": 1, "checkpoint_every": 3, "samples_every": 3, "num_samples": 3,
           "sampler": "deis:order=1,num_steps=2"}  # fmt: skip
    config = small_config(tmp_path / "parts", **bucketed(videos), log=log)
    train(replace(config, steps=3))
    train(config)
    train(replace(config, out=str(tmp_path / "whole")))
    assert_same_bits(final(tmp_path / "parts"), final(tmp_path / "whole"))
    assert (tmp_path / "whole" / "samples" / "step-00000006.png").is_file()
    info = json.loads((tmp_path / "whole" / "model" / "model.json").read_text())
    assert (info["num_frames"], info["size"]) == (4, [16, 16])
    assert info["provenance"]["buckets"] == BUCKETS


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["ddp", "fsdp"])
def test_two_processes_train_on_the_same_buckets(
    videos: Path, tmp_path: Path, sharding: str
) -> None:
    config, alone = written(tmp_path / "one", **bucketed(videos))
    finish(start(config))
    config, together = written(tmp_path / "two", **bucketed(videos), hardware__sharding=sharding)
    finish_all(start_together(2, [*TRAIN, str(config)]))
    assert losses(together) == pytest.approx(losses(alone), rel=1e-5)
    assert_close_weights(final(together), final(alone))


def test_sizes_of_buckets_are_sampled_without_a_note() -> None:
    provenance = {"buckets": [[8, 16, 16], [4, 16, 32], "no bucket"]}
    info = ModelInfo(PRESETS["test"], "video", 8, 8.0, (16, 16), provenance=provenance)

    def noted(num_frames: int, size: tuple[int, int]) -> str:
        prior = parse_prior("independent")
        return "; ".join(sampling_notes(info, prior, num_frames, 1.0, size))

    assert noted(8, (16, 16)) == noted(4, (16, 32)) == ""
    assert "8 frames are asked for, the model was trained on 4" in noted(8, (16, 32))
    assert "32x32 are asked for, the model was trained on 16x16, 16x32" in noted(8, (32, 32))


def test_memory_is_that_of_the_largest_bucket(videos: Path, tmp_path: Path) -> None:
    tree = bucketed(videos)
    plain = plan_memory(small_config(tmp_path, **bucketed(videos, buckets=[])))
    assert plan_memory(small_config(tmp_path, **tree)).memory == plain.memory


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"buckets": [[4, 16, 16], [4, 16, 17]]}, r"data.buckets: 16x17 is no multiple of 2"),
        ({"buckets": [[4, 16, 32]]}, r"4 frames of 16 are none of data.buckets"),
        ({"buckets": [[4, 16, 16], [6, 16, 16]]}, r"data.num_frames: must be that of the longest"),
        ({"buckets": [[4, 16, 16], [4, 16, 16]]}, r"data.buckets: names one of them twice"),
        ({"buckets": [[4, 16, 16], [0, 16, 4]]}, r"frames are 1 or more, and 8 pixels or more"),
        ({"buckets": [[4, 16]]}, r"data.buckets"),
        ({"source": "shapes", "path": None}, r"data.buckets: shapes have no lengths"),
        ({"size": [32, 8], "buckets": [[4, 32, 8], [4, 16, 16]]}, r"no video is nearest to"),
    ],
)
def test_buckets_that_cannot_be(
    videos: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(small_config(tmp_path / "run", **bucketed(videos, **changes)))


def test_held_out_samples_have_the_size_of_the_model(videos: Path, tmp_path: Path) -> None:
    validation = {"every": 1, "samples": 2, "data": {"limit": 2}}
    config = small_config(tmp_path / "run", **{**bucketed(videos), "validation": validation})
    assert config.validation.data.buckets == ()
    train(replace(config, steps=1))
    validation = {"every": 1, "data": {"limit": 2, "buckets": BUCKETS}}
    with pytest.raises(UsageError, match=r"validation.data.buckets: held-out data has one"):
        small_config(tmp_path, **{**bucketed(videos), "validation": validation})


def test_pictures_do_not_join_buckets(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"data.buckets: pictures join videos of one size"):
        small_config(tmp_path, **bucketed(videos), joint={"per_video": 1})
