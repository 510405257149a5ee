"""Training on indexed tar shards: every sample once an epoch, exact numbers, flat memory."""

import io
import json
import subprocess
import sys
import tarfile
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from small_runs import small_config

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.models.checkpoint import load_model
from pyoco_eval.progress import Silent
from pyoco_eval.training.config import DataConfig
from pyoco_eval.training.data.examples import open_examples
from pyoco_eval.training.data.sample_order import WindowOrder
from pyoco_eval.training.data.samples import TrainingSamples
from pyoco_eval.training.data.shard_index import Shard, build_index, read_index
from pyoco_eval.training.run import train
from pyoco_eval.videos.write import write_video


def mp4(folder: Path, level: int, num_frames: int) -> bytes:
    frames = np.full((num_frames, 16, 16, 3), level, np.uint8)
    write_video(folder / f"{level}.mp4", frames, fps=8)
    return (folder / f"{level}.mp4").read_bytes()


def png(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (level,) * 3).save(file, "png")
    return file.getvalue()


def write_shard(path: Path, members: Sequence[tuple[str, bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Five shards of 3, 4, 5, 6 and 7 pictures; a picture's level is its number."""
    level = 0
    for number, count in enumerate((3, 4, 5, 6, 7)):
        members = []
        for place in range(count):
            members += [
                (f"{place:03d}.png", png(level)),
                (f"{place:03d}.txt", f"number {level}".encode()),
                (f"{place:03d}.cls", f"class {number}".encode()),
            ]
            level += 1
        write_shard(tmp_path / "set" / f"{number:03d}.tar", members)
    index = tmp_path / "set" / "shards.json"
    build_index(sorted((tmp_path / "set").glob("*.tar")), index, Silent())
    return index


def config(index: Path, **more: object) -> DataConfig:
    return DataConfig(source="shards", path=str(index), size=8, num_frames=1, **more)  # type: ignore[arg-type]


def test_the_index_counts_and_the_samples_are_those_of_the_shards(shards: Path) -> None:
    index = read_index(shards)
    assert [shard.samples for shard in index.shards] == [3, 4, 5, 6, 7]
    assert index.labels == tuple(f"class {n}" for n in range(5))
    examples = open_examples(config(shards))
    assert len(examples) == 25
    assert examples.class_names == index.labels
    found = [examples.read(i, np.random.default_rng(0)) for i in range(25)]
    assert [int(example.frames[0, 0, 0, 0]) for example in found] == list(range(25))
    assert found[7].caption == "number 7"
    assert [example.label for example in found[:4]] == [0, 0, 0, 1]


@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    window=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_every_epoch_shows_every_sample_once(counts: list[int], window: int, seed: int) -> None:
    order, total = WindowOrder(counts, window, seed), sum(counts)
    for epoch in range(2):
        shown = [order[number] for number in range(epoch * total, (epoch + 1) * total)]
        assert sorted(shown) == list(range(total))
        first = np.concatenate([[0], np.cumsum(counts)])
        shards = [int(np.searchsorted(first, index, side="right")) - 1 for index in shown]
        place = 0
        while place < total:  # a window is exactly so many shards, and holds them whole
            ahead = Counter[int]()
            while place < total and (len(ahead) < window or shards[place] in ahead):
                ahead[shards[place]] += 1
                place += 1
            assert all(ahead[shard] == counts[shard] for shard in ahead)


def test_any_place_is_found_without_what_came_before() -> None:
    counts = list(range(1, 40))
    order = WindowOrder(counts, 4, 7)
    whole = [order[number] for number in range(2 * sum(counts))]
    assert whole[: sum(counts)] != whole[sum(counts) :]
    for number in (1200, 3, 779, 780, 1559, 0):
        assert WindowOrder(counts, 4, 7)[number] == whole[number]
    assert [WindowOrder(counts, 4, 8)[number] for number in range(50)] != whole[:50]


def test_ten_million_samples_take_the_memory_of_one_window() -> None:
    counts = [1000] * 10_000
    tracemalloc.start()
    try:
        order = WindowOrder(counts, 8, 0)
        for number in range(0, 10_000_000, 999_999):
            order[number]
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_samples_of_a_run_are_functions_of_their_number(shards: Path) -> None:
    data = {"source": "shards", "path": str(shards), "size": 8, "num_frames": 1}
    run = small_config(shards.parent / "run", data={**data, "shuffle_shards": 2})

    def levels(numbers: Sequence[int]) -> list[int]:
        samples = TrainingSamples(run, open_examples(run.data))
        return [int(samples[number].video.frames[0, 0, 0, 0]) for number in numbers]  # type: ignore[union-attr]

    epoch = levels(range(25))
    assert sorted(epoch) == list(range(25))
    assert levels([20, 3, 11]) == [epoch[20], epoch[3], epoch[11]]


def test_few_shards_are_open_at_a_time(shards: Path) -> None:
    examples = open_examples(config(shards, shuffle_shards=2))
    order = examples.order(0)
    for number in range(50):
        examples.read(order[number], np.random.default_rng(0))
        assert len(examples._open) <= 3  # type: ignore[attr-defined]


def test_clips_are_cut_from_videos_in_shards(tmp_path: Path) -> None:
    members = [(f"{n}.mp4", mp4(tmp_path, 60 * n, 6 + n)) for n in range(4)]
    write_shard(tmp_path / "a.tar", members)
    build_index([tmp_path / "a.tar"], tmp_path / "shards.json", Silent())
    examples = open_examples(
        DataConfig(source="shards", path=str(tmp_path / "shards.json"), size=8, num_frames=4)
    )
    assert examples.fps == 8
    clip = examples.read(3, np.random.default_rng(0))
    assert clip.frames.shape == (4, 8, 8, 3)
    assert clip.frames.mean() == pytest.approx(180, abs=3)


def test_the_index_is_kept_up_and_a_changed_shard_is_noticed(shards: Path) -> None:
    folder = shards.parent
    write_shard(folder / "more" / "005.tar", [("a.png", png(25))])
    before = (folder / "000.tar").stat().st_atime_ns
    index = build_index(sorted(folder.rglob("*.tar")), shards, Silent())
    assert index.shards[-1] == Shard("more/005.tar", index.shards[-1].bytes, 1)
    assert index.num_samples == 26
    assert len(index.labels or ()) == 5, "labels of shards that are not read again stay"
    assert (folder / "000.tar").stat().st_atime_ns == before
    write_shard(folder / "000.tar", [("a.png", png(0))])
    examples = open_examples(config(shards))
    with pytest.raises(PyocoEvalError, match=r"000\.tar: has 1 samples .* run `pyoco-eval index`"):
        examples.read(0, np.random.default_rng(0))


def test_limit_takes_whole_shards(shards: Path) -> None:
    assert len(open_examples(config(shards, limit=5))) == 7
    assert len(open_examples(config(shards, limit=7))) == 7
    assert len(open_examples(config(shards, limit=1000))) == 25


def test_what_is_wrong_is_told(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="pyoco-eval index --shards"):
        open_examples(config(tmp_path / "no.json"))
    with pytest.raises(UsageError, match="shards hold their captions themselves"):
        open_examples(config(shards, captions="x.jsonl"))
    for text in ("{", "[]", '{"format": "x"}', '{"format": "pyoco-eval-shards-1"}', "[" * 10**5):
        shards.write_text(text)
        with pytest.raises(PyocoEvalError, match="is no index of shards"):
            read_index(shards)
    evil = {"format": "pyoco-eval-shards-1", "labels": []}
    for name in ("/etc/passwd", "../x.tar"):
        rows = [{"name": name, "bytes": 1, "samples": 1}]
        shards.write_text(json.dumps({**evil, "shards": rows}))
        with pytest.raises(PyocoEvalError, match="no name inside the folder"):
            read_index(shards)
    (tmp_path / "set" / "bad.tar").write_bytes(b"no archive" * 100)
    (tmp_path / "set" / "empty.tar").write_bytes(b"")
    shards.unlink()
    with pytest.raises(PyocoEvalError, match=r"(?s)2 shards cannot be used.*bad\.tar.*empty\.tar"):
        build_index(sorted(shards.parent.glob("*.tar")), shards, Silent())
    assert len(read_index(shards).shards) == 5, "what could be counted is kept"


def test_the_command_writes_the_index_that_a_run_trains_on(shards: Path, tmp_path: Path) -> None:
    shards.unlink()
    run = subprocess.run(
        [sys.executable, "-m", "pyoco_eval", "index", "--shards", f"{shards.parent}/*.tar",
         "--out", str(shards)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "25 samples in 5 shards, 5 classes" in run.stdout
    data = {"source": "shards", "path": str(shards), "size": 16, "num_frames": 1}
    config = small_config(tmp_path / "run", steps=3, condition={"labels": True}, data=data)
    model = load_model(train(config))
    assert model.info.labels == tuple(f"class {n}" for n in range(5))
    assert model.info.provenance["data"] == {"name": "set", "examples": 25}
