"""Oddities of folders of frames: each has a rule, and the reason names the files."""

from pathlib import Path

import pytest
from encoded_clips import numbered_frame
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pyoco_eval.errors import VideoError
from pyoco_eval.videos.listing.frame_series import COVERS, MASKS, frame_series
from pyoco_eval.videos.readers.stored_file import LocalFile
from pyoco_eval.videos.source import open_source


def series(*names: str):
    return frame_series([LocalFile(Path(name)) for name in names])


def order(*names: str) -> list[str]:
    found = series(*names)
    assert found.problem is None, found.problem
    return [file.name for file in found.frames]


@pytest.mark.parametrize(
    "names",
    [
        ("frame2.png", "frame10.png"),
        ("0009.png", "0010.png", "0011.png"),
        ("t=-1.0000.png", "t=-0.5000.png", "t=0.0000.png", "t=0.5000.png"),
        ("t=-0.5.png", "t=-0.25.png", "t=0.0.png", "t=0.25.png"),
        ("f_-2.png", "f_-1.png", "f_0.png", "f_1.png"),
        ("-2.png", "-1.png", "0.png"),
        ("shot-0001.png", "shot-0002.png", "shot-0003.png"),
        ("2024-05-01_0001.png", "2024-05-01_0002.png"),
        ("v1.9.png", "v1.10.png", "v1.11.png"),
        ("frame_1_time_0033.png", "frame_2_time_0067.png", "frame_3_time_0100.png"),
        ("a.png", "b.png", "c.png"),
        ("0000.png", "0004.png", "0008.png", "0012.png"),
        ("100.png", "133.png", "167.png", "200.png"),
        ("5.png",),
    ],
)
def test_order(names):
    assert order(*names) == list(names)
    assert order(*reversed(names)) == list(names)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("f1.jpg", "f1.png", "f2.png"), "one frame twice, f1.jpg and f1.png"),
        (("1.png", "01.png", "2.png"), "one frame twice"),
        (("a.png", "a.jpg"), "one frame twice, a.jpg and a.png"),
        (("1.png", "2.png", "3.png", "4.png", "7.png"), "lacks 2 .* between 4.png and 7.png"),
        (("0.png", "4.png", "8.png", "16.png"), "lacks 1 of its frames: between 8.png and 16"),
        (("a1.png", "a2.png", "b1.png"), r"2 series of pictures.*a# \(2\), b# \(1\)"),
        (("v1_f1.png", "v1_f2.png", "v2_f1.png", "v2_f2.png"), "several videos"),
        (("3fa9.png", "b2c7.png", "91dd.png"), "series of pictures, not one"),
        (("1.png", "2.png", "logo.png"), "2 series"),
    ],
)
def test_problems(names, said):
    found = series(*names)
    assert found.problem is not None
    assert __import__("re").search(said, found.problem), found.problem


@pytest.mark.parametrize(
    ("frames", "others", "what"),
    [
        (("0001.png", "0002.png"), ("0001_mask.png", "0002_mask.png"), MASKS),
        (("0001.png", "0002.png"), ("depth_0001.png", "0002.depth.png"), MASKS),
        (("f1.png", "f2.png"), ("preview.png", "cover.jpg"), COVERS),
    ],
)
def test_companions_are_left_out_and_counted(frames, others, what):
    found = series(*frames, *others)
    assert found.problem is None
    assert [file.name for file in found.frames] == list(frames)
    assert sorted(file.name for file, _ in found.left) == sorted(others)
    assert {word for _, word in found.left} == {what}


def test_masks_alone_are_frames():
    assert order("mask_1.png", "mask_2.png") == ["mask_1.png", "mask_2.png"]


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=1), st.integers(2, 30), st.randoms())
def test_any_series_without_gaps_is_put_in_order(start, count, random):
    numbers = list(range(start[0], start[0] + count))
    shuffled = [f"t={number}.png" for number in numbers]
    random.shuffle(shuffled)
    assert order(*shuffled) == [f"t={number}.png" for number in numbers]


@given(st.integers(4, 30), st.data())
def test_any_missing_number_is_noticed(count, data):
    lost = data.draw(st.integers(1, count - 2))
    names = [f"{number:04d}.png" for number in range(count) if number != lost]
    if count == 4:
        names.append("0004.png")
    assert "lacks 1 of its frames" in (series(*names).problem or "")


def save(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.fromarray(numbered_frame(number)).save(folder / name)


def test_the_reason_reaches_the_user(tmp_path):
    save(tmp_path / "gap", "1.png", "2.png", "3.png", "6.png")
    save(tmp_path / "twice", "1.png", "1.jpg", "2.png")
    save(tmp_path / "masked", "1.png", "2.png", "1_mask.png", "2_mask.png")
    gap, masked, twice = open_source(tmp_path)
    for video, said in ((gap, "lacks 2 of its frames"), (twice, "one frame twice")):
        assert len(video.digest()) == 64
        for ask in (video.count_frames, video.probe, lambda v=video: v.read([0])):
            with pytest.raises(VideoError, match=said):
                ask()
    assert masked.count_frames() == 2
    source = open_source(tmp_path)
    assert source.left.sentence() == "2 files were left out: 2 .png (masks and maps)."


@pytest.mark.parametrize("suffix", [".webp", ".bmp", ".tif", ".jpeg", ".ppm"])
def test_frames_of_every_format(tmp_path, suffix):
    save(tmp_path / "a", *(f"{number}{suffix}" for number in range(3)))
    (video,) = open_source(tmp_path)
    assert (video.id, video.count_frames()) == ("a", 3)


def test_folders_of_systems_are_passed_over(tmp_path):
    save(tmp_path / "a", "1.png", "2.png")
    for junk in ("@eaDir", "__MACOSX", ".ipynb_checkpoints", "#recycle", "lost+found"):
        save(tmp_path / "a" / junk, "1.png")
        save(tmp_path / junk, "9.png")
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "a" / "desktop.ini").write_bytes(b"x")
    source = open_source(tmp_path)
    assert [video.id for video in source] == ["a"]
    assert source[0].count_frames() == 2
    assert source.ignored == 0


def test_folders_of_masks_beside_frames_are_left_out(tmp_path):
    for clip in ("a", "b"):
        save(tmp_path / clip / "frames", "1.png", "2.png")
        save(tmp_path / clip / "Masks", "1.png", "2.png")
    source = open_source(tmp_path)
    assert [video.id for video in source] == ["a/frames", "b/frames"]
    assert source.left.sentence() == "4 files were left out: 4 .png (masks and maps)."
    assert [video.id for video in open_source(tmp_path / "a" / "Masks")] == ["Masks"]
