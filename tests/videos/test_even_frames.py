"""Frames spread over a video: where they lie, and how often it is decoded."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyoco_eval.errors import VideoError
from pyoco_eval.videos.clip_rule import ClipRule, read_clips
from pyoco_eval.videos.even_frames import even_indices, read_even
from pyoco_eval.videos.readers.pyav_reader import PyavReader
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.write import write_video

FRAMES = np.random.default_rng(0).integers(0, 256, (17, 32, 32, 3)).astype(np.uint8)


@given(st.integers(1, 40), st.integers(1, 5000))
def test_they_are_the_middles_of_equal_parts(count: int, num_frames: int) -> None:
    found = even_indices(count, num_frames)
    assert len(found) == min(count, num_frames)
    assert len(set(found)) == len(found)
    assert list(found) == sorted(found)
    size = num_frames / len(found)
    for part, index in enumerate(found):
        assert abs(index - (part + 0.5) * size) < 1
    mirrored = [num_frames - 1 - index for index in reversed(found)]
    assert max(abs(a - b) for a, b in zip(found, mirrored, strict=True)) <= 1


def test_a_rule_is_read_back() -> None:
    rule = ClipRule(num_frames=8, select="even")
    assert rule.spec() == "8f-s1-even"
    assert ClipRule.parse(rule.spec()) == rule


def test_frames_are_those_of_reading(tmp_path: Path) -> None:
    for name in ("a.npz", "b.mp4", "c.gif"):
        write_video(tmp_path / name, FRAMES, 8)
    for video in open_source(tmp_path):
        for count in (1, 4, 40):
            indices, frames = read_even(video, count)
            assert indices == even_indices(count, 17)
            np.testing.assert_array_equal(frames, video.read(indices))
        (clip,) = read_clips(video, ClipRule(num_frames=4, select="even"))
        assert (clip.indices, clip.looped) == (even_indices(4, 17), False)


def test_a_true_header_saves_the_second_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "b.mp4", FRAMES, 8)
    walks: Counter[str] = Counter()
    walk, properties = PyavReader.walk, PyavReader.properties

    def counted(self: PyavReader):  # type: ignore[no-untyped-def]
        walks["all"] += 1
        return walk(self)

    monkeypatch.setattr(PyavReader, "walk", counted)
    (video,) = open_source(tmp_path)
    indices, frames = read_even(video, 4)
    once = walks["all"]

    def lying(self: PyavReader):  # type: ignore[no-untyped-def]
        from dataclasses import replace

        return replace(properties(self), header_frames=99)

    monkeypatch.setattr(PyavReader, "properties", lying)
    again = read_even(open_source(tmp_path)[0], 4)
    assert walks["all"] == 2 * once + 1
    assert again[0] == indices
    np.testing.assert_array_equal(again[1], frames)


def test_damage_behind_the_last_frame_is_seen(tmp_path: Path) -> None:
    write_video(tmp_path / "b.mp4", FRAMES, 8)
    content = (tmp_path / "b.mp4").read_bytes()
    (tmp_path / "b.mp4").write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(VideoError):
        read_even(open_source(tmp_path)[0], 1)
