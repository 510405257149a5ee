"""What the README shows is what happens."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pyoco_eval

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_first_score_is_the_one_shown(tmp_path: Path) -> None:
    block = next(b for b in re.findall(r"```\n(.*?)```", README, re.DOTALL) if "$ source" in b)
    commands = [line[2:].split("#")[0] for line in block.splitlines() if line.startswith("$ py")]
    for command in commands:
        words = [sys.executable, "-m", "pyoco_eval", *shlex.split(command)[1:]]
        shown = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    promised, found = (
        [line for line in text.splitlines() if " | net:" in line] for text in (block, shown.stdout)
    )
    assert len(promised) == len(found) == 2
    for line, found_line in zip(promised, found, strict=True):
        value, _, signature = line.partition(" | ")
        found_value, _, found_signature = found_line.partition(" | ")
        assert signature == re.sub(r"dec:pyav-[0-9.]+", "dec:pyav-18.1", found_signature)
        assert float(found_value.split()[1]) == pytest.approx(float(value.split()[1]), rel=1e-3)


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the embedded networks and arrays in place of folders and published weights."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    arrays = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 16, 3), np.uint8)
    for name in ("generated", "real"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "clips.npy", arrays)
    monkeypatch.chdir(tmp_path)
    embedded = {"profile": "embedded", "allow_small": True}
    fvd, evaluate = pyoco_eval.fvd, pyoco_eval.evaluate
    monkeypatch.setattr(pyoco_eval, "fvd", lambda *a, **k: fvd(*a, **k, **embedded), raising=False)
    monkeypatch.setattr(
        pyoco_eval, "evaluate", lambda *a, **k: evaluate(*a, **k, **embedded), raising=False
    )
    exec(code.replace("arrays = ...", "arrays = given"), {"given": arrays})
    assert pyoco_eval.Record.load("scores.json").scores[0].metric == "fvd"
