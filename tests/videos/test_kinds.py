"""What counts as a video: whatever FFmpeg reads, whatever it is called; the rest is named."""

import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from encoded_clips import encode, numbered_frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.inspection import inspect_source
from pyoco_eval.videos.listing.kinds import kind_of
from pyoco_eval.videos.readers.stored_file import LocalFile
from pyoco_eval.videos.source import find_videos, open_source

CONTAINERS = {
    "a.mpg": ("mpeg1video", "mpeg"),
    "b.ts": ("libx264", "mpegts"),
    "c.wmv": ("wmv2", "asf"),
    "d.flv": ("flv", "flv"),
    "e.3gp": ("mpeg4", "3gp"),
    "f.asf": ("msmpeg4", "asf"),
    "g.mts": ("libx264", "mpegts"),
    "h.y4m": ("wrapped_avframe", "yuv4mpegpipe"),
    "i.MXF": ("mpeg2video", "mxf"),
    "j.nut": ("mpeg4", "nut"),
    "k.ivf": ("libvpx", "ivf"),
    "l.vob": ("mpeg2video", "vob"),
    "m.h264": ("libx264", "h264"),
    "n.ogv": ("libvpx", "ogg"),
    "o.f4v": ("libx264", "f4v"),
    "p.m2v": ("mpeg2video", "mpeg2video"),
    "no_suffix": ("libx264", "mp4"),
    "q.data1": ("libx264", "matroska"),
    "r.data2": ("libx264", "mpegts"),
    "s.data3": ("mpeg4", "avi"),
    "t.data4": ("wmv2", "asf"),
    "u.data5": ("flv", "flv"),
    "v.data6": ("mpeg2video", "mxf"),
    "w.data7": ("wrapped_avframe", "yuv4mpegpipe"),
    "x.data8": ("mpeg1video", "mpeg"),
    "y.data9": ("libx264", "h264"),
    "z.data10": ("mpeg4", "m4v"),
}


def write(path: Path, codec: str, container_format: str, num_frames: int = 5) -> Path:
    with av.open(str(path), "w", format=container_format) as container:
        options = {"x264-params": "log-level=none"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        for number in range(num_frames):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number), format="rgb24")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100)
        silence = np.zeros((2, 1024), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="stereo")
        frame.rate = 44100
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    return path


