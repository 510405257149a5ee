"""Frozen and looping videos are found, moving ones are not taken for either."""

from pathlib import Path

import numpy as np
import pytest

from pyoco_eval.errors import UsageError
from pyoco_eval.metrics.stillness import Stillness, still_share, still_shares
from pyoco_eval.shapes.corruptions import freeze
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.write import write_video


def moving(num_frames: int, size: tuple[int, int] = (37, 45)) -> np.ndarray:
    """A bright dot of 4 x 4 pixels that never returns."""
    frames = np.full((num_frames, *size, 3), 60, np.uint8)
    for t in range(num_frames):
        frames[t, 30:34, 2 * t : 2 * t + 4] = 250
    return frames


def test_a_small_moving_dot_is_motion() -> None:
    assert still_share(moving(12)) == Stillness(False, None, 0.0)


def test_one_frame_repeated_is_frozen_and_no_loop() -> None:
    assert still_share(freeze(moving(12), 1)) == Stillness(True, None, 1.0)


def test_a_loop_has_its_shortest_period() -> None:
    clip = moving(12)
    for period in (2, 3, 6):
        assert still_share(clip[np.arange(12) % period]) == Stillness(False, period, 0.0)


def test_a_loop_must_be_seen_twice() -> None:
    clip = moving(12)
    assert still_share(clip[np.arange(12) % 7]).period is None
    assert still_share(clip[np.arange(13) % 6]).period == 6


def test_doubled_frames_are_counted() -> None:
    clip = moving(6)
    assert still_share(np.repeat(clip, 2, axis=0)).repeated == 6 / 11


def test_the_tolerance_is_a_mean_over_blocks() -> None:
    clip = np.full((3, 16, 16, 3), 100, np.uint8)
    clip[1] += 2
    assert still_share(clip).frozen
    assert not still_share(clip, tolerance=1.9).frozen
    clip[1, 15, 15] += 50  # one pixel of 64
    assert not still_share(clip).frozen


def test_the_edge_block_is_averaged_over_its_own_pixels() -> None:
    clip = np.full((2, 9, 9, 3), 100, np.uint8)
    clip[1, 8, 8] += 3  # a block of one pixel
    assert not still_share(clip).frozen


def test_slow_motion_is_not_frozen() -> None:
    steps = np.arange(100, 116, dtype=np.uint8)[:, None, None, None]
    clip = np.broadcast_to(steps, (16, 16, 16, 3))
    for num_frames in (4, 5, 16):  # 1 grey level a frame, against a tolerance of 2
        assert still_share(clip[:num_frames]) == Stillness(False, None, 1.0)


def test_moving_shapes_move_and_frozen_ones_do_not() -> None:
    shapes = MovingShapes(num_frames=16)
    clips = [shapes.clip(index).frames for index in range(8)]
    assert not any(still_share(clip).frozen for clip in clips)
    assert all(still_share(freeze(clip, 1)).frozen for clip in clips)


def test_a_codec_hides_neither(tmp_path: Path) -> None:
    clip = MovingShapes(num_frames=16).clip(1).frames
    for name, frames in (("a", clip), ("b", freeze(clip, 1)), ("c", clip[np.arange(16) % 4])):
        write_video(tmp_path / f"{name}.mp4", frames)
    found = [still_share(video.read(range(16))) for video in open_source(tmp_path)]
    assert [each.frozen for each in found] == [False, True, False]
    assert [each.period for each in found] == [None, None, 4]


MOVING = ("hfds_test_video_66x50.mov", "iio_newtonscradle.gif", "mma_demo.mp4", "pyx_test.avi",
          "skv_carphone_pristine.mp4", "tv_R6llTwEh07w.mp4")  # fmt: skip


@pytest.mark.parametrize("name", MOVING)
def test_real_clips_move(shared_data: Path, name: str) -> None:
    (video,) = open_source(shared_data / "videos" / name)
    clip = video.read(range(16))
    assert still_share(clip).repeated < 1
    assert not still_share(clip).frozen
    assert not still_share(clip).looping
    assert still_share(freeze(clip, 1)).frozen
    assert still_share(clip[np.arange(16) % 8]).period == 8


def test_the_still_opening_of_a_real_clip_is_frozen(shared_data: Path) -> None:
    (video,) = open_source(shared_data / "videos" / "mmcv_test.mp4")
    assert np.ptp(video.read(range(16)).astype(int), axis=0).max() > 0  # a codec's rounding
    assert still_share(video.read(range(16))).frozen


def test_a_set_says_what_it_holds() -> None:
    found = [still_share(moving(12)), still_share(freeze(moving(12), 1))]
    assert still_shares(found[:1]).warning() is None
    both = still_shares([*found, still_share(moving(12)[np.arange(12) % 4])])
    assert (both.num_videos, both.num_frozen, both.num_looping) == (3, 1, 1)
    assert both.repeated == pytest.approx(1 / 3)
    assert both.warning() == ("Of 3 videos 1 frozen and 1 looping: scores of frames cannot see it.")


@pytest.mark.parametrize(
    "frames",
    [np.zeros((1, 8, 8, 3), np.uint8), np.zeros((4, 8, 8, 3)), np.zeros((4, 8, 8), np.uint8)],
)
def test_other_frames_are_refused(frames: np.ndarray) -> None:
    with pytest.raises(UsageError):
        still_share(frames)


def test_a_set_of_none_and_a_negative_tolerance_are_refused() -> None:
    with pytest.raises(UsageError, match="no video"):
        still_shares([])
    with pytest.raises(UsageError, match="tolerance"):
        still_share(moving(2), tolerance=-1)
