"""One process at a time in a folder, and a word on who it is."""

import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from pyoco_eval.errors import UsageError
from pyoco_eval.generation.request import Request
from pyoco_eval.generation.write import write_samples
from pyoco_eval.locks import LOCK, WAIT_VARIABLE, LockedError, locked, longest_wait

HOLD = (
    "import sys, time; from pathlib import Path; from pyoco_eval.locks import locked\n"
    "with locked(Path(sys.argv[1]), 'works'):\n"
    "    print('ready', flush=True); sys.stdin.readline()\n"
)


class Holder:
    """Another process that holds a lock until it is let go or killed."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> "Holder":
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def test_who_is_kept_out_is_told_who_is_inside(tmp_path: Path) -> None:
    path = tmp_path / "run" / LOCK
    with Holder(path) as holder:
        told: list[str] = []
        with (
            pytest.raises(LockedError, match=rf"works right now: process {holder.process.pid} on "),
            locked(path, "works"),
        ):
            pass
        with (
            pytest.raises(LockedError, match="works for 0 s"),
            locked(path, "works", wait=0.1, on_wait=told.append),
        ):
            pass
        assert f"process {holder.process.pid} on" in told[0]
    with locked(path, "works"):  # a lock dies with its process
        assert f"process {os.getpid()} on" in (path.parent / ".lock-holder").read_text()
    assert not (path.parent / ".lock-holder").exists()


def test_waiting_ends_when_the_other_is_done(tmp_path: Path) -> None:
    path = tmp_path / LOCK
    with Holder(path) as holder:

        def let_go(_: str) -> None:
            assert holder.process.stdin is not None
            holder.process.stdin.write("\n")
            holder.process.stdin.flush()

        with locked(path, "works", wait=60, on_wait=let_go):
            assert holder.process.wait() == 0


def test_the_longest_wait_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert longest_wait() == 3600
    monkeypatch.setenv(WAIT_VARIABLE, "2.5")
    assert longest_wait() == 2.5
    for text in ("-1", "soon", "nan", "inf"):
        monkeypatch.setenv(WAIT_VARIABLE, text)
        with pytest.raises(UsageError, match=WAIT_VARIABLE):
            longest_wait()


class Generator:
    recipe: ClassVar = {"generator": "grey"}
    fps = 8.0

    def check(self, requests: object) -> None:
        pass

    def generate(self, requests: list[Request]) -> list[np.ndarray]:
        return [np.zeros((2, 8, 8, 3), np.uint8) for _ in requests]


def test_a_second_run_of_samples_is_refused_before_it_touches_anything(tmp_path: Path) -> None:
    out = tmp_path / "samples"
    with Holder(out / LOCK):
        unfinished = out / ".writing-of-the-first"
        unfinished.mkdir()
        for overwrite in (False, True):
            with pytest.raises(LockedError, match="another process makes samples here"):
                write_samples(Generator(), [Request(0)], out, overwrite=overwrite)
        assert unfinished.is_dir()
    assert len(write_samples(Generator(), [Request(0)], out, file_format="npz")) == 1


@pytest.mark.parametrize(
    ("arguments", "lock"),
    [
        (("shapes", "--num", "1", "--size", "16", "--out", "x"), "x/.lock"),
        (("features", "--extractor", "tiny2d", "--samples", "clips", "--out", "f.npz"),
         ".f.npz.lock"),
        (("reference", "build", "mine", "--profile", "embedded", "--metrics", "fid", "--samples",
          "clips"), "cache/references/mine/.lock"),
        (("embed-text", "--encoder", "shapes", "--prompts", "p.txt", "--out", "x"), "x/.lock"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_every_command_that_fills_a_folder_keeps_others_out(
    tmp_path: Path, arguments: tuple[str, ...], lock: str
) -> None:
    environment = os.environ | {"PYOCO_EVAL_CACHE": str(tmp_path / "cache")}
    start = [sys.executable, "-m", "pyoco_eval"]
    subprocess.run(
        [*start, "shapes", "--num", "2", "--size", "16", "--out", "clips"],
        cwd=tmp_path, env=environment, check=True,
    )  # fmt: skip
    (tmp_path / "p.txt").write_text("a small red circle slides left slowly over plain navy\n")
    with Holder(tmp_path / lock):
        run = subprocess.run(
            [*start, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert run.returncode == 1, run.stderr
        assert "another process" in run.stderr
