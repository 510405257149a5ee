"""`pyoco-eval doctor`: exit codes, JSON, and what it says when something required is broken."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def doctor(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pyoco_eval", "doctor", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=120,
    )


def test_for_people() -> None:
    shown = doctor()
    assert shown.returncode == 0, shown.stderr
    assert shown.stderr == ""
    assert shown.stdout.splitlines()[0] == "machine"
    assert "  note    i3d: missing" in shown.stdout or "  ok      i3d: " in shown.stdout
    assert shown.stdout.endswith("Everything required works.\n")


def test_for_scripts(tmp_path: Path) -> None:
    shown = doctor("--json", "--verify", PYOCO_EVAL_CACHE=str(tmp_path))
    document = json.loads(shown.stdout)
    assert document["works"] is True
    fields = {"section", "name", "level", "text", "remedy", "required"}
    assert all(set(finding) == fields for finding in document["findings"])


@pytest.mark.parametrize("module", ["torch", "numpy", "av"])
def test_a_broken_library_is_named_with_its_remedy(module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text("raise ImportError('made up')\n", encoding="utf-8")
    shown = doctor(PYTHONPATH=str(tmp_path))
    assert shown.returncode == 1
    assert "Traceback" not in shown.stderr
    assert "cannot be imported: made up" in shown.stdout
    assert f"-> pip install --force-reinstall {module}\n" in shown.stdout
    assert "Required and broken: " in shown.stdout
