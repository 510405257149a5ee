"""Encoded clips of known content, intact and damaged in many ways."""

import contextlib
import gc
import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from encoded_clips import QUIET, encode, number_of, numbered_frame

from pyoco_eval.errors import UsageError, VideoError
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.video import EndOfVideoError, Video

UNITY = 1 << 16
LAST = 1 << 30


def only(path: Path) -> Video:
    (video,) = open_source(path)
    return video


def numbers(video: Video) -> list[int]:
    return [number_of(frame) for frame in video.read(range(video.count_frames()))]


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "options"),
    [
        ("h264.mp4", "libx264", "yuv420p", {"bf": "3"}),
        ("h264.mov", "libx264", "yuv444p", {}),
        ("h264.m4v", "libx264", "yuv422p", {}),
        ("h264.avi", "libx264", "yuv420p", {"bf": "2"}),
        ("open_gop.mkv", "libx264", "yuv420p", {"x264-params": "log-level=none:open-gop=1"}),
        ("hevc10.mp4", "libx265", "yuv420p10le", {}),
        ("vp9.webm", "libvpx-vp9", "yuv420p", {}),
        ("av1.webm", "libsvtav1", "yuv420p", {}),
        ("b_frames.avi", "mpeg4", "yuv420p", {"bf": "2"}),
        ("h263.avi", "h263", "yuv420p", {}),
        ("mjpeg.avi", "mjpeg", "yuvj420p", {}),
        ("mpeg2.mkv", "mpeg2video", "yuv420p", {"bf": "2"}),
        ("ffv1.mkv", "ffv1", "yuv444p10le", {}),
        ("raw.avi", "rawvideo", "bgr24", {}),
    ],
)
def test_every_codec_gives_all_frames_in_order(tmp_path, name, codec, pixel_format, options):
    size = (128, 96) if codec == "h263" else (128, 64)
    path = encode(tmp_path / name, codec, pixel_format=pixel_format, options=options, size=size)
    video = only(path)
    facts = video.probe()
    assert (facts.width, facts.height) == size
    assert facts.frame_rate == 25
    assert numbers(video) == list(range(20))


def test_one_frame_and_odd_sizes(tmp_path):
    one = only(encode(tmp_path / "one.mp4", num_frames=1))
    assert numbers(one) == [0]
    odd = only(encode(tmp_path / "odd.webm", "libvpx-vp9", size=(131, 67)))
    assert odd.read([3]).shape == (1, 67, 131, 3)
    assert numbers(odd) == list(range(20))


def test_read_takes_any_order_and_repeats(tmp_path):
    video = only(encode(tmp_path / "a.mp4", options={"bf": "3"}))
    frames = video.read([7, 2, 7, 19])
    assert frames.dtype == np.uint8
    assert frames.shape == (4, 64, 128, 3)
    assert [number_of(frame) for frame in frames] == [7, 2, 7, 19]
    with pytest.raises(EndOfVideoError, match=r"a.mp4: frame 20 was asked for, but it has 20 fr"):
        video.read([0, 20])
    with pytest.raises(UsageError, match="start at 0"):
        video.read([-1])
    with pytest.raises(UsageError, match="at least one"):
        video.read([])


def test_many_threads_read_the_same_frames(tmp_path):
    videos = [
        only(encode(tmp_path / f"{i}.mp4", num_frames=12 + i, options={"bf": "3"}))
        for i in range(4)
    ] * 4
    with ThreadPoolExecutor(8) as pool:
        counted = list(pool.map(lambda video: numbers(video), videos))
    assert counted == [list(range(12 + i)) for i in range(4)] * 4


@pytest.mark.parametrize(
    ("a", "b", "c", "d", "expected"),
    [  # the stored picture's turn, as the display matrix of ISO/IEC 14496-12 defines it
        (0, 1, -1, 0, lambda frame: np.rot90(frame, -1)),  # quarter turn clockwise
        (-1, 0, 0, -1, lambda frame: np.rot90(frame, 2)),
        (0, -1, 1, 0, lambda frame: np.rot90(frame, 1)),
        (-1, 0, 0, 1, lambda frame: frame[:, ::-1]),
        (1, 0, 0, -1, lambda frame: frame[::-1]),
        (0, 1, 1, 0, lambda frame: frame.transpose(1, 0, 2)),
        (0, 0, 0, 0, lambda frame: frame),  # never set
    ],
)
def test_display_matrix_is_applied(tmp_path, a, b, c, d, expected):
    matrix = [a * UNITY, b * UNITY, 0, c * UNITY, d * UNITY, 0, 0, 0, LAST]
    path = encode(tmp_path / "turned.mp4", display_matrix=matrix, options={"crf": "1"})
    video = only(path)
    wanted = expected(numbered_frame(5))
    facts = video.probe()
    assert (facts.height, facts.width) == wanted.shape[:2]
    shown = video.read([5])[0]
    assert np.abs(shown.astype(int) - wanted).mean() < 3


