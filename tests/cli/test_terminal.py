"""Nothing foreign acts on the terminal, whichever way it comes: names, captions, arguments, errors.

The commands run in this process through `main`, as a user would start them; some on a
pseudo-terminal, where progress bars and colours are drawn.
"""

import json
import logging
import os
import pty
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from pyoco_eval.cli import main as entry
from pyoco_eval.cli.terminal import open_console
from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.videos.write import write_video

FORGED = "Error: all is lost"
HOSTILE = (
    "\x1b[31mred\x1b]0;pwn\x07",
    f"a\n{FORGED}",
    "\u202egpj.exe",
    "\x9b31mred",
    "[bold]x[link=x]y",
    b"caf\xe9".decode("utf-8", "surrogateescape"),
)
_ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(0)
    for number in range(6):
        frames = rng.integers(0, 255, (16, 16, 16, 3), dtype=np.uint8)
        write_video(folder / f"{number}.npz", frames, fps=8)
        (folder / f"{number}.npz").rename(folder / f"{HOSTILE[number]}.npz")
    return folder


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    for name in HOSTILE:
        (folder / f"{name}.mp4").write_bytes(b"no video")
        (folder / f"{name}.gif").write_bytes(b"GIF89a no picture")
    return folder


class Ran:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        both = out + err
        assert not _ACTS.search(both), ascii(both)
        both.encode()
        forged = [line for line in both.splitlines() if line.startswith(FORGED)]
        assert not forged


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    shown = warnings.showwarning, logging.lastResort

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["pyoco-eval", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            entry.main()
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        finally:
            warnings.showwarning, logging.lastResort = shown
        return Ran(code, *capsys.readouterr())

    return run


def test_inspect(run, videos: Path, broken: Path) -> None:
    assert "\\x1b[31mred\\x1b]0;pwn\\x07" in run("inspect", videos, "--all").out.replace("\n", "")
    told = run("inspect", videos, "--reference", broken)
    assert told.code == 0
    document = json.loads(run("inspect", videos, "--json").out)
    found = {video["path"] for video in document["videos"]}
    assert found == {*(f"{name}.npz" for name in HOSTILE[:-1]), "caf\\xe9.npz"}, "JSON stays exact"
    assert run("inspect", broken).code == 0


def test_scores_features_and_reports(run, videos: Path, broken: Path, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    score = ("evaluate", "--profile", "embedded", "--metrics", "fid", "--allow-small")
    score = (*score, "--pictures", "frames")
    sides = ("--samples", videos, "--reference", videos)
    assert run(*score, *sides, "--out", record).code == 0
    document = json.loads(record.read_text(encoding="utf-8"))
    assert len(document["samples"]["files"]) == len(HOSTILE)
    told = run(*score, "--samples", broken, "--reference", videos)
    assert told.code == 1
    assert "12 of 12 videos cannot be used" in told.err
    other = tmp_path / "other.json"
    other.write_bytes(record.read_bytes())
    assert run("compare", record, other).code == 0
    for name in ("x.html", "x.md", "x.tex"):
        out = tmp_path / name
        gallery = ("--samples", videos) if name == "x.html" else ()
        assert run("report", record, "--out", out, *gallery).code == 0
        assert not _ACTS.search(out.read_text(encoding="utf-8"))
    assert run("report", broken / f"{HOSTILE[0]}.mp4", "--out", tmp_path / "y.md").code != 0


@pytest.mark.parametrize("name", HOSTILE)
def test_arguments(run, tmp_path: Path, name: str) -> None:
    """Messages that repeat what was typed, or what stands in a file."""
    hostile = tmp_path / "x" / name
    hostile.mkdir(parents=True)
    manifest = tmp_path / "list.jsonl"
    manifest.write_text(json.dumps({"file": name, "caption": name, "label": name}) + "\n")
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"name": name, name: name}))
    for arguments in (
        (name,),
        ("inspect", f"--{name}"),
        ("inspect", hostile / "absent"),
        ("inspect", hostile),
        ("inspect", manifest),
        ("fvd", "--samples", hostile),
        ("fvd", "--samples", manifest, "--convention", name),
        ("sample", "--ckpt", hostile, "--out", tmp_path / "out"),
        ("sample", "--ckpt", f"python:{name}:{name}", "--out", tmp_path / "out"),
        ("sample", "--ckpt", hostile, "--out", tmp_path / "out", "--set", name),
        ("protocol", "show", name),
        ("protocol", "validate", config),
        ("train", config, "--set", name),
        ("train", name),
        ("weights", "path", name),
        ("weights", "fetch", name),
        ("reference", "show", name),
        ("compare", hostile / "a", hostile / "b"),
        ("shapes", "--num", "1", "--out", tmp_path, "--only", f"{name}={name}"),
        ("invert-noise", "--ckpt", hostile, "--videos", hostile, "--out", tmp_path / "o"),
        ("embed-text", "--prompts", hostile, "--out", tmp_path / "o"),
    ):
        assert run(*arguments).code != 0, arguments


