"""The command line as scripts see it: exit codes, streams, help."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

COMMANDS = [
    "fvd", "is", "fid", "clip-fid", "evaluate", "features", "inspect", "shapes", "weights",
    "doctor", "selftest",
]  # fmt: skip


def run(*arguments: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pyoco_eval", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=300,
    )


def test_help_lists_every_command() -> None:
    shown = run("--help")
    assert shown.returncode == 0
    for command in COMMANDS:
        assert f"  {command}" in shown.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command: str) -> None:
    from click.testing import CliRunner

    from pyoco_eval.cli.main import cli

    shown = CliRunner().invoke(cli, [command, "--help"])
    assert shown.exit_code == 0
    assert "Examples:" in shown.output
    assert f"pyoco-eval {command}" in shown.output


def test_exit_codes_and_messages(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.zeros((16, 8, 8, 3), np.uint8))
    cases = [
        (["fvd"], 2, "--samples"),
        (["fvd", "--samples", "nowhere"], 2, "nowhere"),
        (["nonsense"], 2, "nonsense"),
        (["fvd", "--samples", ".", "--num-frames", "0"], 2, "--num-frames"),
        (["fvd", "--samples", ".", "--weights", "i3b=x"], 2, "i3d"),
    ]
    for arguments, code, text in cases:
        finished = run(*arguments, cwd=tmp_path)
        assert finished.returncode == code, finished.stderr
        assert text in finished.stderr
        assert "Traceback" not in finished.stderr
        assert finished.stdout == ""


def test_missing_weights_exit_with_3_and_three_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "cache"))
    np.save(tmp_path / "v.npy", np.zeros((16, 8, 8, 3), np.uint8))
    finished = run("fvd", "--samples", str(tmp_path / "v.npy"), "--allow-small")
    assert finished.returncode == 3
    for way in ("pyoco-eval weights fetch i3d", "copy it to", "--weights i3d=FILE"):
        assert way in finished.stderr


def test_json_is_the_only_thing_on_standard_output(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", rng.integers(0, 256, (4, 16, 24, 32, 3), np.uint8))
    arguments = ["--samples", "a.npy", "--reference", "b.npy", "--allow-small", "--json"]
    finished = run("evaluate", "--profile", "embedded", *arguments, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    scores = json.loads(finished.stdout)["scores"]
    assert [score["metric"] for score in scores] == ["fvd", "is", "fid", "clip-fid"]
    for score in scores:
        assert {"value", "interval", "signature", "num_samples", "num_reference"} <= set(score)
        assert "label:embedded" in score["signature"]
        assert "floor:below-floor" in score["signature"] or score["metric"] == "is"
    assert [score["num_samples"] for score in scores] == [4, 4, 64, 64]


def test_features_command_writes_the_promised_keys(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((2, 16, 24, 32, 3), 7, np.uint8))
    finished = run(
        "features", "--samples", "a.npy", "--extractor", "tiny3d", "--out", "f.npz", cwd=tmp_path
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == ""
    with np.load(tmp_path / "f.npz") as stored:
        assert stored["features"].dtype == np.float32
        assert stored["features"].shape[0] == 2
        assert stored["ids"].tolist() == ["a.npy#0", "a.npy#1"]
        assert str(stored["signature"]) in finished.stderr


def test_features_as_json(tmp_path: Path) -> None:
    videos = np.full((2, 16, 24, 32, 3), 7, np.uint8)
    np.save(tmp_path / "a.npy", videos)
    np.save(tmp_path / "b.npy", videos[0, :3])
    arguments = ["--samples", ".", "--extractor", "tiny2d", "--frames", "middle", "--out", "f.npz"]
    finished = run("features", *arguments, "--on-error", "skip", "--json", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    written = json.loads(finished.stdout)
    assert (written["num_rows"], written["num_videos"]) == (2, 2)
    assert list(written["skipped"]) == ["b.npy"]
    assert "skip:1of3" in written["signature"]


def test_results_never_take_the_place_of_videos(tmp_path: Path) -> None:
    videos = np.zeros((2, 16, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "own.npz", videos=videos)
    before = (tmp_path / "own.npz").read_bytes()
    extract = ["features", "--samples", "own.npz", "--extractor", "tiny3d", "--out"]
    score = ["is", "--profile", "embedded", "--samples", "own.npz", "--out"]
    for arguments, message in (
        ([*extract, "own.npz"], "holds no features"),
        ([*score, "own.npz"], "is not a record"),
        ([*score, "."], "is a directory"),
        ([*score, os.devnull], "is not an ordinary file"),
        ([*score, "own.npz/record.json"], "cannot be written"),
    ):
        finished = run(*arguments, cwd=tmp_path)
        assert finished.returncode == 2, finished.stderr
        assert message in finished.stderr
        assert finished.stdout == ""
    assert (tmp_path / "own.npz").read_bytes() == before
    for arguments in ([*extract, "f.npz"], [*score, "record.json"]) * 2:
        assert run(*arguments, cwd=tmp_path).returncode == 0


def test_digits_do_not_depend_on_batch_size_or_threads(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "a.npy", rng.integers(0, 256, (9, 16, 24, 32, 3), np.uint8))
    scores = set()
    for choices in (["--batch-size", "1"], ["--batch-size", "7"], ["--workers", "3"]):
        arguments = ["--samples", "a.npy", "--allow-small", "--json", *choices]
        finished = run("evaluate", "--profile", "embedded", *arguments, cwd=tmp_path)
        assert finished.returncode == 0, finished.stderr
        scores.add(tuple(score["value"] for score in json.loads(finished.stdout)["scores"]))
    assert len(scores) == 1
