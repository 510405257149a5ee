"""Killed again and again, or shared among processes: the scores are those of one run left alone."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from running import SHAPES, run_protocol, scores

from pyoco_eval.records.results import Results

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ARGUMENTS = ["shapes-uncond", "--generator", SHAPES, "--scale", "0.3", "--device", "cpu"]


def start(out: Path, **variables: str) -> "subprocess.Popen[str]":
    places = [str(ROOT), str(HERE), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "pyoco_eval", "run-protocol", *ARGUMENTS, "--out", str(out)],
        env=environment | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def count_files(folder: Path) -> int:
    """Folders may vanish while they are walked."""
    return sum(len(names) for _, _, names in os.walk(folder))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        return scores(run_protocol(ARGUMENTS[0], out, *ARGUMENTS[1:]))


@pytest.mark.slow
def test_five_kills_leave_the_scores_of_one_undisturbed_run(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """Each kill comes once so many files are there: samples, features, records."""
    for num_files in sorted(random.Random(5).sample(range(1, 150), 5)):
        process = start(tmp_path)
        while count_files(tmp_path) < num_files and process.poll() is None:
            time.sleep(0.02)
        assert process.poll() is None, "it was over before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "results.json").exists()
    last = start(tmp_path)
    text, _ = last.communicate(timeout=300)
    assert last.returncode == 0, text
    assert scores(Results.load(tmp_path / "results.json")) == undisturbed


@pytest.mark.slow
def test_two_processes_give_the_scores_of_one(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = str(server.getsockname()[1])
    launched = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    both = [start(tmp_path, RANK=str(rank), LOCAL_RANK=str(rank), **launched) for rank in range(2)]
    texts = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], "\n".join(texts)
    assert "results.json" in texts[0]
    found = scores(Results.load(tmp_path / "results.json"))
    for arm, entries in undisturbed.items():
        for ours, theirs in zip(found[arm], entries, strict=True):
            assert ours["repeats"] == pytest.approx(theirs["repeats"], rel=1e-9)
            assert ours["signatures"] == theirs["signatures"]
    manifest = next((tmp_path / "samples").rglob("manifest.jsonl")).read_text()
    assert [json.loads(line)["index"] for line in manifest.splitlines()] == list(range(48))
