"""Animations: the frames they were made of, composed as browsers show them."""

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from encoded_clips import encode, number_of, numbered_frame
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from pyoco_eval.errors import UsageError, VideoError
from pyoco_eval.videos.readers.delays import repeats
from pyoco_eval.videos.readers.pillow_reader import AnimationReader
from pyoco_eval.videos.readers.stored_file import LocalFile
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.video import Video

FORMATS = [
    pytest.param(".gif", {}, id="gif"),
    pytest.param(".webp", {"lossless": True}, id="webp"),
    pytest.param(".png", {}, id="apng"),
    pytest.param(
        ".avif",
        {"quality": 95},
        id="avif",
        marks=pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF"),
    ),
]
GIVEN = [0, 1, 2, 2, 2, 3, 4, 4, 5, 5, 5, 5, 6, 7, 7]


def only(path: Path) -> Video:
    return Video(path.name, 0, path, AnimationReader(LocalFile(path)))


def numbers(path: Path) -> list[int]:
    return [number_of(convert()) for convert in only(path).walk()]


def save(path: Path, given: list[int], **options: object) -> Path:
    images = [Image.fromarray(numbered_frame(number)) for number in given]
    images[0].save(path, save_all=True, append_images=images[1:], **options)
    return path


@pytest.mark.parametrize("fps", [4, 8, 10, 12, 15, 24, 25, 30])
@pytest.mark.parametrize(("suffix", "options"), FORMATS)
def test_repeated_frames_come_back(tmp_path, suffix, options, fps):
    """As diffusers' export_to_gif writes them: 1000 / fps milliseconds a frame."""
    exact = 1000 / fps
    duration = round(exact) if suffix == ".avif" else exact  # which takes whole milliseconds
    path = save(tmp_path / f"a{suffix}", GIVEN, duration=duration, **options)
    assert numbers(path) == GIVEN
    facts = only(path).probe()
    assert not facts.variable_delays
    assert facts.header_frames == len(GIVEN)
    assert abs(facts.fps / fps - 1) < 0.13  # a GIF's clock ticks in hundredths of a second


@pytest.mark.parametrize(("suffix", "options"), FORMATS)
def test_delays_without_a_common_measure_leave_pictures_alone(tmp_path, suffix, options):
    path = save(tmp_path / f"a{suffix}", [0, 1, 2, 3], duration=[70, 110, 70, 180], **options)
    assert numbers(path) == [0, 1, 2, 3]
    assert only(path).probe().variable_delays


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=30), st.floats(30, 500))
def test_delays_cut_to_hundredths_are_understood(counts, milliseconds):
    counts = [*counts, 1]
    stored = [int(count * milliseconds / 10) for count in counts]
    found = repeats(stored, hundredths=True)
    assert found is not None
    total = Fraction(sum(stored) + len(stored), sum(found))
    assert all(
        abs(delay - count * total) <= 2 * count for delay, count in zip(stored, found, strict=True)
    )


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1), st.integers(1, 200), st.booleans())
def test_exact_multiples_are_exact(counts, least, hundredths):
    counts = [*counts, 1]
    found = repeats([count * least for count in counts], hundredths=hundredths)
    assert found == (counts if len(set(counts)) > 1 else [1] * len(counts))


def test_delays_of_zero_say_nothing():
    assert repeats([0, 0, 0], hundredths=True) == [1, 1, 1]
    assert repeats([0, 10, 10], hundredths=True) is None
    assert repeats([], hundredths=True) == []


def test_a_still_picture_before_an_animated_png_is_no_frame(tmp_path):
    images = [Image.fromarray(numbered_frame(number)) for number in range(4)]
    path = tmp_path / "a.png"
    images[0].save(path, save_all=True, append_images=images[1:], duration=50, default_image=True)
    assert numbers(path) == [1, 2, 3]


def write_gif(path: Path, rng: np.random.Generator, *, background: int) -> None:
    """Pictures of part of the canvas, with every disposal, that leave the rest uncovered."""
    palette = rng.integers(0, 256, 12, np.uint8).tobytes()
    content = b"GIF89a" + struct.pack("<HHBBB", 24, 16, 0x81, background, 0) + palette
    for _ in range(8):
        width, height = (int(v) for v in rng.integers(2, 12, 2))
        left, top = int(rng.integers(24 - width + 1)), int(rng.integers(16 - height + 1))
        picture = Image.fromarray(rng.integers(0, 4, (height, width), np.uint8), "P")
        picture.putpalette(palette)
        alone = io.BytesIO()
        picture.save(alone, "GIF", optimize=False)
        stored = alone.getvalue()
        image = stored.index(b"\x2c\0\0\0\0")
        flags = int(rng.integers(4)) << 2 | 1
        content += struct.pack("<BBBBHBB", 0x21, 0xF9, 4, flags, 10, 3, 0)
        content += struct.pack("<BHHHHB", 0x2C, left, top, width, height, 0)
        content += stored[image + 10 : -1]
    path.write_bytes(content + b";")


