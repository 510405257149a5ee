"""Content that would run another program, or open other files and addresses, is never decoded."""

import contextlib
import http.server
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from encoded_clips import encode
from PIL import EpsImagePlugin, Image, WmfImagePlugin

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.report.gallery.media import embed, open_clip_file
from pyoco_eval.training.config import DataConfig
from pyoco_eval.training.data.examples import open_examples
from pyoco_eval.videos.inspection import inspect_source
from pyoco_eval.videos.readers.open_picture import open_picture
from pyoco_eval.videos.source import open_source

EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\n"
    b"0 0 16 16 rectfill\nshowpage\n%%EOF\n"
)
DELEGATING = {
    "eps": EPS,
    "eps in a binary frame": b"\xc5\xd0\xd3\xc6" + (30).to_bytes(4, "little") + bytes(22) + EPS,
    "wmf": b"\xd7\xcd\xc6\x9a\0\0" + bytes(4) + b"\x10\0\x10\0" + b"\x60\0" + bytes(4) + b"\1\0\t\0"
    + bytes(64),
}  # fmt: skip


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that appears if Ghostscript is run, or a handler of another format is called."""
    marker = tmp_path / "somebody-ran"
    tools = tmp_path / "bin"
    tools.mkdir()
    fake = tools / "gs"
    fake.write_text(f"#!/bin/sh\necho ran >> '{marker}'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # what an earlier search found

    class Handler:
        def open(self, image: Image.Image) -> None:
            marker.write_text("handler")

        def load(self, image: Image.Image) -> Image.Image:
            marker.write_text("handler")
            return Image.new("RGB", image.size)

    monkeypatch.setattr(WmfImagePlugin, "_handler", Handler(), raising=False)
    return marker


def test_the_fake_ghostscript_would_be_run(told: Path, tmp_path: Path) -> None:
    """The trap works: Pillow left alone runs it."""
    path = tmp_path / "0.png"
    path.write_bytes(EPS)
    with contextlib.suppress(OSError), Image.open(path, formats=["EPS"]) as image:
        image.load()
    assert told.exists()


@pytest.mark.parametrize("content", DELEGATING.values(), ids=DELEGATING)
@pytest.mark.parametrize("name", ["0.png", "0.jpg", "0.jpeg", "0.gif", "0.webp", "0.bmp", "0.mp4"])
def test_no_path_hands_a_picture_to_another_program(
    told: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / name).write_bytes(content)
    ways = (
        lambda: [video.read([0]) for video in open_source(folder)],
        lambda: [video.probe() for video in open_source(folder)],
        lambda: inspect_source(open_source(folder)),
        lambda: embed(open_clip_file(folder), 1 << 20),
        lambda: open_examples(DataConfig(source="images", path=str(folder), size=8)).read(
            0, np.random.default_rng(0)
        ),
        lambda: open_picture(io.BytesIO(content)),
    )
    for way in ways:
        # What is asked here is not how it ends, but that nobody else was called.
        with contextlib.suppress(PyocoEvalError, OSError):
            way()
        assert not told.exists()


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """An address, and the paths that were asked for."""
    asked: list[str] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()


PLAYLISTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "concat without a header": "file '{target}'\n",
    "mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"
    "a=control:{target}\na=rtpmap:96 H264/90000\n",
    "ram": "{target}\n",
    "imf": '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3'
    '/2016"><Id>urn:uuid:0</Id><Asset>{target}</Asset></CompositionPlaylist>',
}


@pytest.mark.parametrize("decoder", ["pyav", "decord"])
@pytest.mark.parametrize("text", PLAYLISTS.values(), ids=PLAYLISTS)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_playlist_is_no_video(
    tmp_path: Path, server: tuple[str, list[str]], text: str, suffix: str, decoder: str
) -> None:
    if decoder == "decord":
        pytest.importorskip("decord")
    address, asked = server
    (tmp_path / "beside").mkdir()
    beside = encode(tmp_path / "beside" / "real.mp4")
    for target in (f"{address}/x.mp4", "beside/real.mp4", str(beside), f"file:{beside}"):
        path = tmp_path / f"list{suffix}"
        path.write_text(text.format(target=target))
        (video,) = open_source(path, decoder=decoder)
        with pytest.raises(PyocoEvalError):
            video.count_frames()
        with pytest.raises(PyocoEvalError):
            video.read([0])
    assert not asked
