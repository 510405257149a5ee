"""Two processes leave the files of one."""

import os
import subprocess
import sys
from pathlib import Path

from planted_clips import EMBEDDED, THRESHOLDS, plant, rows_of


def test_two_processes_filter_like_one(tmp_path: Path) -> None:
    planted = plant(tmp_path / "clips", good=16, noisy=2, wrong=2, suffix=".npz")
    (tmp_path / "clips" / "003.npz").write_bytes(b"no array")
    command = ["-m", "pyoco_eval", "filter", "--samples", str(planted.manifest), "--no-figure",
               "--on-error", "skip", *map(str, (*EMBEDDED, *THRESHOLDS))]  # fmt: skip
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    printed = {}
    for name, start in (("one", []), ("two", launcher)):
        (tmp_path / name).mkdir()
        done = subprocess.run(
            [sys.executable, *start, *command, "--out", str(tmp_path / name / "kept.jsonl")],
            capture_output=True, text=True, check=False, timeout=240,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        printed[name] = done.stdout.replace(f"/{name}/", "/")
    assert printed["one"] == printed["two"]
    assert "1 dropped: unreadable" in printed["two"]
    one, two = (
        {p.name: p.read_bytes() for p in (tmp_path / name).iterdir() if ".lock" not in p.name}
        for name in ("one", "two")
    )
    assert one == two
    assert len(rows_of(tmp_path / "two" / "kept.scores.jsonl")) == 20
