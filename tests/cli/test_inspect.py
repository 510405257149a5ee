"""`pyoco-eval inspect`: the JSON that scripts rely on, and the text for people."""

import json
import subprocess
import sys

import av
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pyoco_eval.cli.inspect import command
from pyoco_eval.errors import UsageError


@pytest.fixture
def folder(tmp_path):
    videos = tmp_path / "clips"
    videos.mkdir()
    rng = np.random.default_rng(0)
    with av.open(str(videos / "good.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(18):
            pixels = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    (videos / "[bold]\nbad.mp4").write_text("no video")
    np.savez(videos / "two.npz", rng.integers(0, 256, (2, 20, 8, 9, 3), dtype=np.uint8))
    (videos / "notes.txt").write_text("x")
    return videos


def run(*arguments: str) -> str:
    result = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_json(folder):
    document = json.loads(run(folder, "--json"))
    assert document["videos"] == [
        {
            "path": "[bold]\nbad.mp4",
            "num_frames": 0,
            "width": None,
            "height": None,
            "fps": None,
            "error": "cannot be opened: not a video, or damaged at its start",
        },
        {
            "path": "good.avi",
            "num_frames": 18,
            "width": 64,
            "height": 48,
            "fps": 25.0,
            "error": None,
        },
        *(
            {
                "path": f"two.npz#{number}",
                "num_frames": 20,
                "width": 9,
                "height": 8,
                "fps": None,
                "error": None,
            }
            for number in range(2)
        ),
    ]
    assert document["ignored_files"] == 1
    assert document["details"]["good.avi"]["codec"] == "mpeg4"
    assert "1 of 4 files cannot be read." in document["findings"]


def test_json_of_a_single_file_and_a_reference(folder):
    document = json.loads(run(folder / "good.avi", "--json", "--reference", folder / "two.npz"))
    assert [video["path"] for video in document["videos"]] == ["good.avi"]
    assert len(document["reference"]["videos"]) == 2
    assert any("Codec" in sentence for sentence in document["differences"])


def test_the_command_prints_nothing_else(folder):
    code = "from pyoco_eval.cli.inspect import command; command()"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), "--json"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stderr == ""
    json.loads(done.stdout)


def test_text_fits_80_columns_and_escapes_names(folder, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = run(folder, "--reference", folder)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert r"[bold]\nbad.mp4" in text
    for words in ("Findings", "1 of 4 files cannot be read.", "Against the reference"):
        assert words in text
    assert "3 videos occur on both sides." in text


def test_long_lists_show_what_is_odd(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 256, (50, 2, 4, 4, 3), dtype=np.uint8)
    clips[30] = 0
    np.savez(tmp_path / "many.npz", clips)
    text = run(tmp_path)
    assert "many.npz#30" in text
    assert "many.npz#31" not in text
    assert "49 more are not listed" in text
    assert "many.npz#31" in run(tmp_path, "--all")


def test_floats_without_range_are_told_not_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.linspace(0, 1, 96, dtype=np.float32).reshape(2, 4, 4, 3))
    (video,) = json.loads(run(tmp_path, "--json"))["videos"]
    assert "--value-range" in video["error"]
    (video,) = json.loads(run(tmp_path, "--json", "--value-range", "0..1"))["videos"]
    assert video["error"] is None


def test_usage_errors(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError):
            run(path)
    assert CliRunner().invoke(command, ["--value-range", "0..2", "x"]).exit_code == 2


def test_help_has_examples():
    text = run("--help")
    assert "pyoco-eval inspect generated/ --reference real/" in text


def test_pictures_are_shown_as_videos_and_as_images_on_request(tmp_path):
    for number in range(6):
        folder = tmp_path / f"class{number % 2}"
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (8 + number, 9), (number, 0, 90)).save(folder / f"{number // 2}.png")
    document = json.loads(run(tmp_path, "--json"))
    assert [video["path"] for video in document["videos"]] == ["class0", "class1"]
    assert "6 pictures in 2 folders are taken as images" in document["notes"][0]
    document = json.loads(run(tmp_path, "--json", "--pictures", "images"))
    assert [video["path"] for video in document["videos"]][:2] == ["class0/0.png", "class0/1.png"]
    assert {video["num_frames"] for video in document["videos"]} == {1}
    assert ": 6 images" in run(tmp_path, "--pictures", "images")
    assert not any("fewer than" in finding for finding in document["findings"])


def test_what_is_left_out_is_named(folder):
    assert (
        "1 other file is no video and will not be used: 1 .txt (text)."
        in json.loads(run(folder, "--json"))["findings"]
    )
