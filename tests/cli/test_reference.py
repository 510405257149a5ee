"""`pyoco-eval reference`: what is stored is listed, shown and checked."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from pyoco_eval.cli.reference import command
from pyoco_eval.errors import MissingError, PyocoEvalError
from pyoco_eval.extraction.measured_set import MeasuredSet
from pyoco_eval.statistics.files import FeatureSet
from pyoco_eval.statistics.moments import Moments

RECIPE = {
    "net": "i3d-k400-logits@fa7df956",
    "conv": "tf-fvd",
    "size": "64x64",
    "clip": "16f-s1-first",
    "frames": "224-tf1bilinear-squash",
    "scale": "2x/255-1",
    "prec": "fp32",
    "dec": "pyav-18.1",
}


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def store(path: Path, num: int = 5) -> MeasuredSet:
    rows = np.random.default_rng(0).normal(size=(num, 3)).astype(np.float32)
    ids = tuple(f"{i}.mp4" for i in range(num))
    side = MeasuredSet(
        name="mine",
        digest="ab" * 32,
        recipe=RECIPE,
        count=num,
        num_videos=num,
        moments=Moments.of(rows),
        features=FeatureSet(rows, ids),
        rows_per_video=(1,) * num,
        files=dict.fromkeys(ids, "cd" * 32),
    )
    side.save_statistics(path)
    return side


def run(*arguments: str) -> Any:
    return CliRunner().invoke(command, arguments, catch_exceptions=True)


def test_the_list_has_what_is_shipped_and_what_is_the_users(cache: Path) -> None:
    store(cache / "references" / "mine" / "i3d.npz")
    result = run("list")
    assert result.exit_code == 0, result.exception
    assert [line for line in result.stdout.splitlines() if line[0] != " "] == ["mine", "shapes"]
    assert "i3d-k400-logits@fa7df956  5 statistics of 5 videos, no date, built" in result.stdout
    found = {entry["path"]: entry for entry in json.loads(run("list", "--json").stdout)}
    mine = found[str(cache / "references" / "mine" / "i3d.npz")]
    assert mine["network"] == RECIPE["net"]
    assert mine["num_rows"] == mine["num_videos"] == 5
    assert (mine["where"], mine["rows_kept"], mine["problem"]) == ("built", False, None)
    assert sum(entry["where"] == "shipped" for entry in found.values()) == 3


def test_show_gives_the_full_header_by_name_and_by_file(cache: Path) -> None:
    path = cache / "references" / "mine" / "i3d.npz"
    store(path)
    shown = run("show", "mine").stdout
    assert "    clip: 16f-s1-first" in shown
    assert f"digest: {'ab' * 32}" in shown
    for text in ("mine", str(path)):
        ((entry),) = json.loads(run("show", text, "--json").stdout)
        assert entry["path"] == str(path)
        assert entry["header"]["recipe"] == RECIPE
        assert len(entry["header"]["sha256"]) == 64


def test_an_unknown_name_is_missing_and_the_nearest_is_told() -> None:
    result = run("show", "shaped")
    assert isinstance(result.exception, MissingError)
    assert "Did you mean shapes?" in str(result.exception)


def test_something_else_is_no_reference(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, x=np.zeros(3))
    assert "no file of features" in str(run("show", str(path)).exception)


def test_verify_passes_what_is_intact_and_says_where_nothing_could_be_checked(cache: Path) -> None:
    store(cache / "references" / "mine" / "i3d.npz")
    result = run("verify")
    assert result.exit_code == 0
    assert result.stdout.count("intact") == 4
    assert result.stdout.count("intact, no checksum") == 3, "the shipped ones are of version 0.1.0"


@pytest.mark.parametrize("damage", ["array", "cut", "header"])
def test_verify_names_what_is_damaged_and_why(cache: Path, damage: str) -> None:
    path = cache / "references" / "mine" / "i3d.npz"
    store(path)
    with np.load(path) as stored:
        members = {name: stored[name] for name in stored.files}
    if damage == "array":
        np.savez(path, **(members | {"mean": members["mean"] + 1}))
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        np.savez(path, **(members | {"header": np.array('{"recipe": [], "count": "many"}')}))
    result = run("verify", "mine")
    assert isinstance(result.exception, PyocoEvalError)
    assert result.exception.exit_code == 1
    reason = {"array": "sha256", "cut": "zip", "header": "garbles"}[damage]
    assert "1 of 1 stored references are damaged" in str(result.exception)
    assert reason in str(result.exception)
    (entry,) = json.loads(run("verify", "mine", "--json").stdout)
    assert entry["intact"] is False
    assert reason in entry["problem"]
    assert run("list").exit_code == 0
    assert ("unreadable" in run("list").stdout) == (damage != "array")