def test_rotation_that_is_no_quarter_turn_is_refused(tmp_path):
    half = UNITY * 7 // 10
    matrix = [half, half, 0, -half, half, 0, 0, 0, LAST]
    with pytest.raises(VideoError, match="no quarter turn"):
        only(encode(tmp_path / "a.mp4", display_matrix=matrix)).read([0])


BT601, BT709, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize(("tag", "matrix"), [(1, BT709), (6, BT601), (2, BT601), (9, BT2020)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_colours_follow_the_matrix_and_range_of_the_file(tmp_path, tag, matrix, full, pixel_format):
    """Planes are computed here from the definition, coded without loss, and read back."""
    bits = 10 if pixel_format.endswith("10le") else 8
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 120, 40), (255, 255, 255), (7, 9, 4)]
    path = tmp_path / "colours.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, pixel_format
        stream.codec_context.colorspace = tag
        stream.codec_context.color_range = 2 if full else 1
        for colour in colours:
            frame = av.VideoFrame(32, 32, pixel_format)
            frame.colorspace, frame.color_range = tag, 2 if full else 1
            levels = _to_yuv(colour, matrix, full, bits)
            for plane, level in zip(frame.planes, levels, strict=True):
                kind = np.uint16 if bits > 8 else np.uint8
                size = plane.buffer_size // np.dtype(kind).itemsize
                plane.update(np.full(size, level, kind).tobytes())
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    frames = only(path).read(range(len(colours)))
    for frame, colour in zip(frames, colours, strict=True):
        assert np.abs(frame.astype(int) - colour).max() <= 1


def _to_yuv(rgb, matrix, full, bits):
    red, blue = matrix
    r, g, b = (value / 255 for value in rgb)
    luma = red * r + (1 - red - blue) * g + blue * b
    chroma = ((b - luma) / (2 * (1 - blue)), (r - luma) / (2 * (1 - red)))
    top, middle, scale = 2**bits - 1, 2 ** (bits - 1), 2 ** (bits - 8)
    if full:
        levels = [luma * top, *(value * top + middle for value in chroma)]
    else:
        levels = [(16 + 219 * luma) * scale, *((128 + 224 * v) * scale for v in chroma)]
    return [min(round(level), top) for level in levels]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"movflags": "faststart"}),
        ("a.mov", "mpeg4", {"movflags": "faststart"}),
        ("a.mkv", "mpeg4", {}),
        ("a.webm", "libvpx-vp9", {}),
        ("a.avi", "mpeg4", {}),
    ],
)
def test_cut_off_files_are_noticed_and_give_no_damaged_frame(tmp_path, name, codec, options):
    whole = encode(tmp_path / name, codec, container_options=options)
    good = only(whole).read(range(20))
    content = whole.read_bytes()
    part = tmp_path / f"cut{whole.suffix}"
    for share in (0.95, 0.85, 0.75, 0.65, 0.55):
        part.write_bytes(content[: int(len(content) * share)])
        video = only(part)
        with pytest.raises(VideoError, match=r"cut off|cannot be opened|no frame|breaks"):
            video.count_frames()
        frames = []
        with pytest.raises(VideoError):
            frames.extend(convert() for convert in video.walk())
        assert len(frames) < 20
        assert np.array_equal(frames, good[: len(frames)]) or not frames


def test_files_that_are_no_videos_say_so(tmp_path):
    clip = encode(tmp_path / "real.mp4")
    (tmp_path / "fakes").mkdir()
    fakes = {
        "empty.mp4": (b"", "is empty"),
        "text.mp4": (b"hello world\n" * 99, "not a video"),
        "terminal.mp4": (b"\x1b[31mred\x1b[0m\n" * 99, "not a video"),
        "zeros.avi": (bytes(10_000), "not a video"),
        "picture.mkv": (b"GIF89a" + bytes(99), "is a GIF picture"),
        "list.mp4": (f"ffconcat version 1.0\nfile {clip}\n".encode(), "not a video"),
        "play.mp4": (f"#EXTM3U\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n".encode(), "not a video"),
        "codec.mp4": (clip.read_bytes().replace(b"avc1", b"zzzz"), "no decoder"),
    }
    for name, (content, _) in fakes.items():
        (tmp_path / "fakes" / name).write_bytes(content)
    for video in open_source(tmp_path / "fakes"):
        for ask in (video.probe, video.count_frames, lambda v=video: v.read([0])):
            with pytest.raises(VideoError, match=fakes[video.id][1]):
                ask()


def test_sound_with_a_cover_picture_is_no_video(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000)
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        grey = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 99, np.uint8), format="rgb24")
        for packet in [*cover.encode(grey), *cover.encode()]:
            container.mux(packet)
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        silence.sample_rate = 8000
        for packet in [*sound.encode(silence), *sound.encode()]:
            container.mux(packet)
    with pytest.raises(VideoError, match="no video stream"):
        only(path).count_frames()


