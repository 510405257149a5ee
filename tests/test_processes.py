"""Several processes give the score of one; one that dies ends the others with its name."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyoco_eval import processes as module
from pyoco_eval.errors import UsageError
from pyoco_eval.processes import UNIT, Processes, processes
from pyoco_eval.report.record import Record
from pyoco_eval.shapes.dataset import MovingShapes

NUM = 70


@given(st.integers(0, 5000), st.integers(1, 40))
def test_shares_cover_every_video_once_in_whole_units(count: int, size: int) -> None:
    shares = [Processes(rank, size).share(count) for rank in range(size)]
    assert [index for share in shares for index in share] == list(range(count))
    assert all(share.start % UNIT == 0 or not share for share in shares)
    lengths = [-(-len(share) // UNIT) for share in shares]
    assert max(lengths) - min(lengths) <= 1


def test_a_process_alone_is_the_first_of_one() -> None:
    alone = processes()
    assert (alone.rank, alone.size, alone.is_main) == (0, 1, True)
    assert alone.gather(b"x") == [b"x"]
    assert alone.broadcast(b"x") == b"x"


def test_half_a_launcher_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_joined", None)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="MASTER_ADDR, MASTER_PORT is not set"):
        processes()


@pytest.mark.parametrize("text", ["soon", "1", "-3", "nan"])
def test_a_silly_timeout_is_an_error(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PYOCO_EVAL_PEER_TIMEOUT", text)
    with pytest.raises(UsageError, match="PYOCO_EVAL_PEER_TIMEOUT"):
        Processes(0, 1)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two array files of clips, of different length."""
    folder = tmp_path_factory.mktemp("clips")
    for split, count in (("val", NUM), ("test", 75)):
        shapes = MovingShapes(split)
        np.save(folder / f"{split}.npy", np.stack([shapes[i].frames for i in range(count)]))
    return folder


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"} | more


def score(clips: Path, out: Path, size: int, *more: str) -> "subprocess.CompletedProcess[str]":
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(size)]
    launcher += ["--master-port", str(free_port())]
    command = ["-m", "pyoco_eval", "evaluate", "--profile", "embedded", "--allow-small"]
    command += ["--samples", str(clips / "val.npy"), "--reference", str(clips / "test.npy")]
    command += ["--metrics", "fvd,is,fid", "--out", str(out), *more]
    started = [*launcher, *command] if size > 1 else command
    return subprocess.run(
        [sys.executable, *started], env=environment(), capture_output=True, text=True, timeout=240
    )


@pytest.mark.slow
def test_many_processes_score_like_one(clips: Path, tmp_path: Path) -> None:
    """Five units for three processes, then for seven: uneven shares, and processes with nothing."""
    done = score(clips, tmp_path / "one.json", 1)
    assert done.returncode == 0, done.stderr
    one = Record.load(tmp_path / "one.json")
    for size in (3, 7):
        done = score(clips, tmp_path / f"{size}.json", size)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("FVD") == 2  # one table and one signature, not one per process
        many = Record.load(tmp_path / f"{size}.json")
        for ours, theirs in zip(many.scores, one.scores, strict=True):
            assert ours.value == pytest.approx(theirs.value, rel=1e-9, abs=1e-12)
            assert (ours.metric, ours.signature) == (theirs.metric, theirs.signature)
            assert ours.num_samples == theirs.num_samples
        assert many.samples == one.samples
        assert many.reference == one.reference


@pytest.mark.slow
def test_features_of_many_processes_are_those_of_one(clips: Path, tmp_path: Path) -> None:
    command = ["-m", "pyoco_eval", "features", "--extractor", "tiny3d", "--json"]
    command += ["--samples", str(clips / "val.npy"), "--out"]
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]
    launcher += ["--master-port", str(free_port())]
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    outputs = [
        subprocess.run(
            [sys.executable, *start, *command, str(path)],
            env=environment(),
            capture_output=True,
            check=True,
            timeout=240,
        ).stdout
        for start, path in (([], one), (launcher, two))
    ]
    assert one.read_bytes() == two.read_bytes()
    assert [json.loads(output)["num_rows"] for output in outputs] == [NUM, NUM]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.npz", "two.npz"]


@pytest.mark.slow
def test_an_error_is_said_once_in_full_and_ends_all(clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    videos = np.load(clips / "val.npy")
    for index, video in enumerate(videos):
        np.save(folder / f"{index:03d}.npy", video)
    for index in (3, NUM - 1):  # one in the share of each process
        (folder / f"{index:03d}.npy").write_bytes(b"no array")
    done = score(clips, tmp_path / "x.json", 2, "--samples", str(folder))
    assert done.returncode != 0
    assert f"2 of {NUM} videos cannot be used" in done.stderr
    assert "003.npy" in done.stderr
    assert f"{NUM - 1:03d}.npy" in done.stderr
    assert not (tmp_path / "x.json").exists()


DOOMED = """
import os, sys, time
from pyoco_eval.processes import processes
group = processes()
group.gather(b"hello")
if group.rank == 1:
    time.sleep(2)  # let the other see it alive
    os._exit(0)
try:
    group.gather(b"again")
except Exception as error:
    print(type(error).__name__, error)
    os._exit(7)
"""


@pytest.mark.slow
def test_a_process_that_dies_in_silence_is_named(tmp_path: Path) -> None:
    """Without a launcher that watches: the survivor must notice by itself."""
    port = free_port()
    survivor, victim = (
        subprocess.Popen(
            [sys.executable, "-c", DOOMED],
            env=environment(
                RANK=str(rank),
                WORLD_SIZE="2",
                MASTER_ADDR="127.0.0.1",
                MASTER_PORT=str(port),
                PYOCO_EVAL_PEER_TIMEOUT="4",
            ),
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    )
    output, _ = survivor.communicate(timeout=60)
    victim.communicate(timeout=60)
    assert survivor.returncode == 7
    assert "PeerError process 1 of 2 has given no sign of life for 4 s" in output


ALONE = """
import os
from pyoco_eval.processes import processes
try:
    processes()
except Exception as error:
    print(type(error).__name__, error, flush=True)
    os._exit(7)
"""


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_dies_before_it_joins_is_not_waited_for_beyond_the_limit(rank: int) -> None:
    """The one that starts first, or the other, is all there is of the two."""
    survivor = subprocess.Popen(
        [sys.executable, "-c", ALONE],
        env=environment(
            RANK=str(rank),
            WORLD_SIZE="2",
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=str(free_port()),
            PYOCO_EVAL_PEER_TIMEOUT="4",
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    output, _ = survivor.communicate(timeout=240)
    assert survivor.returncode == 7
    assert "PeerError the 2 processes cannot meet" in output
    assert "PYOCO_EVAL_PEER_TIMEOUT" in output