@pytest.mark.parametrize("seed", range(10))
def test_disposal_is_that_of_ffmpeg_over_white(tmp_path, seed):
    path = tmp_path / "a.gif"
    write_gif(path, np.random.default_rng(seed), background=seed % 4)
    with av.open(str(path)) as container:
        shown = [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)]
    expected = [np.where(rgba[..., 3:] > 0, rgba[..., :3], 255) for rgba in shown]
    found = [convert() for convert in only(path).walk()]
    assert len(found) == len(expected) == 8
    for mine, theirs in zip(found, expected, strict=True):
        assert np.array_equal(mine, theirs)


def test_what_the_background_colour_fills_is_transparent_in_browsers(tmp_path):
    """One picture in the corner of a canvas whose background is blue."""
    content = b"GIF89a" + struct.pack("<HHBBB", 4, 2, 0x80, 1, 0)
    content += bytes((255, 0, 0, 0, 0, 255))
    content += b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00;"
    path = tmp_path / "a.gif"
    path.write_bytes(content)
    (frame,) = only(path).read([0])
    assert tuple(frame[0, 0]) == (255, 0, 0)
    assert (frame[:, 1:] == 255).all()


def bomb(path: Path, pictures: int = 200, size: int = 8000) -> Path:
    """A few kilobytes of GIF whose canvas is huge."""
    content = b"GIF89a" + struct.pack("<HHBBB", size, size, 0x80, 0, 0) + bytes(6)
    tiny = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    path.write_bytes(content + tiny * pictures + b";")
    return path


def test_small_files_of_many_pixels_are_refused(tmp_path, monkeypatch):
    path = bomb(tmp_path / "a.gif", pictures=60, size=1000)
    assert path.stat().st_size < 3000
    monkeypatch.setenv("PYOCO_EVAL_MAX_PIXELS", "50000000")
    assert only(path).count_frames() == 60  # 2,000 bytes earn 65,536 pixels each
    monkeypatch.setenv("PYOCO_EVAL_MAX_PIXELS", "1")
    monkeypatch.setattr("pyoco_eval.videos.readers.budget.PER_BYTE", 1)
    with pytest.raises(VideoError, match="PYOCO_EVAL_MAX_PIXELS=NUMBER raises the limit"):
        only(path).count_frames()
    clip = encode(tmp_path / "a.mp4")
    with pytest.raises(VideoError, match="decompression bomb"):
        open_source(clip)[0].count_frames()
    monkeypatch.setenv("PYOCO_EVAL_MAX_PIXELS", str(128 * 64 * 20))
    assert open_source(clip)[0].count_frames() == 20
    monkeypatch.setenv("PYOCO_EVAL_MAX_PIXELS", "plenty")
    with pytest.raises(UsageError, match="must be a whole number"):
        open_source(clip)[0].count_frames()


def test_the_default_budget_stops_a_bomb_of_three_kilobytes(tmp_path, monkeypatch):
    """200 pictures of 64 megapixels would be 12.8 gigapixels; repeats count as well."""
    path = bomb(tmp_path / "a.gif")
    with pytest.raises(VideoError, match="has more pixels than the"):
        only(path).count_frames()
    monkeypatch.setenv("PYOCO_EVAL_MAX_PIXELS", "1000000")
    long = save(tmp_path / "long.gif", [0, 1], duration=[10, 655_350])
    with pytest.raises(VideoError, match="has more pixels than the"):
        for _ in only(long).walk():
            pass


def test_frame_times_of_examples(shared_data):
    folder = shared_data / "faults"
    video = only(folder / "dup32.gif")
    assert video.count_frames() == 32
    assert video.probe().frame_rate == 10
    newton = only(shared_data / "videos" / "iio_newtonscradle.gif")
    assert newton.count_frames() == 36
    assert newton.probe().frame_rate == Fraction(36_000, 820)