@pytest.fixture(scope="module")
def every_container(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("containers")
    for name, how in CONTAINERS.items():
        write(folder / name, *how)
    return folder


def test_everything_ffmpeg_reads_is_found_beside_mp4(every_container, tmp_path):
    folder = tmp_path / "all"
    shutil.copytree(every_container, folder)
    encode(folder / "plain.mp4", num_frames=5)
    frames = [Image.fromarray(numbered_frame(number)) for number in range(5)]
    for name in ("anim.apng", "anim.webp", "anim.gif", "anim.avif"):
        kind = {"format": "PNG"} if name.endswith("apng") else {}
        frames[0].save(folder / name, save_all=True, append_images=frames[1:], duration=40, **kind)
    source = open_source(folder)
    assert {video.id for video in source} == {path.name for path in folder.iterdir()}
    assert not source.ignored
    assert {video.id: video.count_frames() for video in source} == {video.id: 5 for video in source}


def test_what_is_left_out_is_counted_and_named(tmp_path):
    encode(tmp_path / "a.mp4", num_frames=2)
    write_sound(tmp_path / "sound.xyz")
    (tmp_path / "script.ts").write_text("export const a = 1\n")
    (tmp_path / "a.srt").write_text("1\n")
    (tmp_path / "b.mp4.part").write_bytes(b"\0\0\0\x20ftypisom" + bytes(100))
    (tmp_path / "c.zip").write_bytes(b"PK\3\4")
    (tmp_path / "odd.q q").write_bytes(b"\x01\x02\x03")
    Image.fromarray(numbered_frame(0)).save(tmp_path / "a.jpg")
    source = open_source(tmp_path)
    assert [video.id for video in source] == ["a.mp4"]
    assert source.ignored == 7
    sentence = source.left.sentence()
    assert sentence is not None
    for told in (
        "7 files were left out",
        "1 .xyz (sound)",
        "1 .ts (unknown files)",
        "1 .srt (text)",
        "1 .part (unfinished downloads)",
        "1 .zip (archives)",
        "1 .jpg (thumbnails of videos)",
        "1 .other (unknown files)",
    ):
        assert told in sentence
    label = source.left.label()
    assert label is not None
    assert " " not in label
    assert label.endswith("+2.other"), "the signature names five suffixes and counts the rest"
    assert "text" not in (source.left.sentence(all_kinds=False) or "")


def test_damaged_files_are_not_left_out(tmp_path):
    for name in ("a.ts", "b.ogg", "c.mpg", "d.rm", "e.webp", "f.avif"):
        (tmp_path / name).write_bytes(bytes(400))
    encode(tmp_path / "whole.mp4", num_frames=20)
    content = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut").write_bytes(content[: len(content) // 2])
    source = open_source(tmp_path)
    assert [v.id for v in source] == [
        "a.ts", "b.ogg", "c.mpg", "cut", "d.rm", "e.webp", "f.avif", "whole.mp4",
    ]  # fmt: skip
    assert not source.ignored


def test_texts_are_not_looked_into(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("x")

    def opened(self: LocalFile):
        raise AssertionError("a caption was opened")

    monkeypatch.setattr(LocalFile, "open", opened)
    for name in ("a.txt", "a.json", "a.wav", "a.mp4.part", "a.mp4", "a.png", "a.npz"):
        kind_of(name, LocalFile(tmp_path / name))


def test_a_picture_without_suffix_is_a_picture(tmp_path):
    for number in range(3):
        with (tmp_path / f"{number}").open("wb") as file:
            Image.fromarray(numbered_frame(number)).save(file, "PNG")
    (video,) = open_source(tmp_path)
    assert video.count_frames() == 3


NAMES = st.lists(
    st.tuples(
        st.sampled_from(["", "a/", "a/b/", "clip 1/", ".hidden/", "@eaDir/"]),
        st.sampled_from(["x", "1", "2", "0003", "frame_7", "ä"]),
        st.sampled_from([
            ".mp4", ".MP4", ".ts", ".wmv", "", ".bin", ".png", ".jpg", ".webp", ".npy", ".tar",
            ".txt", ".json", ".wav", ".part", ".gif", ".zip", ".tar.gz", ".avif", ".y4m",
        ]),
    ),
    min_size=1,
    max_size=8,
    unique=True,
)  # fmt: skip


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(NAMES, st.sampled_from(["video", "picture", "text", "empty"]), st.data())
def test_inspection_and_scores_take_the_same_files(tmp_path, every_container, names, usual, data):
    """Every visible file is a video, a part of one, or counted as left out: nothing is lost."""
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    picture = tmp_path / "picture"
    if not picture.exists():
        with picture.open("wb") as file:
            Image.new("RGB", (4, 4)).save(file, "PNG")
    contents = {
        "video": (every_container / "no_suffix").read_bytes(),
        "picture": picture.read_bytes(),
        "text": b"some words\n",
        "empty": b"",
    }
    for above, stem, suffix in names:
        path = folder / f"{above}{stem}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = data.draw(st.sampled_from([usual, *contents]))
        path.write_bytes(contents[kind])
    visible = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.relative_to(folder).as_posix().startswith((".h", "@ea"))
    }
    try:
        scored = open_source(folder)
    except UsageError:
        with pytest.raises(UsageError):
            find_videos(folder)
        return
    inspected = inspect_source(find_videos(folder), workers=1)
    assert [video.path for video in inspected.videos] == [video.id for video in scored]
    assert inspected.ignored == scored.ignored
    used: set[str] = set()
    for video in scored:
        pictures = getattr(video.reader, "pictures", None)
        if pictures is not None:
            used |= {file.place.relative_to(folder).as_posix() for file in pictures}
        else:
            used.add(video.id.partition("#")[0])
    assert used <= visible
    assert len(visible) == len(used) + scored.ignored
