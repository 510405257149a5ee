"""Folders that link to each other, to themselves, or lie very deep: each is searched once."""

import http.server
import json
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pyoco_eval.cli.inspect import command
from pyoco_eval.errors import UsageError
from pyoco_eval.protocol_run.stages import fingerprint
from pyoco_eval.training.data.picture_source import open_pictures
from pyoco_eval.videos.listing.walk import walk
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.write import write_video


def clip(path: Path) -> None:
    write_video(path, np.full((2, 8, 8, 3), 7, np.uint8), fps=8)


@pytest.fixture
def farm(tmp_path: Path) -> Path:
    """Nine folders, each with a video, a picture, and links to all of them and to itself."""
    root = tmp_path / "farm"
    for number in range(9):
        folder = root / f"f{number}"
        folder.mkdir(parents=True)
        clip(folder / "v.npz")
        (root / "pictures" / f"f{number}").mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(root / "pictures" / f"f{number}" / "p.png")
        for other in range(9):
            (folder / f"to{other}").symlink_to(Path("..") / f"f{other}")
            (root / "pictures" / f"f{number}" / f"to{other}").symlink_to(f"../f{other}")
        (folder / "round").symlink_to("round")
    return root


def test_a_link_farm_ends_and_holds_what_it_holds(farm: Path) -> None:
    videos = [f"f{number}/v.npz" for number in range(9)]
    found = [video.id for video in open_source(farm) if video.id.endswith(".npz")]
    assert found == videos, "each by its own name"
    assert [video.id for video in open_source(f"{farm}/f*/**/*.npz")] == videos
    assert len(open_source(f"{farm}/**/v.npz")) == 9
    assert len(open_source(f"{farm}/**")) == len(open_source(farm))
    assert len(open_pictures(str(farm / "pictures"))) == 9
    assert fingerprint([farm]) == fingerprint([farm])


def test_a_link_to_elsewhere_is_followed(tmp_path: Path) -> None:
    clip(tmp_path / "elsewhere" / "v.npz")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "here" / "up").symlink_to(tmp_path)
    assert [video.id for video in open_source(tmp_path / "here")] == ["linked/v.npz"]
    (tmp_path / "here" / "up").unlink()
    (tmp_path / "here" / "again").symlink_to(tmp_path / "elsewhere")
    source = open_source(tmp_path / "here")
    assert [video.id for video in source] == ["again/v.npz"]
    assert source.ignored == 1, "what is passed over is counted"


def test_very_deep_folders(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(1500):
        deep = deep / "d"
        deep.mkdir()
    clip(deep / "v.npz")
    assert len(open_source(tmp_path)) == 1
    assert len(open_source(f"{tmp_path}/**/v.npz")) == 1
    assert sum(1 for _ in walk(tmp_path)) == 1501
    with pytest.raises(UsageError, match="no pictures"):
        open_pictures(str(tmp_path))
    assert fingerprint([tmp_path])
    for _ in range(1500):  # for pytest, which removes folders recursively
        for path in deep.iterdir():
            path.unlink()
        deep.rmdir()
        deep = deep.parent


def test_inspect_takes_what_scores_take(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    clip(tmp_path / "site" / "v.npz")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/v.npz"
        for place in (address, f"file://{tmp_path}/site", f"{tmp_path}/s*/*.npz"):
            ran = CliRunner().invoke(command, [place, "--json"], catch_exceptions=False)
            (video,) = json.loads(ran.stdout)["videos"]
            assert (video["num_frames"], video["error"]) == (2, None)
        server.shutdown()
