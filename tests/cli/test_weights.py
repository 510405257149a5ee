"""`pyoco-eval weights`: what people read, what scripts rely on, and exit codes."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from pyoco_eval.cli.weights import command
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.weights.manifest import MANIFEST

KEYS = list(MANIFEST)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    for key in KEYS:
        name = f"PYOCO_EVAL_WEIGHTS_{key.upper().replace('-', '_')}"
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("PYOCO_EVAL_WEIGHTS_MIRROR", raising=False)
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path))
    monkeypatch.setenv("PYOCO_EVAL_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    folder = tmp_path / "weights"
    folder.mkdir()
    return folder


def array_archive():
    file = io.BytesIO()
    np.savez(file, mean=np.zeros(3, np.float32))
    return file.getvalue()


def run(*arguments, error=None, says=""):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if error is None:
        assert result.exit_code == 0, result.output
    else:
        assert type(result.exception) is error
        assert says in str(result.exception)
    return result.stdout


def test_list_fits_eighty_columns(cache):
    text = run("list")
    assert all(len(line) <= 80 for line in text.splitlines() if "Kept in" not in line)
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert set(KEYS) <= set(rows)
    assert rows["c3d"][-2:] == ["none", "no"]
    assert rows["i3d"][-2:] == ["known", "no"]
    assert f"Kept in {cache}" in text


def test_list_for_scripts(cache, monkeypatch):
    (cache / "mean2.npz").write_bytes(b"x")
    monkeypatch.setenv("PYOCO_EVAL_WEIGHTS_MIRROR", "https://mirror.example")
    entries = {entry["key"]: entry for entry in json.loads(run("list", "--json"))}
    assert list(entries) == KEYS
    assert entries["c3d-mean"]["path"] == str(cache / "mean2.npz")
    assert entries["c3d-mean"]["addresses"][0] == "https://mirror.example/mean2.npz"
    assert entries["i3d"]["path"] is None
    assert entries["inception"]["size"] == 95_628_359


def test_fetch_of_what_is_here(cache):
    (cache / "mean2.npz").write_bytes(b"x")
    assert "unverified: no hash was ever published" in run("fetch", "c3d-mean")
    (document,) = json.loads(run("fetch", "c3d-mean", "c3d-mean", "--json"))
    assert document["path"] == str(cache / "mean2.npz")
    assert document["published"] is False
    assert document["digest"].startswith("sha256:2d711642")


def test_one_missing_key_does_not_stop_the_others(cache):
    (cache / "mean2.npz").write_bytes(b"x")
    text = run("fetch", "--all", error=MissingError, says="pyoco-eval weights fetch clip")
    assert str(cache / "mean2.npz") in text
    run("fetch", "i3d", "--offline", error=MissingError, says="Three ways")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fetch"], "--all"),
        (["fetch", "i3d", "--all"], "not both"),
        (["fetch", "c3d-mean", "i4d"], "Did you mean i3d"),
        (["verify", "i4d"], "Did you mean i3d"),
        (["path", "i4d"], "Did you mean i3d"),
    ],
)
def test_wrong_usage(arguments, says):
    run(*arguments, error=UsageError, says=says)


def test_verify(cache, tmp_path, monkeypatch):
    assert run("verify").splitlines() == [f"{key}: missing" for key in KEYS]
    run("verify", "i3d", error=MissingError, says="missing: i3d")
    (cache / "mean2.npz").write_bytes(b"x")
    assert "no hash was ever published" in run("verify", "c3d-mean")
    mine = tmp_path / "mine"
    mine.write_bytes(b"mine")
    monkeypatch.setenv("PYOCO_EVAL_WEIGHTS_CLIP", str(mine))
    (cache / MANIFEST["i3d"].name).write_bytes(b"damaged")
    text = run("verify", "--json", error=PyocoEvalError, says="i3d, clip")
    states = {document["key"]: document for document in json.loads(text)}
    assert "damaged" in states["i3d"]["status"]
    assert states["clip"]["status"] == "unverified: not the published file"
    assert states["clip"]["path"] == str(mine)
    assert states["inception"] == {
        "key": "inception",
        "path": None,
        "digest": None,
        "published": None,
        "status": "missing",
    }


def test_verify_a_file_that_is_elsewhere(cache, tmp_path):
    mine = tmp_path / "mine"
    mine.write_bytes(b"mine")
    text = run("verify", "--json", f"clip={mine}", error=PyocoEvalError, says="clip")
    (document,) = json.loads(text)
    assert (document["path"], document["published"]) == (str(mine), False)
    assert "no hash was ever published" in run("verify", f"c3d={mine}")
    run("verify", f"clip={tmp_path / 'none'}", error=UsageError, says="no such file")
    run("verify", f"clop={mine}", error=UsageError, says="Did you mean clip")


def test_bundle_and_unbundle(cache, tmp_path, monkeypatch):
    (cache / "mean2.npz").write_bytes(array_archive())
    out = tmp_path / "w.tar"
    run("bundle", out, error=MissingError, says="its licence is not stated; name it")
    run("bundle", out, "i4d", error=UsageError, says="Did you mean i3d")
    text = run("bundle", out, "c3d-mean")
    assert "licence: not stated (rezoo/tgan2" in text
    document = json.loads(run("bundle", out, "c3d-mean", "--json"))
    assert (document["path"], document["size"]) == (str(out), out.stat().st_size)
    assert f"{out}: {document['size']:,} bytes, {document['sha256']}" in text
    assert [file["key"] for file in document["files"]] == ["c3d-mean"]
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "other"))
    path = tmp_path / "other" / "weights" / "mean2.npz"
    assert f"c3d-mean: added: {path}" in run("unbundle", out)
    (unpacked,) = json.loads(run("unbundle", out, "--json"))
    assert (unpacked["action"], unpacked["path"]) == ("kept", str(path))
    path.write_bytes(b"x")
    run("unbundle", out, error=PyocoEvalError, says="--force replaces it")
    assert "replaced" in run("unbundle", out, "--force")


def test_a_bar_for_all_files_follows_each_of_them():
    from rich.progress import Progress

    from pyoco_eval.cli.weights_progress import FetchProgress

    bar = Progress(disable=True)
    progress = FetchProgress(bar, ["a", "b"], [100, None])
    (total,) = bar.tasks
    with progress.file("a") as on_bytes:
        on_bytes(40, 100)
        assert (total.completed, total.total) == (40, None)
        on_bytes(100, 100)
    with progress.file("b") as on_bytes:
        on_bytes(5, 50)
        assert (total.completed, total.total) == (105, 150)
        assert len(bar.tasks) == 2
    assert (total.completed, total.total) == (105, 105)
    assert FetchProgress(Progress(disable=True), ["a"], [1])._bar.tasks == []


def test_path(cache):
    run("path", "c3d-mean", error=MissingError, says="Three ways")
    (cache / "mean2.npz").write_bytes(b"x")
    assert run("path", "c3d-mean") == f"{cache / 'mean2.npz'}\n"


@pytest.mark.parametrize("name", ["list", "fetch", "verify", "path", "bundle", "unbundle"])
def test_help_has_an_example(name):
    assert f"pyoco-eval weights {name}" in run(name, "--help")


def test_exit_code_and_message_of_the_program():
    program = [sys.executable, "-m", "pyoco_eval", "weights", "fetch", "i3d"]
    result = subprocess.run(program, capture_output=True, text=True, check=False)
    assert result.returncode == 3
    assert result.stdout == ""
    assert result.stderr.startswith("Error: the i3d weights are not on this machine")


def test_importing_the_command_is_light():
    code = (
        "import sys, pyoco_eval.cli.weights\n"
        "heavy = ('numpy', 'rich', 'pydantic', 'torch', 'requests', 'pooch', 'filelock')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
