"""Clips inside a page: what plays is what was given, small enough, and told where it is not."""

import base64
from pathlib import Path

import av
import numpy as np
import pytest

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.report.gallery.choose_clips import Choice
from pyoco_eval.report.gallery.media import MAX_FRAMES, MAX_SIDE, embed, open_clip_file
from pyoco_eval.report.gallery.section import Budget, Wanted, build_halls, wanted_of_source
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.video import Video
from pyoco_eval.videos.write import write_video

PLENTY = 1 << 22


def video(frames: np.ndarray) -> Video:
    return open_source(frames)[0]


def decoded(uri: str, folder: Path) -> tuple[np.ndarray, str, str]:
    kind, _, content = uri.partition(",")
    path = folder / ("clip.mp4" if "mp4" in kind else "clip.gif")
    path.write_bytes(base64.b64decode(content))
    (found,) = open_source(path)
    properties = found.probe()
    frames = np.stack([decode() for decode in found.walk()])
    return frames, properties.codec, properties.pixel_format


def test_a_clip_is_h264_of_the_kind_browsers_play_and_looks_the_same(tmp_path: Path) -> None:
    frames = MovingShapes("test", 64, 16, 8)[3].frames
    media = embed(video(frames), PLENTY, 8)
    assert media is not None
    assert media.is_video
    found, codec, pixels = decoded(media.uri, tmp_path)
    assert (codec, pixels) == ("h264", "yuv420p")
    assert found.shape == frames.shape
    error = np.abs(found.astype(int) - frames.astype(int)).mean()
    assert error < 8
    assert media.num_bytes == len(media.uri) < PLENTY
    assert media.note == ""


def test_large_long_and_odd_videos_are_made_to_fit_and_say_so(tmp_path: Path) -> None:
    frames = np.zeros((MAX_FRAMES + 1, 301, 401, 3), np.uint8)
    frames[..., 0] = np.arange(401)[None, None] % 256
    media = embed(video(frames), PLENTY)
    assert media is not None
    assert max(media.width, media.height) == MAX_SIDE
    assert media.width % 2 == media.height % 2 == 0
    assert media.width / media.height == pytest.approx(401 / 301, rel=0.02)
    assert media.num_frames == MAX_FRAMES
    assert media.note == f"shrunk from 401×301, first {MAX_FRAMES} frames"


def test_a_small_share_costs_quality_first_and_then_the_clip() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
    best = embed(video(noise), PLENTY)
    assert best is not None
    smaller = embed(video(noise), best.num_bytes - 1)
    assert smaller is not None
    assert smaller.num_bytes < best.num_bytes
    assert embed(video(noise), 500) is None


def test_gif_serves_where_there_is_no_h264_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(av, "codecs_available", {"gif"})
    frames = MovingShapes("test", 64, 8, 8)[0].frames
    media = embed(video(frames), PLENTY, 8)
    assert media is not None
    assert not media.is_video
    found, codec, _ = decoded(media.uri, tmp_path)
    assert codec == "gif"
    assert found.shape == frames.shape


def test_a_folder_of_several_videos_is_no_clip(tmp_path: Path) -> None:
    frames = MovingShapes("test", 64, 4, 8)[0].frames
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, frames)
    assert open_clip_file(tmp_path / "a.mp4").id == "a.mp4"
    with pytest.raises(PyocoEvalError, match="holds 2 videos"):
        open_clip_file(tmp_path)


def wanted(count: int, role: str = "random") -> list[Wanted]:
    frames = np.stack([MovingShapes("test", 64, 4, 8)[i].frames for i in range(count)])
    choices = [Choice(f"array#{i}", role) for i in range(count)]  # type: ignore[arg-type]
    return wanted_of_source(choices, open_source(frames))


def test_the_budget_is_kept_shared_between_rows_and_what_is_left_out_is_told() -> None:
    budget = Budget(40_000)
    halls = build_halls({"x": wanted(5), "y": wanted(5)}, budget)
    sizes = [
        [exhibit.media.num_bytes for found in hall.exhibits.values() for exhibit in found]
        for hall in halls
    ]
    assert all(sizes)
    assert sum(map(sum, sizes)) == budget.total - budget.left <= 40_000
    none = Budget(100)
    (hall,) = build_halls({"x": wanted(2)}, none)
    assert not hall.exhibits
    assert none.left_out == ["array#0", "array#1"]
    assert "2 clips of the gallery were left out" in none.sentences()[0]


def test_a_clip_that_cannot_be_read_is_told_and_the_others_are_shown(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"not a video")
    bad = Wanted(Choice("bad.mp4", "random"), "", "", lambda: open_clip_file(tmp_path / "bad.mp4"))
    budget = Budget()
    (hall,) = build_halls({"x": [bad, *wanted(1)]}, budget)
    assert [exhibit.video for exhibit in hall.exhibits["random"]] == ["array#0"]
    assert "bad.mp4" in budget.sentences()[0]


def test_features_of_other_videos_are_refused() -> None:
    with pytest.raises(PyocoEvalError, match="no video 'other'"):
        wanted_of_source(
            [Choice("other", "random")], open_source(np.zeros((1, 4, 8, 8, 3), np.uint8))
        )
