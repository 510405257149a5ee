"""Files appear whole or not at all; what a killed writer left is removed once it is dead."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyoco_eval import atomic
from pyoco_eval.atomic import atomic_path, writing
from pyoco_eval.errors import PyocoEvalError


@pytest.fixture(autouse=True)
def _as_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_swept", set())


def parts(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".*.part"))


def test_a_file_takes_its_place_when_all_is_well(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.json"
    with atomic_path(path) as part:
        part.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert parts(path.parent) == []


def test_the_part_of_a_killed_writer_is_swept_and_that_of_a_living_one_is_not(
    tmp_path: Path,
) -> None:
    code = (
        "import sys, time; from pathlib import Path; from pyoco_eval.atomic import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as part:\n"
        "    part.write_text('half'); print('ready', flush=True); time.sleep(600)\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "big.npz")], stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    with writer, writer.stdout:
        assert writer.stdout.readline() == b"ready\n"
        (tmp_path / ".notes.part").write_text("of somebody else")
        with atomic_path(tmp_path / "a") as part:
            part.write_text("a")
        assert len(parts(tmp_path)) == 2, "its writer lives"
        writer.kill()
        writer.wait()
        atomic._swept.clear()
        with atomic_path(tmp_path / "b") as part:
            part.write_text("b")
        assert parts(tmp_path) == [".notes.part"]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch) -> None:
    events: list[str] = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append("sync"), sync(handle)))
    monkeypatch.setattr(
        Path, "replace", lambda own, to: (events.append("rename"), replace(own, to))[1]
    )
    with atomic_path(tmp_path / "x") as part:
        part.write_text("x")
    assert events == ["sync", "rename", "sync"]
    events.clear()
    with atomic_path(tmp_path / "y", durable=False) as part:
        part.write_text("y")
    assert events == ["rename"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_what_the_system_says_names_the_path(tmp_path: Path, code: int) -> None:
    path = tmp_path / "x.json"

    def fill() -> None:
        with atomic_path(path) as part:
            part.write_text("half")
            raise OSError(code, os.strerror(code))

    with pytest.raises(PyocoEvalError, match=rf"x\.json: cannot be written: {os.strerror(code)}"):
        fill()
    assert parts(tmp_path) == []
    assert not path.exists()
    with pytest.raises(PyocoEvalError, match=r"x\.json"), writing(path):
        raise OSError(code, os.strerror(code))


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of POSIX")
def test_a_full_disk_names_the_path_in_every_command_that_writes(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: writes fail alike."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "import torch, av, PIL.Image, pyoco_eval.evaluation.evaluate, pyoco_eval.report.make\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))\n"
        "from pyoco_eval.cli.main import main; main()\n"
    )
    clips = tmp_path / "clips"
    shapes = ["shapes", "--num", "3", "--size", "16", "--num-frames", "16"]
    subprocess.run([sys.executable, "-m", "pyoco_eval", *shapes, "--out", str(clips)], check=True)
    sides = ["--samples", str(clips), "--reference", str(clips)]
    score = ["evaluate", "--profile", "embedded", "--metrics", "fid", "--allow-small"]
    record = tmp_path / "record.json"
    subprocess.run([sys.executable, "-m", "pyoco_eval", *score, *sides, "--out", str(record)],
                   check=True, capture_output=True)  # fmt: skip
    for arguments, named in (
        ([*shapes, "--out", str(tmp_path / "more")], "more"),
        ([*score, *sides, "--out", str(tmp_path / "r.json")], "r.json"),
        ([*score, *sides, "--keep-features", str(tmp_path / "kept")], "kept"),
        (["features", "--extractor", "tiny2d", "--samples", str(clips), "--out",
          str(tmp_path / "f.npz")], "f.npz"),
        (["report", str(record), "--out", str(tmp_path / "x.html")], "x.html"),
        (["report", str(record), "--out", str(tmp_path / "x.md")], "x.md"),
    ):  # fmt: skip
        run = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True
        )
        assert run.returncode == 1, run.stderr
        assert named in run.stderr.rpartition("Error: ")[2], run.stderr
        assert "cannot be written" in run.stderr
        assert "Traceback" not in run.stderr
