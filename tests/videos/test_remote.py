"""Videos behind URLs: the same ids, frames and hashes as in a local folder."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

import pyoco_eval
from pyoco_eval.errors import UnusableVideosError, UsageError
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.source import VideoSource, open_source
from pyoco_eval.videos.write import write_video


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """mp4 files in a folder, a folder of frames, an array file."""
    folder = tmp_path / "clips"
    shapes = MovingShapes("val")
    (folder / "a").mkdir(parents=True)
    for index in range(3):
        write_video(folder / f"a/c{index}.mp4", shapes[index].frames)
    write_video(folder / "frames", shapes[3].frames)
    write_video(folder / "one.npz", shapes[4].frames)
    (folder / "notes.txt").write_text("none of them")
    return folder


@pytest.fixture
def in_memory(local: Path) -> Iterator[str]:
    system = fsspec.filesystem("memory")
    for path in local.rglob("*"):
        if path.is_file():
            system.pipe(f"/bucket/{path.relative_to(local).as_posix()}", path.read_bytes())
    yield "memory://bucket"
    system.rm("/bucket", recursive=True)


def zipped(folder: Path) -> Path:
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return target


def assert_same(found: VideoSource, expected: VideoSource) -> None:
    assert [video.id for video in found] == [video.id for video in expected]
    assert found.file_digests() == expected.file_digests()
    assert found.ignored == expected.ignored == 1
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.read(range(16)), theirs.read(range(16)))


def test_an_object_store_reads_like_a_folder(local: Path, in_memory: str) -> None:
    assert_same(open_source(in_memory), open_source(local))


def test_an_archive_reads_like_a_folder(local: Path) -> None:
    assert_same(open_source(f"zip://::{zipped(local)}"), open_source(local))


def test_files_of_this_machine_by_url(local: Path) -> None:
    assert_same(open_source(f"file://{local}"), open_source(local))


def test_one_object_and_patterns(in_memory: str) -> None:
    assert [video.id for video in open_source(f"{in_memory}/a/c1.mp4")] == ["c1.mp4"]
    assert len(open_source(f"{in_memory}/a/c*.mp4")) == 3


def test_scores_are_those_of_the_folder(local: Path, in_memory: str) -> None:
    choices = {"profile": "embedded", "allow_small": True}
    assert pyoco_eval.fvd(in_memory, **choices).value == pyoco_eval.fvd(str(local), **choices).value


def test_a_damaged_object_is_named(in_memory: str) -> None:
    fsspec.filesystem("memory").pipe("/bucket/bad.mp4", b"nothing")
    with pytest.raises(UnusableVideosError, match=r"bad\.mp4"):
        pyoco_eval.fvd(in_memory, profile="embedded", allow_small=True)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://nowhere", "memory://nowhere: no such file or folder"),
        ("gopher://host/clips", "gopher://host/clips cannot be opened"),
    ],
)
def test_urls_that_lead_nowhere(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_source(url)


def test_offline_refuses_what_needs_a_connection(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYOCO_EVAL_OFFLINE", "1")
    for url in ("https://host/clips", "s3://bucket/clips", "zip://*.mp4::https://host/a.zip"):
        with pytest.raises(UsageError, match="needs a connection"):
            open_source(url)
    assert len(open_source(f"zip://::{zipped(local)}")) == 5


def test_secrets_of_a_url_are_not_shown() -> None:
    with pytest.raises(UsageError) as raised:
        open_source("gopher://user:secret@host/clips?token=hidden")
    assert "secret" not in str(raised.value)
    assert "hidden" not in str(raised.value)
