"""The real clips against what is known of each."""

import csv
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pyoco_eval.errors import VideoError
from pyoco_eval.videos.inspection import inspect_source
from pyoco_eval.videos.source import VideoSource, open_source

BROKEN = {
    "decord_corrupted.mp4": "breaks after 28 frames",
    "mp4p_afconvert-aac-0.5s.mp4": "has no video stream",
    "mp4p_chunk_out_of_range.mp4": "cannot be opened",
    "webm_invalid_vp9_bitstream-bug_1416.webm": "claims frames of 12336 x 12336",
}


@pytest.fixture(scope="module")
def clips(shared_data: Path) -> Path:
    return shared_data / "videos"


@pytest.fixture(scope="module")
def known(clips: Path) -> dict[str, dict[str, str]]:
    with (clips / "videos.csv").open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def source(clips: Path) -> VideoSource:
    return open_source(clips)


def test_lists_all_clips_in_order_and_counts_the_rest(source, known):
    assert [video.id for video in source] == sorted(known)
    assert source.ignored == 1  # videos.csv
    assert source.name == "videos"


def test_counts_sizes_and_rates_are_those_of_the_table(source, known):
    inspection = inspect_source(source, workers=2)
    for video in inspection.videos:
        row = known[video.path]
        assert video.num_frames == int(row["decoded_frames"] or 0), video.path
        if video.path in BROKEN:
            assert BROKEN[video.path] in video.error
        else:
            assert video.error is None, video.path
        if not video.num_frames:
            continue
        size = (int(row["width"]), int(row["height"]))
        assert (video.width, video.height) == (
            size[::-1] if row["rotation"] in ("90", "-90") else size
        )
        if not video.path.endswith(".gif"):
            assert video.properties.frame_rate == Fraction(row["avg_fps"]), video.path


def test_broken_clips_say_why(source):
    for video in source:
        if video.id in BROKEN:
            with pytest.raises(VideoError, match=BROKEN[video.id]) as caught:
                video.count_frames()
            assert str(caught.value).startswith(f"{video.id}: ")
            assert "Errno" not in str(caught.value)


def test_damage_behind_the_frames_asked_for_does_not_matter(source):
    video = next(v for v in source if v.id == "decord_corrupted.mp4")
    assert video.read(range(28)).shape == (28, 720, 1280, 3)
    with pytest.raises(VideoError, match="breaks after 28 frames"):
        video.read([28])


def test_rotated_clip_is_shown_upright(source):
    upright = next(v for v in source if v.id == "decord_video_0.mov").read([0])[0]
    rotated = next(v for v in source if v.id == "decord_video_90.mov").read([0])[0]
    assert rotated.shape == (568, 320, 3)
    with av.open(str(next(v for v in source if v.id == "decord_video_90.mov").path)) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24")
    # A quarter turn clockwise: the stored top left corner comes to the top right.
    difference = np.abs(rotated.astype(int) - np.rot90(stored, -1)).mean()
    assert difference < 3
    assert upright.shape == (320, 568, 3)


def test_gif_frames_are_the_pictures_ffmpeg_composes(source):
    video = next(v for v in source if v.id == "iio_newtonscradle.gif")
    with av.open(str(video.path)) as container:
        expected = [f.to_ndarray(format="rgba")[..., :3] for f in container.decode(video=0)]
    assert np.array_equal(video.read(range(36)), np.stack(expected))
    facts = video.probe()
    assert facts.frame_rate == Fraction(36_000, 820)  # 36 pictures in 820 ms
    assert facts.variable_delays


def test_frames_are_those_of_a_plain_decoding_loop(source):
    for video in source:
        if video.id not in ("mma_test.avi", "tc_h264_10bits.mp4", "tc_av1_video.mkv"):
            continue
        with av.open(str(video.path)) as container:
            plain = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        ours = video.read(range(len(plain)))
        for mine, theirs in zip(ours, plain, strict=True):
            assert np.abs(mine.astype(int) - theirs).mean() < 4  # how chroma is interpolated
