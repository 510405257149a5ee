"""Damage that FFmpeg conceals is an error; what only looks damaged is read."""

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from encoded_clips import encode, number_of

from pyoco_eval.errors import VideoError
from pyoco_eval.videos.clip_rule import ClipRule, read_clips
from pyoco_eval.videos.readers.pyav_reader import PyavReader
from pyoco_eval.videos.readers.stored_file import LocalFile
from pyoco_eval.videos.video import Video


def only(path: Path) -> Video:
    """Whatever the suffix."""
    return Video(path.name, 0, path, PyavReader(LocalFile(path)))


def numbers(path: Path) -> list[int]:
    return [number_of(convert()) for convert in only(path).walk()]


def texture(path: Path, codec: str, num_frames: int = 30, **options: str) -> Path:
    """A clip of moving texture, so that every packet carries something."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (30, 40, 3), np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    quiet = {f"{codec[3:]}-params": "log-level=none"} if codec.startswith("libx") else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=quiet | options)
        stream.width, stream.height = 160, 120
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = 10
        for number in range(num_frames):
            pixels = np.roll(picture, (number, 2 * number), (0, 1))
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def plain(path: Path) -> int:
    """How many frames the usual loop gets, without an error."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.avi", "mpeg4"), ("a.mpg", "mpeg2video"), ("a.avi", "mjpeg")],
)
def test_concealed_damage_is_an_error(tmp_path, name, codec):
    """40 bytes of the middle are changed. FFmpeg repairs most of it and says nothing."""
    whole = texture(tmp_path / f"whole_{name}", codec)
    truth = [convert() for convert in only(whole).walk()]
    assert len(truth) == 30
    content = np.frombuffer(whole.read_bytes(), np.uint8)
    silent = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        damaged = content.copy()
        places = rng.integers(len(content) // 2, len(content) * 5 // 8, 40)
        damaged[places] ^= rng.integers(1, 256, 40).astype(np.uint8)
        path = tmp_path / name
        path.write_bytes(damaged.tobytes())
        with contextlib.suppress(av.FFmpegError):
            silent += plain(path) == 30
        good = []
        with pytest.raises(VideoError, match=r"breaks after|container|no frame"):
            good.extend(convert() for convert in only(path).walk())
        assert len(good) < 30
        if codec != "mjpeg":  # whose pictures often stay valid
            assert all(np.array_equal(*pair) for pair in zip(good, truth, strict=False))
    assert silent  # the loop of most tools lets some of them pass


def test_no_frame_of_hevc_is_lost_without_a_word(tmp_path):
    whole = texture(tmp_path / "whole.mp4", "libx265")
    content = np.frombuffer(whole.read_bytes(), np.uint8)
    path, fewer = tmp_path / "a.mp4", 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        damaged = content.copy()
        for place in rng.integers(40, len(content) - 2000, 10):
            damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged.tobytes())
        try:
            fewer += plain(path) < 30
        except (av.FFmpegError, IndexError):
            continue
        with contextlib.suppress(VideoError):
            assert len(list(only(path).walk())) == 30
    assert fewer


