"""Clips and pictures from files: which frames, which labels, and the cache."""

import io
import tarfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pyoco_eval.errors import UsageError, VideoError
from pyoco_eval.training.config import DataConfig
from pyoco_eval.training.data.clip_cutter import drawn_indices
from pyoco_eval.training.data.examples import open_examples
from pyoco_eval.videos.clip_rule import ClipRule
from pyoco_eval.videos.pacing import ConstantPace
from pyoco_eval.videos.write import write_video


def counting(num_frames: int, size: int = 16) -> np.ndarray:
    """Frames whose grey level is 10 times their number."""
    levels = 10 * np.arange(num_frames, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (num_frames, size, size, 3)).copy()


def picture(level: int, size: int = 16) -> Image.Image:
    return Image.new("RGB", (size, size), (level, level, level))


def level(frames: np.ndarray) -> list[int]:
    return [int(value) for value in frames[:, 4, 4, 0]]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    for name, num_frames in (("run/a", 12), ("run/b", 5), ("walk/c", 20)):
        write_video(tmp_path / "videos" / f"{name}.npz", counting(num_frames), fps=10)
    return tmp_path / "videos"


def test_clips_are_frames_in_a_row_from_a_drawn_place(videos: Path) -> None:
    examples = open_examples(
        DataConfig(source="videos", path=str(videos), size=8, num_frames=3, stride=2)
    )
    starts = set()
    for seed in range(30):
        levels = level(examples.read(0, np.random.default_rng(seed)).frames)
        assert np.diff(levels).tolist() == [20, 20]
        starts.add(levels[0] // 10)
    assert starts == set(range(8)), "12 frames leave 8 places for a span of 5"
    assert examples.read(0, np.random.default_rng(0)).frames.shape == (3, 8, 8, 3)


def test_single_frames_are_drawn_from_all_of_a_video(videos: Path) -> None:
    examples = open_examples(DataConfig(source="videos", path=str(videos), size=8, num_frames=1))
    seen = {level(examples.read(1, np.random.default_rng(seed)).frames)[0] for seed in range(60)}
    assert seen == {0, 10, 20, 30, 40}


def test_labels_come_from_folders_where_nothing_states_them(videos: Path) -> None:
    examples = open_examples(DataConfig(source="videos", path=str(videos), size=8, num_frames=1))
    assert examples.class_names == ("run", "walk")
    draw = np.random.default_rng(0)
    assert [examples.read(index, draw).label for index in range(3)] == [0, 0, 1]


def test_the_cache_gives_the_same_frames_and_is_used(videos: Path, tmp_path: Path) -> None:
    plain = DataConfig(source="videos", path=str(videos), size=8, num_frames=3)
    cached = DataConfig(
        source="videos", path=str(videos), size=8, num_frames=3, cache=str(tmp_path / "cache")
    )
    for _ in range(2):
        one, other = open_examples(plain), open_examples(cached)
        for index in range(3):
            expected = one.read(index, np.random.default_rng(index)).frames
            found = other.read(index, np.random.default_rng(index)).frames
            assert np.array_equal(found, expected)
    files = sorted((tmp_path / "cache").iterdir())
    assert len(files) == 3
    for file in files:
        stored = np.load(file)
        np.save(file, stored + 1)
    changed = open_examples(cached).read(0, np.random.default_rng(0)).frames
    assert level(changed)[0] % 10 == 1, "the second reading came from the cache"


def test_a_video_that_changed_is_cached_anew(videos: Path, tmp_path: Path) -> None:
    config = DataConfig(
        source="videos", path=str(videos), size=8, num_frames=1, cache=str(tmp_path / "cache")
    )
    open_examples(config).read(1, np.random.default_rng(0))
    write_video(videos / "run" / "b.npz", 200 + counting(3), fps=10)
    found = open_examples(config).read(1, np.random.default_rng(0)).frames
    assert level(found)[0] >= 200


@pytest.mark.parametrize(("short", "expected"), [("loop", [0, 1, 2, 3, 4, 0, 1]), ("error", None)])
def test_short_videos(short: str, expected: list[int] | None) -> None:
    rule = ClipRule(7, "random", seed=3, short=short)  # type: ignore[arg-type]
    if expected is None:
        with pytest.raises(VideoError, match="needs 7 frames, the video has 5"):
            drawn_indices(rule, "v", 5)
    else:
        assert list(drawn_indices(rule, "v", 5)) == expected


def test_a_frame_rate_takes_every_other_frame_of_a_rate_twice_as_high() -> None:
    rule = ClipRule(4, "random", fps=5.0, seed=1)
    indices = drawn_indices(rule, "v", 40, ConstantPace(Fraction(2)))
    assert np.diff(indices).tolist() == [2, 2, 2]


def test_mirrored_frames(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(0, 160, 10, dtype=np.uint8)[None, None, :, None], (1, 16, 1, 3))
    write_video(tmp_path / "v.npz", ramp)
    examples = open_examples(
        DataConfig(source="videos", path=str(tmp_path), size=16, num_frames=1, flip=True)
    )
    firsts = [
        int(examples.read(0, np.random.default_rng(seed)).frames[0, 0, 0, 0]) for seed in range(40)
    ]
    assert set(firsts) == {0, 150}
    assert 8 < firsts.count(0) < 32


def test_folders_manifests_and_shards_of_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    for name, grey in (("cat/1.png", 10), ("cat/2.jpg", 20), ("dog/1.png", 30)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(grey).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    (tmp_path / "list.csv").write_text(
        "path,caption,label\npictures/dog/1.png,a dog,dog\npictures/cat/1.png,a cat,cat\n"
    )
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        for name, content in (
            ("0001.png", _png(40)), ("0001.txt", b"a fox"), ("0001.cls", b"fox"),
            ("0002.png", _png(50)), ("0002.txt", b"an owl"), ("0002.cls", b"owl"),
        ):  # fmt: skip
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))

    def everything(path: Path) -> list[tuple[int, str | None, int]]:
        examples = open_examples(DataConfig(source="images", path=str(path), size=8, num_frames=1))
        draw = np.random.default_rng(0)
        read = [examples.read(index, draw) for index in range(len(examples))]
        return [(level(e.frames)[0], e.caption, e.label) for e in read]

    assert everything(folder) == [(10, None, 0), (20, None, 0), (30, None, 1)]
    assert everything(tmp_path / "list.csv") == [(30, "a dog", 1), (10, "a cat", 0)]
    assert everything(tmp_path / "shard.tar") == [(40, "a fox", 0), (50, "an owl", 1)]


def _png(grey: int) -> bytes:
    buffer = io.BytesIO()
    picture(grey).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (DataConfig(source="images", path="nowhere", num_frames=1), "nowhere: no such file"),
        (DataConfig(source="videos", path="nowhere"), "nowhere: no such file"),
        (DataConfig(source="videos", path=".", split="train"), "data.split: videos have no splits"),
        (DataConfig(source="shapes", path="here"), "data.path: the moving shapes are no files"),
    ],
)
def test_what_is_not_there_is_told(config: DataConfig, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_examples(config)


def test_pictures_a_manifest_names_wrongly_are_listed(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,caption\nmissing.png,x\nclip.mp4,y\n")
    with pytest.raises(UsageError, match=r"2 rows cannot be used:\n  line 2: missing.png: no such"):
        open_examples(DataConfig(source="images", path=str(tmp_path / "list.csv"), num_frames=1))


def test_an_unknown_resize_is_told(tmp_path: Path) -> None:
    write_video(tmp_path / "v.npz", counting(3))
    config = DataConfig(source="videos", path=str(tmp_path), resize="lanczos-crop")
    with pytest.raises(UsageError, match=r"data.resize: .*lanczos"):
        open_examples(config)
