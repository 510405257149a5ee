"""Finding videos: order, identity, what is passed over, and content digests."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from encoded_clips import encode
from PIL import Image

from pyoco_eval.errors import UsageError, VideoError
from pyoco_eval.videos.readers.choose import decoder_label
from pyoco_eval.videos.source import open_source


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def ids(root: Path) -> list[str]:
    return [video.id for video in open_source(root)]


def test_order_is_by_id_character_by_character(tmp_path):
    names = ["b/2.mp4", "b/10.mp4", "B.avi", "a.MP4", "é.mkv", "b.webm", "b-1.mov", "z/y/x.gif"]
    touch(tmp_path, *names)
    assert ids(tmp_path) == sorted(names)
    assert [video.index for video in open_source(tmp_path)] == list(range(len(names)))


def test_hidden_files_are_passed_over_and_others_counted(tmp_path):
    touch(tmp_path, "a.mp4", ".b.mp4", "._a.mp4", ".cache/c.mp4", "notes.txt", "deep/x.wav")
    source = open_source(tmp_path)
    assert [video.id for video in source] == ["a.mp4"]
    assert source.ignored == 2


def test_a_folder_named_like_a_video_is_a_folder(tmp_path):
    touch(tmp_path, "x.mp4/inside.avi")
    (tmp_path / "y.mp4").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "y.mp4" / "0.png")
    assert ids(tmp_path) == ["x.mp4/inside.avi", "y.mp4"]


def test_links_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path, "videos/a.mp4", "other/b.mp4")
    (tmp_path / "videos" / "up").symlink_to(tmp_path / "videos")
    (tmp_path / "videos" / "more").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "back").symlink_to(tmp_path / "videos")
    (tmp_path / "videos" / "self.mp4").symlink_to("self.mp4")
    (tmp_path / "videos" / "gone.mp4").symlink_to("nowhere.mp4")
    source = open_source(tmp_path / "videos")
    assert [video.id for video in source] == ["a.mp4", "gone.mp4", "more/b.mp4", "self.mp4"]
    for broken in (source[1], source[3]):
        with pytest.raises(VideoError, match="cannot be read"):
            broken.count_frames()


def test_pipes_and_devices_are_no_videos(tmp_path):
    touch(tmp_path, "a.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    source = open_source(tmp_path)
    assert [video.id for video in source] == ["a.mp4"]
    assert source.ignored == 1


@pytest.mark.parametrize("names", [(), ("notes.txt", "b/table.csv")])
def test_an_empty_folder_says_what_was_looked_for(tmp_path, names):
    touch(tmp_path, *names)
    with pytest.raises(UsageError, match=r"no videos in .*looked for .*\.mp4.*\.npz.*\.png"):
        open_source(tmp_path)


def test_a_file_that_is_no_video_or_is_missing(tmp_path):
    touch(tmp_path, "notes.md")
    with pytest.raises(UsageError, match=r"notes\.md is no video \(it looks like text\); looked"):
        open_source(tmp_path / "notes.md")
    with pytest.raises(UsageError, match="no such file or folder"):
        open_source(tmp_path / "nowhere")


def test_a_single_file_has_its_name_as_id(tmp_path):
    source = open_source(str(encode(tmp_path / "one clip.mp4", num_frames=2)))
    assert [video.id for video in source] == ["one clip.mp4"]
    assert source.name == "one clip.mp4"


def test_digests_depend_on_ids_and_contents_only(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for root in (first, second):
        touch(root, "a.mp4", "b/c.mp4")
    np.save(first / "clip.npy", np.zeros((2, 4, 4, 3), np.uint8))
    np.save(second / "clip.npy", np.zeros((2, 4, 4, 3), np.uint8))
    assert open_source(first).digest() == open_source(second).digest()
    digests = open_source(first).file_digests()
    assert list(digests) == ["a.mp4", "b/c.mp4", "clip.npy"]
    assert digests["a.mp4"] == hashlib.sha256(b"x").hexdigest()
    (second / "b" / "c.mp4").write_bytes(b"y")
    assert open_source(first).digest() != open_source(second).digest()
    (second / "b" / "c.mp4").write_bytes(b"x")
    (second / "a.mp4").rename(second / "d.mp4")
    assert open_source(first).digest() != open_source(second).digest()


def test_digest_of_floats_includes_what_they_mean():
    floats = np.zeros((2, 4, 4, 3), np.float32)
    digests = {open_source(floats, value_range=r).digest() for r in ("0..1", "-1..1", "0..255")}
    assert len(digests) == 3
    pair = [open_source(np.stack([floats, floats]), value_range="0..1").file_digests()]
    assert len(set(pair[0].values())) == 1


def test_digest_of_a_frame_folder_sees_names_and_contents(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "0.png")
    before = open_source(tmp_path).digest()
    (tmp_path / "0.png").rename(tmp_path / "1.png")
    assert open_source(tmp_path).digest() != before


def test_decoder_labels(tmp_path):
    import av
    import PIL

    touch(tmp_path, "a.mp4", "b.gif")
    assert decoder_label("pyav") == "pyav-" + ".".join(av.__version__.split(".")[:2])
    pillow = "pillow-" + ".".join(PIL.__version__.split(".")[:2])
    assert decoder_label("pillow") == pillow
    assert open_source(tmp_path).decoder_label() == f"{pillow}+{decoder_label('pyav')}"
    assert open_source(tmp_path / "b.gif").decoder_label() == pillow
    assert open_source(np.zeros((1, 2, 2, 3), np.uint8)).decoder_label() == "array"


def test_opening_a_folder_imports_no_decoder(tmp_path):
    touch(tmp_path, "a.mp4", "b.gif")
    code = (
        "import sys; from pyoco_eval.videos.source import open_source\n"
        f"assert len(open_source({str(tmp_path)!r})) == 2\n"
        "print([name for name in ('torch', 'av', 'PIL', 'decord') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