def test_a_lost_frame_is_noticed_before_the_next_one_is_used(tmp_path):
    """A clip that ends long before the file does would else be one frame out of step."""
    whole = texture(tmp_path / "whole.mp4", "libx265", bframes="0")
    content = bytearray(whole.read_bytes())
    with av.open(str(whole)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    content[places[5] + 4] = 0x4C  # its unit is now of a reserved type, which decoders pass over
    path = tmp_path / "a.mp4"
    path.write_bytes(bytes(content))
    assert plain(path) < 30
    video = only(path)
    assert len(list(read_clips(video, ClipRule(num_frames=3)))) == 1
    with pytest.raises(VideoError, match=r"breaks after [345] frames"):
        list(read_clips(video, ClipRule(num_frames=8)))


@pytest.mark.parametrize("lost", [1, 7, 100, 500, 2000])
def test_an_mp4_file_cut_within_its_index_is_cut_off(tmp_path, lost):
    content = texture(tmp_path / "whole.mp4", "libx264", num_frames=120).read_bytes()
    assert content.rindex(b"moov") > content.rindex(b"mdat")
    path = tmp_path / "a.mp4"
    path.write_bytes(content[:-lost])
    with pytest.raises(VideoError, match=r"cut off|cannot be opened"):
        only(path).count_frames()


def test_media_data_that_claim_too_much_lack_nothing(tmp_path):
    """The index tells which pictures there are; all are there."""
    whole = encode(tmp_path / "whole.mp4", container_options={"movflags": "faststart"})
    content = bytearray(whole.read_bytes())
    place = content.rindex(b"mdat") - 4
    size = struct.unpack(">I", content[place : place + 4])[0]
    content[place : place + 4] = struct.pack(">I", size + 5)
    path = tmp_path / "a.mp4"
    path.write_bytes(bytes(content))
    assert numbers(path) == list(range(20))
    path.write_bytes(bytes(content[:-200]))
    with pytest.raises(VideoError, match="is cut off after"):
        only(path).count_frames()


def test_a_fragmented_file_that_is_cut_stays_refused(tmp_path):
    options = {"movflags": "frag_keyframe+empty_moov"}
    content = encode(tmp_path / "whole.mp4", container_options=options).read_bytes()
    assert numbers(tmp_path / "whole.mp4") == list(range(20))
    path = tmp_path / "a.mp4"
    for end in range(content.index(b"mdat"), len(content) - 1, 97):
        path.write_bytes(content[:end])
        with pytest.raises(VideoError):
            only(path).count_frames()


def test_frames_left_out_by_an_edit_list_are_not_missing(tmp_path):
    whole = encode(tmp_path / "whole.mp4", options={"bf": "0"})
    content = bytearray(whole.read_bytes())
    place = content.index(b"elst") + 12
    duration = struct.unpack(">I", content[place : place + 4])[0]
    content[place : place + 4] = struct.pack(">I", duration // 2)
    path = tmp_path / "a.mp4"
    path.write_bytes(bytes(content))
    assert numbers(path) == list(range(10))


@pytest.mark.parametrize(
    ("name", "codec", "find"),
    [
        ("a.mkv", "libx264", lambda content, place: content.rindex(b"\xa3", 0, place)),
        ("a.avi", "mpeg4", lambda content, place: place - 8),
        ("b.avi", "mpeg4", lambda content, place: place - 2),
    ],
)
def test_pictures_a_damaged_container_hides_are_missed(tmp_path, name, codec, find: Callable):
    whole = encode(tmp_path / f"whole_{name}", codec, options={"bf": "0"})
    content = bytearray(whole.read_bytes())
    with av.open(str(whole)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0)]
    place = find(content, content.index(packets[12][:40]))
    content[place] ^= 0x02
    path = tmp_path / name
    path.write_bytes(bytes(content))
    with pytest.raises(VideoError, match=r"container|breaks after"):
        only(path).count_frames()


@pytest.fixture
def transport(tmp_path):
    return encode(tmp_path / "whole.ts", num_frames=16, options={"bf": "2"})


def test_transport_streams_joined_end_to_end_are_whole(tmp_path, transport):
    path = tmp_path / "joined.ts"
    path.write_bytes(transport.read_bytes() * 3)
    assert numbers(path) == list(range(16)) * 3


def test_a_transport_stream_that_lacks_packets_is_damaged(tmp_path, transport):
    content = transport.read_bytes()
    path = tmp_path / "lacking.ts"
    packets = np.frombuffer(content, np.uint8).reshape(-1, 188)
    pictures = np.flatnonzero((packets[:, 1] & 0x1F == 1) & (packets[:, 2] == 0))
    for place in pictures[1:-1]:  # no counter tells of the first and the last
        path.write_bytes(np.delete(packets, place, axis=0).tobytes())
        with pytest.raises(VideoError, match=r"breaks after|no frame"):
            only(path).count_frames()
    path.write_bytes(content[:-100])
    with pytest.raises(VideoError, match="is cut off after"):
        only(path).count_frames()


def test_a_change_of_size_at_a_join_is_named(tmp_path, transport):
    other = encode(tmp_path / "other.ts", num_frames=16, size=(192, 96))
    path = tmp_path / "joined.ts"
    path.write_bytes(transport.read_bytes() + other.read_bytes())
    with pytest.raises(VideoError, match=r"changes from 128 x 64 to 192 x 96 at frame 16"):
        only(path).count_frames()


def test_a_recording_that_begins_between_two_key_frames_starts_with_the_next(tmp_path):
    options = {"x264-params": "log-level=none:keyint=8:min-keyint=8:scenecut=0"}
    content = encode(tmp_path / "whole.ts", num_frames=24, options=options).read_bytes()
    path = tmp_path / "late.ts"
    lengths = set()
    for first in range(3, len(content) // 188 * 2 // 3, 5):
        path.write_bytes(content[first * 188 :])
        found = numbers(path)
        assert found == list(range(24 - len(found), 24))
        lengths.add(len(found))
    assert lengths >= {8, 16}


def test_open_groups_of_pictures_may_begin_a_file(tmp_path):
    """A cut without re-encoding leaves H.264 that refers to pictures before the cut."""
    options = {"x264-params": "log-level=none:open-gop=1:keyint=8:bframes=3:b-adapt=0"}
    whole = encode(tmp_path / "whole.mkv", num_frames=32, options=options)
    path = tmp_path / "late.mkv"
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        keys = 0
        for packet in source.demux(video=0):
            keys += packet.is_keyframe and bool(packet.size)
            if keys > 1 and packet.size:
                packet.stream = stream
                target.mux(packet)
    found = numbers(path)
    assert found[-16:] == list(range(16, 32))


@pytest.mark.parametrize("name", ["a.avi", "a.mp4"])
def test_made_up_times_are_not_taken_for_lost_frames(tmp_path, name):
    """H.264 with B-frames in AVI has no times of display; a copy into MP4 makes some up."""
    whole = encode(tmp_path / "whole.avi", options={"bf": "3", "x264-params": "log-level=none"})
    path = tmp_path / name
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream, packet.pts = stream, packet.dts
                target.mux(packet)
    assert numbers(path) == list(range(20))


def test_an_empty_avi_chunk_repeats_a_frame_and_is_no_loss(tmp_path):
    whole = encode(tmp_path / "whole.avi", "mpeg4", options={"bf": "0"}).read_bytes()
    start, index = whole.index(b"movi"), whole.index(b"idx1")
    first = start + 4 + 8 + struct.unpack("<I", whole[start + 8 : start + 12])[0]
    first += first % 2
    pictures = whole[start:first] + b"00dc" + bytes(4) + whole[first:index]
    body = whole[8 : start - 8] + b"LIST" + struct.pack("<I", len(pictures)) + pictures
    path = tmp_path / "a.avi"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert numbers(path) == list(range(20))


@pytest.mark.parametrize("scheme", ["cenc-aes-ctr"])
def test_encrypted_mp4_says_so(tmp_path, scheme):
    options = {
        "encryption_scheme": scheme,
        "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
        "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
    }
    path = encode(tmp_path / "a.mp4", container_options=options)
    for ask in (only(path).probe, only(path).count_frames, lambda: only(path).read([0])):
        with pytest.raises(VideoError, match="is encrypted"):
            ask()


def test_scrambled_transport_streams_say_so(tmp_path, transport):
    packets = np.frombuffer(bytearray(transport.read_bytes()), np.uint8).reshape(-1, 188)
    pids = (packets[:, 1].astype(int) & 0x1F) << 8 | packets[:, 2]
    rng = np.random.default_rng(0)
    for place in np.flatnonzero(pids == 0x100):
        packets[place, 3] |= 0x80
        if packets[place, 3] & 0x30 == 0x10:
            packets[place, 4:] = rng.integers(0, 256, 184)
    path = tmp_path / "a.ts"
    path.write_bytes(packets.tobytes())
    with pytest.raises(VideoError, match="is encrypted"):
        only(path).count_frames()


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "mpeg4")])
def test_noise_in_place_of_pictures_is_refused(tmp_path, name, codec):
    """Undecodable data used to come out as grey frames."""
    whole = texture(tmp_path / f"whole_{name}", codec)
    content = bytearray(whole.read_bytes())
    rng = np.random.default_rng(0)
    with av.open(str(whole)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    for packet in packets[1:]:
        place = content.index(packet)
        content[place + 9 : place + len(packet)] = rng.bytes(len(packet) - 9)
    path = tmp_path / name
    path.write_bytes(bytes(content))
    with pytest.raises(VideoError, match=r"breaks after|no frame"):
        only(path).count_frames()


def test_intact_clips_of_every_kind_lose_nothing(tmp_path):
    for name, codec, options in (
        ("a.flv", "flv", {}),
        ("a.wmv", "wmv2", {}),
        ("a.asf", "msmpeg4", {}),
        ("a.3gp", "mpeg4", {}),
        ("a.ogv", "libtheora", {}),
        ("a.mpg", "mpeg1video", {"bf": "2"}),
        ("b.ts", "mpeg2video", {"bf": "2", "flags": "+ilme+ildct"}),
        ("c.ts", "libx265", {}),
        ("alt.webm", "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "12"}),
        ("a.mxf", "mpeg2video", {}),
        ("a.nut", "ffv1", {}),
    ):
        if codec not in av.codecs_available:
            continue
        size = (128, 64)
        path = encode(tmp_path / name, codec, size=size, options=options)
        assert numbers(path) == list(range(20)), name


def test_examples_of_others(shared_data):
    folder = shared_data / "faults"
    assert only(folder / "aa.mp4").count_frames() == 20
    assert only(folder / "mdat.mp4").count_frames() == 100
    for name in ("flip_h264.mp4", "flip_mjpeg.avi", "frag_trunc.mp4"):
        with pytest.raises(VideoError):
            only(folder / name).count_frames()
