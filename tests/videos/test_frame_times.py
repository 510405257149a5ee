"""`--fps` by stored times where the frame rate varies; by counting where it does not."""

import contextlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from encoded_clips import HEIGHT, QUIET, WIDTH, encode, number_of, numbered_frame
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from pyoco_eval.errors import VideoError
from pyoco_eval.videos.clip_rule import ClipRule, clip_indices, read_clips
from pyoco_eval.videos.inspection import UNEVEN, inspect_source
from pyoco_eval.videos.inspection_report import findings
from pyoco_eval.videos.pacing import ConstantPace, TimedPace, is_variable, pacing_of
from pyoco_eval.videos.readers.pyav_reader import PyavReader
from pyoco_eval.videos.readers.stored_file import LocalFile
from pyoco_eval.videos.source import VideoSource, open_source
from pyoco_eval.videos.video import Video


def only(path: Path) -> Video:
    return Video(path.name, 0, path, PyavReader(LocalFile(path)))


def encode_at(path: Path, times: list[int], codec: str = "libx264", **options: str) -> Path:
    """Numbered frames shown at `times`, in thirtieths of a second."""
    with av.open(str(path), "w") as container:
        quiet = QUIET if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=30, options=quiet | options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 30)
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 30)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


SLOWER = [*range(30), *range(30, 60, 3)]
"""30 frames of 1/30 s, then 10 of a tenth."""


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mov", "libx264"),
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx-vp9"),
        ("a.ts", "libx264"),
        ("a.flv", "libx264"),
    ],
)
@pytest.mark.parametrize("b_frames", ["0", "2"])
def test_frames_are_taken_by_their_times(tmp_path, name, codec, b_frames):
    options = {"bf": b_frames} if codec == "libx264" else {}
    video = only(encode_at(tmp_path / name, SLOWER, codec, **options))
    times = video.frame_times()
    assert times is not None
    assert np.allclose([float(t) * 30 for t in times], SLOWER, atol=0.04)
    assert is_variable(times, video.probe().frame_rate)
    (clip,) = read_clips(video, ClipRule(num_frames=10, fps=5))
    assert clip.timed
    assert clip.indices == (0, 6, 12, 18, 24, 30, 32, 34, 36, 38)
    assert tuple(number_of(frame) for frame in clip.frames) == clip.indices
    (clip,) = read_clips(video, ClipRule(num_frames=10))
    assert not clip.timed
    inspection = inspect_source(VideoSource("one", [video]))
    assert UNEVEN in inspection.videos[0].remarks
    assert "1 of 1 videos has a variable frame rate" in "\n".join(findings(inspection))


def test_every_selection_goes_by_time(tmp_path):
    video = only(encode_at(tmp_path / "a.mp4", SLOWER))
    cuts = {
        select: [clip.indices for clip in read_clips(video, ClipRule(4, select, fps=5))]
        for select in ("center", "all")
    }
    assert cuts == {"center": [(18, 24, 30, 32)], "all": [(0, 6, 12, 18), (24, 30, 32, 34)]}
    (looped,) = read_clips(video, ClipRule(12, fps=5, short="loop"))
    assert looped.looped
    assert looped.timed
    assert looped.indices[:10] == (0, 6, 12, 18, 24, 30, 32, 34, 36, 38)


@settings(deadline=None)
@given(
    rate=st.fractions(1, 120, max_denominator=1001),
    fps=st.integers(1, 60) | st.floats(0.5, 60),
    num_frames=st.integers(2, 200),
    select=st.sampled_from(["first", "center", "random", "all"]),
    length=st.integers(1, 40),
)
@example(Fraction(1), 2, 2, "all", 1)
def test_constant_rates_give_the_same_frames_by_time_and_by_count(
    rate, fps, num_frames, select, length
):
    rule = ClipRule(length, select, fps=fps)
    wanted = Fraction(repr(rule.fps))
    times = [index / rate for index in range(num_frames)]
    assert not is_variable(times, rate)
    by_time = clip_indices(rule, "a", num_frames, TimedPace(times, wanted))
    assert by_time == clip_indices(rule, "a", num_frames, ConstantPace(rate / wanted))


@settings(deadline=None)
@given(
    gaps=st.lists(st.integers(1, 50), min_size=1, max_size=30),
    fps=st.fractions(1, 40, max_denominator=100),
)
def test_the_frame_taken_is_the_nearest_in_time(gaps, fps):
    times = [Fraction(int(t), 30) for t in np.cumsum([0, *gaps])]
    pace = TimedPace(times, fps)
    count = pace.positions(len(times))
    frames = [pace.frame(position) for position in range(count + 3)]
    assert frames == sorted(frames)
    assert max(frames[:count]) < len(times) <= frames[count]
    for position, frame in enumerate(frames[:count]):
        distances = [abs(time - position / fps) for time in times]
        assert distances[frame] == min(distances)


@pytest.mark.parametrize("rate", [10, 24, 25, Fraction(30000, 1001), 50, 60])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
def test_clips_of_constant_rate_are_counted(tmp_path, name, rate):
    video = only(encode(tmp_path / name, rate=rate, num_frames=40, options={"bf": "2"}))
    pace = pacing_of(video, 8)
    assert isinstance(pace, ConstantPace)
    assert pace.step == video.probe().frame_rate / 8
    (inspected,) = inspect_source(VideoSource("one", [video])).videos
    assert UNEVEN not in inspected.remarks


def test_unsound_times_are_not_used(tmp_path):
    avi = encode(tmp_path / "a.avi", options={"bf": "3", "x264-params": "log-level=none"})
    copied = tmp_path / "copied.mp4"
    with av.open(str(avi)) as source, av.open(str(copied), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream, packet.pts = stream, packet.dts
                target.mux(packet)
    one = encode(tmp_path / "one.ts", num_frames=10)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() * 2)
    for path in (avi, copied, joined):
        assert only(path).frame_times() is None
        assert isinstance(pacing_of(only(path), 5), ConstantPace)


def test_uneven_animations_go_by_time(tmp_path):
    images = [Image.fromarray(numbered_frame(number)) for number in range(6)]
    delays = [70, 110, 490, 70, 130, 90]
    images[0].save(
        tmp_path / "a.webp", save_all=True, append_images=images[1:], duration=delays, lossless=True
    )
    (video,) = open_source(tmp_path)
    assert [round(1000 * t) for t in video.frame_times()] == [0, 70, 180, 670, 740, 870]
    (clip,) = read_clips(video, ClipRule(num_frames=6, fps=10))
    assert clip.timed
    assert clip.indices == (0, 1, 2, 2, 2, 3)


def test_real_clips_of_constant_rate_keep_their_numbers(shared_data):
    varying = set()
    for path in sorted((shared_data / "videos").iterdir()):
        if path.suffix in (".mp4", ".mov", ".mkv", ".webm", ".avi"):
            video = only(path)
            with contextlib.suppress(VideoError):
                if is_variable(video.frame_times(), video.probe().frame_rate):
                    varying.add(path.name)
    assert varying == set()


def test_an_example_of_others(shared_data):
    video = only(shared_data / "faults" / "vfr.mp4")
    (clip,) = read_clips(video, ClipRule(num_frames=8, fps=5))
    assert clip.indices == (0, 5, 10, 15, 20, 25, 28, 30)
