"""`pyoco-eval selftest`: exit codes, JSON and the table."""

import json
import math
import subprocess
import sys

import pytest
from click.testing import CliRunner

from pyoco_eval.cli.selftest import command
from pyoco_eval.errors import UsageError
from pyoco_eval.selftest import REMEDIES, Check

GOOD = Check("decoding", "clip.mp4", "ok", "8 digests", "8 digests", 0.0)
SKIPPED = Check("decoding", "clip-av1.mkv", "skipped", note="cannot read av1")
BAD = Check("networks", "tiny3d on cuda:0", "failed", "1", "1.001", 1e-3, 1e-5)
FOREIGN = Check("decoding", "clip.gif", "failed", "8 digests", "1 digests", math.inf)


@pytest.fixture
def invoke(monkeypatch):
    def with_checks(checks, *arguments):
        monkeypatch.setattr("pyoco_eval.selftest.run", lambda *_, **__: list(checks))
        monkeypatch.setenv("COLUMNS", "100")
        return CliRunner().invoke(command, list(arguments))

    return with_checks


def test_a_machine_that_can_be_trusted(invoke):
    shown = invoke([GOOD, SKIPPED])
    assert shown.exit_code == 0
    assert "skipped: clip-av1.mkv: cannot read av1" in shown.output
    assert shown.output.endswith("1 of 2 results as expected. This machine can be trusted.\n")


def test_a_machine_that_cannot(invoke):
    shown = invoke([GOOD, BAD, FOREIGN])
    assert shown.exit_code == 1
    row = next(line for line in shown.output.splitlines() if "tiny3d" in line)
    assert row.split() == ["tiny3d", "on", "cuda:0", "1", "1.001", "1.0e-03", "1.0e-05", "failed"]
    for stage in ("networks", "decoding"):
        assert f"\n{stage}: {REMEDIES[stage]}" in shown.output
    assert "Do not trust scores from this machine." in shown.output


def test_json(invoke):
    shown = invoke([GOOD, FOREIGN], "--json")
    assert shown.exit_code == 1
    document = json.loads(shown.stdout)
    assert document["trusted"] is False
    assert [c["difference"] for c in document["checks"]] == [0.0, None]


def test_a_trusted_program_is_run_and_no_other(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        "pyoco_eval.selftest.run", lambda *_, **given: asked.append(given["programs"]) or [GOOD]
    )
    archive = tmp_path / "i3d.pt"
    archive.write_bytes(b"archive")
    weights = ("--weights", f"i3d-torchscript={archive}")
    assert CliRunner().invoke(command, [*weights]).exit_code == 0
    assert CliRunner().invoke(command, [*weights, "--trust", "i3d-torchscript"]).exit_code == 0
    assert asked[0] == []
    assert [file.path for file in asked[1]] == [archive]


def test_unknown_device():
    shown = CliRunner().invoke(command, ["--device", "abacus"])
    assert isinstance(shown.exception, UsageError)


@pytest.mark.slow
def test_the_program():
    finished = subprocess.run(
        [sys.executable, "-m", "pyoco_eval", "selftest", "--quick", "--json"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stdout
    assert finished.stderr == ""
    checks = json.loads(finished.stdout)["checks"]
    assert {check["stage"] for check in checks} == set(REMEDIES) - {"programs"}
