"""A slice of the kill study: commands that were killed leave what undisturbed ones do."""

import json
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "kill_study.py"
sys.path.insert(0, str(SCRIPT.parent))

from kill_commands import COMMANDS  # noqa: E402
from kill_compare import contents, differences  # noqa: E402

from pyoco_eval.cli.main import cli  # noqa: E402

QUICK = ("shapes", "evaluate", "embed-text", "index", "weights fetch", "report")
READERS = {"compare", "inspect", "protocol", "doctor", "selftest"}
"""They write nothing."""
AS_EVALUATE = {"fvd", "is", "fid", "clip-fid", "kvd", "kid", "prdc", "clipsim", "curve"}
AS_SAMPLE_AND_EVALUATE = {"step-scores"}
RENAMED_AT_THE_END = {"export"}
"""One rename makes all they write; see tests/generation/test_export.py."""


@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
def test_killed_commands_leave_the_files_of_undisturbed_ones() -> None:
    chosen = [word for name in QUICK for word in ("--only", name)]
    run = subprocess.run(
        [sys.executable, str(SCRIPT), "--kills", "12", "--seed", "1", *chosen],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    kills = int(run.stdout.splitlines()[-1].split()[0])
    assert kills >= 12


def test_every_command_that_writes_is_in_the_study() -> None:
    studied = {command.words[0] for command in COMMANDS}
    exempt = READERS | AS_EVALUATE | AS_SAMPLE_AND_EVALUATE | RENAMED_AT_THE_END
    assert studied | exempt == set(cli.list_commands(click.Context(cli)))


def test_what_a_kill_must_not_leave_is_noticed(tmp_path: Path) -> None:
    record, rows = tmp_path / "scores.json", tmp_path / "rows.npz"

    def write(score: float, created: str, row: float) -> dict[str, object]:
        record.write_text(json.dumps({"score": score, "created": created}))
        header = np.array(json.dumps({"created": created, "rows": 1}))
        np.savez(rows, header=header, rows=np.array([row]))
        return contents(tmp_path)

    whole = write(1.0, "2026-01-01", 2.0)
    assert not differences(whole, write(1.0, "2026-01-02", 2.0)), "times may differ"
    assert differences(whole, write(1.5, "2026-01-01", 2.0)) == "changed: scores.json"
    assert differences(whole, write(1.0, "2026-01-01", 2.5)) == "changed: rows.npz"
    rows.rename(tmp_path / ".rows.npz.7-7.part")
    assert differences(whole, contents(tmp_path)) == (
        "lost: rows.npz; left over: .rows.npz.7-7.part"
    )