def test_the_best_of_several_streams_is_read(tmp_path):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=25, options=QUIET) for _ in range(2)]
        for stream, size in zip(streams, ((128, 64), (256, 128)), strict=True):
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
        streams[0].disposition = av.stream.Disposition(0)
        streams[1].disposition = av.stream.Disposition.default
        for number in range(10):
            for stream in streams:
                pixels = numbered_frame(number, stream.width, stream.height)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                for packet in stream.encode(frame):
                    container.mux(packet)
        for stream in streams:
            for packet in stream.encode():
                container.mux(packet)
    video = only(path)
    assert video.probe().width == 256
    assert numbers(video) == list(range(10))


def test_a_change_of_size_is_refused_where_it_happens(tmp_path):
    path = tmp_path / "change.avi"
    small = av.CodecContext.create("mjpeg", "w")
    small.width, small.height, small.pix_fmt = 64, 64, "yuvj420p"
    small.time_base = Fraction(1, 25)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuvj420p"
        for number in range(10):
            pixels = numbered_frame(number)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            packets = stream.encode(frame)
            if number >= 6:
                square = av.VideoFrame.from_ndarray(pixels[:, :64].copy(), format="rgb24")
                square = square.reformat(format="yuvj420p")
                square.pts = number
                for packet, place in zip(small.encode(square), packets, strict=True):
                    packet.stream, packet.time_base = stream, place.time_base
                    packet.pts, packet.dts = place.pts, place.dts
                    container.mux(packet)
            else:
                for packet in packets:
                    container.mux(packet)
    video = only(path)
    with pytest.raises(VideoError, match="changes from 128 x 64 to 64 x 64 at frame 6"):
        video.count_frames()
    assert [number_of(frame) for frame in video.read(range(6))] == list(range(6))


def test_awkward_names_open(tmp_path, monkeypatch):
    clip = encode(tmp_path / "clip.mp4", num_frames=3)
    folder = tmp_path / "names"
    folder.mkdir()
    names = ["a:b.mp4", "100%d.mp4", "ünï –.mp4", "new\nline.mp4", "-dash.mp4", "concat:x.mp4"]
    for name in names:
        shutil.copy(clip, folder / name)
    monkeypatch.chdir(folder)
    source = open_source(".")
    assert source.name == "names"
    assert [video.id for video in source] == sorted(names)
    assert all(video.count_frames() == 3 for video in source)


def test_ffmpeg_writes_nothing_on_the_terminal(tmp_path, capfd):
    path = encode(tmp_path / "a.avi", "mpeg4")
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 2, len(content) - 400, 97):
        content[place] ^= 0xFF
    path.write_bytes(bytes(content))
    capfd.readouterr()
    with contextlib.suppress(VideoError):
        only(path).count_frames()
    assert capfd.readouterr() == ("", "")


def test_random_damage_never_leads_to_anything_but_frames_or_a_video_error(tmp_path):
    rng = np.random.default_rng(0)
    intact = [
        encode(tmp_path / "a.mp4").read_bytes(),
        encode(tmp_path / "a.mkv").read_bytes(),
        encode(tmp_path / "a.avi", "mpeg4", options={"bf": "2"}).read_bytes(),
    ]
    for round_number in range(150):
        kind = round_number % len(intact)
        content = np.frombuffer(bytearray(intact[kind]), np.uint8).copy()
        places = rng.integers(len(content), size=rng.choice([1, 5, 50]))
        content[places] = rng.integers(256, size=len(places))
        path = tmp_path / f"damaged{('.mp4', '.mkv', '.avi')[kind]}"
        path.write_bytes(content.tobytes())
        video = only(path)
        for ask in (video.probe, video.count_frames, lambda v=video: v.read([0])):
            with contextlib.suppress(VideoError):
                ask()


def test_decoded_frames_are_freed_at_once(tmp_path):
    """No reference cycles: frames would pile up until Python's collector happens to run."""
    video = only(encode(tmp_path / "a.mp4", num_frames=30))
    gc.collect()
    gc.disable()
    try:
        video.count_frames()
        video.read(range(30))
        alive = sum(type(thing) is av.VideoFrame for thing in gc.get_objects())
    finally:
        gc.enable()
    assert alive <= 2  # the first of each pass, of which the display matrix is read


def test_in_memory_encoding_matches_what_is_read(tmp_path):
    """RGB coded without loss comes back bit for bit."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (4, 33, 47, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 47, 33, "bgr0"
        for frame in pixels:
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    path = tmp_path / "lossless.mkv"
    path.write_bytes(buffer.getvalue())
    assert np.array_equal(only(path).read(range(4)), pixels)
