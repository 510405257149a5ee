"""Ctrl-C before anything is imported, and commands that may open no connection."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NO_NETWORK = """
import runpy, socket, sys

def refuse(*arguments, **_):
    raise SystemExit(f"a connection was opened: {arguments}")

class Closed(socket.socket):
    def __new__(cls, family=-1, *rest, **named):
        if family not in (socket.AF_UNIX,):
            refuse(family)
        return super().__new__(cls, family, *rest, **named)

socket.socket, socket.create_connection, socket.getaddrinfo = Closed, refuse, refuse
sys.argv = ["pyoco-eval", *sys.argv[1:]]
runpy.run_module("pyoco_eval", run_name="__main__", alter_sys=True)
"""


def run(code: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=300,
    )


@pytest.fixture
def samples(tmp_path: Path) -> str:
    import numpy as np

    np.save(tmp_path / "v.npy", np.zeros((2, 16, 8, 8, 3), np.uint8))
    return str(tmp_path / "v.npy")


def test_ctrl_c_while_python_still_imports(tmp_path: Path) -> None:
    """The first import of the program is interrupted; from there on `main` is in charge."""
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt\n", encoding="utf-8")
    code = "import runpy; runpy.run_module('pyoco_eval', run_name='__main__')"
    finished = run(code, PYTHONPATH=str(tmp_path))
    assert (finished.returncode, finished.stdout, finished.stderr) == (130, "", "stopped\n")


def test_the_guard_against_connections_guards(tmp_path: Path) -> None:
    cache = str(tmp_path)
    finished = run(
        NO_NETWORK, "weights", "fetch", "i3d", PYOCO_EVAL_CACHE=cache, PYOCO_EVAL_OFFLINE="0"
    )
    assert "a connection was opened" in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--offline", "weights", "fetch", "--all"], 3),
        (["weights", "fetch", "i3d", "--offline"], 3),
        (["weights", "list"], 0),
        (["weights", "verify"], 0),
        (["doctor", "--verify"], 0),
        (["fvd", "--samples", "SAMPLES", "--reference", "SAMPLES", "--allow-small"], 3),
        (["is", "--samples", "SAMPLES"], 3),
        (["fid", "--samples", "SAMPLES", "--reference", "SAMPLES", "--allow-small"], 3),
        (["clip-fid", "--samples", "SAMPLES", "--reference", "SAMPLES", "--allow-small"], 3),
        (["features", "--samples", "SAMPLES", "--extractor", "c3d", "--out", "OUT"], 3),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, list) else "",
)
def test_no_command_opens_a_connection(
    arguments: list[str], code: int, samples: str, tmp_path: Path
) -> None:
    places = {"SAMPLES": samples, "OUT": str(tmp_path / "out.npz")}
    given = [places.get(argument, argument) for argument in arguments]
    finished = run(
        NO_NETWORK,
        *given,
        PYOCO_EVAL_CACHE=str(tmp_path / "cache"),
        PYOCO_EVAL_WEIGHTS_MIRROR="",
        PYOCO_EVAL_OFFLINE="0" if "--offline" in given else "1",
    )
    assert finished.returncode == code, finished.stderr
    assert "a connection was opened" not in finished.stderr
    assert code == 0 or "pyoco-eval weights fetch" in finished.stderr


@pytest.mark.slow
def test_the_selftest_opens_no_connection() -> None:
    finished = run(NO_NETWORK, "--offline", "selftest", "--quick")
    assert finished.returncode == 0, finished.stderr


@pytest.mark.slow
def test_clip_is_built_and_scored_without_a_connection(samples: str, tmp_path: Path) -> None:
    """open_clip can download models, configurations and tokenizers; here it may not."""
    pytest.importorskip("open_clip")
    from pyoco_eval.selftest.recipes import load_clip

    load_clip(tmp_path)
    arguments = ["--samples", samples, "--extractor", "clip", "--frames", "first"]
    finished = run(
        NO_NETWORK,
        "--offline",
        "features",
        *arguments,
        *("--weights", f"clip={tmp_path / 'clip'}", "--out", str(tmp_path / "f.npz")),
    )
    assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "f.npz").is_file()