def test_warnings_logs_and_faults(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn(HOSTILE[0], stacklevel=2)
        logging.getLogger("some.library").propagate = True
        assert logging.lastResort is not None
        logging.lastResort.emit(
            logging.LogRecord("x", logging.WARNING, "x", 1, HOSTILE[0], (), None)
        )
        raise kind(HOSTILE[0] + f"\n{FORGED}")

    monkeypatch.setattr(entry.cli, "main", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for kind, code in ((OSError, 1), (MemoryError, 1), (KeyError, 70), (RecursionError, 70)):
        if kind is OSError:
            continue
        assert run("inspect").code == code
    assert len(list(tmp_path.glob("pyoco-eval-crash-*.txt"))) == 2
    for path in tmp_path.iterdir():
        assert not _ACTS.search(path.read_text(encoding="utf-8"))


def test_a_fault_of_ours_says_so_and_leaves_a_report(run, monkeypatch, tmp_path: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("at https://user:secret@example.org/x?token=secret")

    monkeypatch.setattr(entry.cli, "main", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told = run("fvd", "--samples", "s3://key:secret@bucket/x?signature=secret")
    assert told.code == 70
    assert "a fault of pyoco-eval, not of yours: ZeroDivisionError" in told.err
    assert "Traceback" not in told.err
    (report,) = tmp_path.iterdir()
    assert str(report) in told.err
    text = report.read_text()
    assert "ZeroDivisionError" in text
    assert "Traceback" in text
    assert "s3://bucket/x" in text
    assert "secret" not in text.replace("secret@example.org", "").partition("Traceback")[0]
    assert "secret" not in text


def test_known_errors_have_no_report(run, monkeypatch, tmp_path: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PyocoEvalError("x: is broken")

    monkeypatch.setattr(entry.cli, "main", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told = run("fvd")
    assert (told.code, told.err) == (1, "Error: x: is broken\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", HOSTILE)
def test_the_console_of_tables_and_bars(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    console = open_console()
    table = Table(title=name)
    table.add_column(name)
    table.add_row(Text(name, style="red"))
    table.add_row(name)
    for thing in (
        name,
        Text(name),
        table,
        Panel(name, title=name),
        Text.assemble(name, (name, "b")),
    ):
        console.print(thing)
    out = capsys.readouterr().out
    assert not _ACTS.search(out)
    if name.startswith("["):
        assert out.count("[link=") >= 7, "brackets are text"


def test_on_a_terminal(videos: Path) -> None:
    """Colours and the cursor of bars are rich's; no title is set, no name gives a colour."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pyoco_eval", "inspect", str(videos), "--all"],
        stdin=child,
        stdout=child,
        stderr=child,
        env=os.environ | {"COLUMNS": "200", "TERM": "xterm"},
    )
    os.close(child)
    shown = b""
    try:
        while part := os.read(parent, 1 << 16):
            shown += part
    except OSError:  # how Linux says that the other end was closed
        pass
    os.close(parent)
    assert process.wait() == 0
    text = shown.decode()
    assert "\\x1b[31mred\\x1b]0;pwn\\x07" in text
    assert "\x1b[31mred" not in text
    own = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")
    assert not _ACTS.search(own)
