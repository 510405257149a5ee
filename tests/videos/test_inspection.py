"""The input doctor: facts per video, plain findings, differences from a reference."""

import shutil

import numpy as np
import pytest
from encoded_clips import encode, numbered_frame
from PIL import Image

from pyoco_eval.videos.inspection import Inspection, inspect_source
from pyoco_eval.videos.inspection_report import differences, duplicates, findings
from pyoco_eval.videos.readers.array_reader import Levels
from pyoco_eval.videos.source import find_videos


def inspect(path, value_range=None, workers=2) -> Inspection:
    return inspect_source(find_videos(path, levels=Levels(value_range)), workers=workers)


def said(inspection: Inspection) -> str:
    return "\n".join(findings(inspection))


@pytest.fixture
def mixed(tmp_path):
    encode(tmp_path / "a.mp4", num_frames=20)
    encode(tmp_path / "b.avi", "mpeg4", num_frames=12, rate=10)
    shutil.copy(tmp_path / "a.mp4", tmp_path / "copy.mp4")
    (tmp_path / "empty.mp4").write_bytes(b"")
    encode(tmp_path / "whole.mkv", "mpeg4", num_frames=30)
    content = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) * 3 // 4])
    (tmp_path / "notes.txt").write_text("x")
    return tmp_path


def test_facts_and_findings(mixed):
    inspection = inspect(mixed)
    facts = {video.path: video for video in inspection.videos}
    assert list(facts) == ["a.mp4", "b.avi", "copy.mp4", "cut.mkv", "empty.mp4", "whole.mkv"]
    assert (facts["a.mp4"].num_frames, facts["a.mp4"].fps, facts["a.mp4"].error) == (20, 25.0, None)
    assert facts["empty.mp4"].error == "is empty (0 bytes)"
    assert facts["empty.mp4"].num_frames == 0
    assert facts["empty.mp4"].width is None
    assert 0 < facts["cut.mkv"].num_frames < 30
    assert facts["cut.mkv"].error == f"is cut off after {facts['cut.mkv'].num_frames} frames"
    assert duplicates(inspection.videos) == [["a.mp4", "copy.mp4"]]
    text = said(inspection)
    assert "1 of 6 files cannot be read." in text
    assert "1 of 6 files breaks before the end." in text
    assert "2 videos are the same: a.mp4, copy.mp4." in text
    assert "2 different frame rates; 25 is the commonest (3)." in text
    assert "Videos have from 12 to 30 frames." in text
    assert "1 of 4 videos has fewer than 16 frames." in text
    assert "1 other file is no video" in text


def test_result_does_not_depend_on_threads(mixed):
    steps = []
    one = inspect(mixed, workers=1)
    source = find_videos(mixed)
    assert one == inspect_source(source, workers=8, on_video=lambda: steps.append(1))
    assert len(steps) == len(one.videos)


def test_same_pictures_in_different_files(tmp_path):
    pixels = np.stack([numbered_frame(number) for number in range(4)])
    np.save(tmp_path / "a.npy", pixels)
    np.savez_compressed(tmp_path / "b.npz", pixels)
    assert duplicates(inspect(tmp_path).videos) == [["a.npy", "b.npz"]]


def test_black_flat_and_frozen_videos(tmp_path):
    textured = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    np.save(tmp_path / "black.npy", np.full((4, 8, 8, 3), 5, np.uint8))
    np.save(tmp_path / "flat.npy", np.full((4, 8, 8, 3), 200, np.uint8))
    np.save(tmp_path / "flat2.npy", np.full((4, 8, 8, 3), 200, np.uint8))
    np.save(tmp_path / "frozen.npy", np.repeat(textured, 4, axis=0))
    np.save(tmp_path / "moving.npy", np.concatenate([textured, textured // 2]))
    inspection = inspect(tmp_path)
    remarks = {video.path: video.remarks for video in inspection.videos}
    assert remarks["black.npy"] == ("black",)
    assert remarks["flat.npy"] == ("each frame is one flat colour",)
    assert remarks["frozen.npy"] == ("frozen: its frames are all alike",)
    assert remarks["moving.npy"] == ()
    text = said(inspection)
    assert "1 of 5 videos is black throughout." in text
    assert "2 of 5 videos are made of flat colour only." in text
    assert "1 of 5 videos is frozen" in text


def test_nothing_suspicious(tmp_path):
    encode(tmp_path / "a.mp4")
    assert findings(inspect(tmp_path)) == ["Nothing suspicious was found."]


@pytest.mark.parametrize(
    ("array", "value_range", "remark"),
    [
        (np.linspace(0, 1, 192), "0..255", "no value above 1, although --value-range 0..255"),
        (np.linspace(0, 1, 192), "-1..1", "no value below 0, although --value-range -1..1"),
        (np.linspace(0, 1, 192) > 0.5, None, "were floats in 0..1 cast to uint8?"),
        (np.linspace(-1, 1, 192), None, "stored values from -1 to 1"),
    ],
)
def test_value_ranges(tmp_path, array, value_range, remark):
    kind = np.uint8 if array.dtype == bool else np.float32
    np.save(tmp_path / "a.npy", array.reshape(1, 8, 8, 3).astype(kind))
    (video,) = inspect(tmp_path, value_range).videos
    assert any(remark in text for text in video.remarks)
    assert video.dtype == np.dtype(kind).name
    assert (video.error is None) == (kind is np.uint8 or value_range is not None)
    if video.error:
        assert "--value-range" in video.error


def test_details_are_plain_json_values(tmp_path):
    array = np.zeros((2, 4, 4, 3), np.float32)
    array[0, 0, 0, 0] = np.nan
    np.save(tmp_path / "a.npy", array)
    (video,) = inspect(tmp_path, "0..1").videos
    assert "NaN" in video.error
    assert video.details()["extent"] == ["nan", "nan"]


def test_differences(tmp_path):
    for side in ("samples", "reference"):
        (tmp_path / side).mkdir()
    for number in range(3):
        encode(tmp_path / "reference" / f"{number}.mp4", num_frames=20 + number)
        folder = tmp_path / "samples" / str(number)
        folder.mkdir()
        for index in range(8):
            Image.fromarray(numbered_frame(index, 64 + 64, 96)).save(folder / f"{index}.png")
    samples, reference = inspect(tmp_path / "samples"), inspect(tmp_path / "reference")
    text = "\n".join(differences(samples, reference))
    assert "Size: samples 128 x 96, reference 128 x 64." in text
    assert "Aspect ratio: samples 1.33:1, reference 2:1." in text
    assert "Length: samples 8 frames, reference mostly 20 frames (3 kinds)." in text
    assert "Frame rate: samples unknown, reference 25." in text
    assert "Codec: samples png, reference h264." in text
    assert "Only the reference went through lossy compression" in text
    assert differences(reference, reference)[0] == "3 videos occur on both sides."
    assert "3 usable videos, the reference 2" in "\n".join(
        differences(reference, Inspection("part", reference.videos[:2]))
    )
    assert "nothing to compare" in differences(samples, Inspection("none", ()))[0]
