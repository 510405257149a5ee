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

import pyoco_eval
from pyoco_eval import processes as module
from pyoco_eval.errors import UsageError
from pyoco_eval.peers import UNIT, Processes
from pyoco_eval.processes import processes
from pyoco_eval.records.record import Record
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
    monkeypatch.setattr(module, "is_command", lambda: True)
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
    left = sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock"))
    assert left == ["one.npz", "two.npz"]


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
from pyoco_eval.launching import follow_launcher
from pyoco_eval.processes import processes
follow_launcher()
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
from pyoco_eval.launching import follow_launcher
from pyoco_eval.processes import processes
follow_launcher()
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


LIBRARY = """
import json, os, sys
import numpy as np
from torch import distributed
import pyoco_eval, pyoco_eval.errors
from pyoco_eval.shapes.dataset import MovingShapes

distributed.init_process_group("gloo")
rank = distributed.get_rank()
clips = lambda split, start: np.stack([MovingShapes(split)[start + i].frames for i in range(20)])
choices = {"profile": "embedded", "allow_small": True, "workers": 1}


def told(score):
    print(json.dumps([rank, score.value, score.signature.get("n"), score.num_samples]), flush=True)


samples, reference = clips("val", 20 * rank), clips("test", 20 * rank)
case = sys.argv[1]
if case == "one rank alone":
    if rank == 0:
        told(pyoco_eval.fvd(samples, reference, **choices))
elif case == "each alone":
    told(pyoco_eval.fvd(samples, reference, **choices))
elif case == "memory":
    told(pyoco_eval.fvd(samples, reference, group=distributed.group.WORLD, **choices))
    told(pyoco_eval.fvd(samples, reference, group=distributed.group.WORLD, **choices))
elif case in ("same samples", "same reference", "overlap", "other call", "other options"):
    if case == "same samples":
        samples = clips("val", 0)
    if case == "same reference":
        reference = clips("test", 0)
    if case == "overlap":
        samples = clips("val", 17 * rank)
    if case == "other call" and rank == 1:
        samples = sys.argv[2]
    if case == "other options":
        choices["clip"] = ("first", "center")[rank]
    try:
        told(pyoco_eval.fvd(samples, reference, group=distributed.group.WORLD, **choices))
    except pyoco_eval.errors.UsageError as error:
        print(json.dumps([rank, str(error), "", 0]))
elif case == "same features":
    try:
        pyoco_eval.extract_features(clips("val", 0), "tiny3d", group=distributed.group.WORLD)
    except pyoco_eval.errors.UsageError as error:
        print(json.dumps([rank, str(error), "", 0]))
elif case == "own folders":
    try:
        own = sys.argv[2] + f"/rank{rank}"
        told(pyoco_eval.fvd(own, sys.argv[3], group=distributed.group.WORLD, **choices))
    except pyoco_eval.errors.UsageError as error:
        print(json.dumps([rank, str(error), "", 0]))
elif case == "path":
    told(pyoco_eval.fvd(sys.argv[2], sys.argv[3], group=distributed.group.WORLD, **choices))
elif case == "features":
    found = pyoco_eval.extract_features(samples, "tiny3d", group=distributed.group.WORLD)
    print(json.dumps([rank, float(found.features.sum()), len(set(found.ids)), len(found.ids)]))
elif case == "no member":
    group = distributed.new_group([0])
    if rank == 0:
        told(pyoco_eval.fvd(samples, reference, group=group, **choices))
    else:
        try:
            pyoco_eval.fvd(samples, reference, group=group, **choices)
        except pyoco_eval.errors.UsageError as error:
            print(json.dumps([rank, str(error), "", 0]))
distributed.barrier()
distributed.destroy_process_group()
"""


def two_ranks(*arguments: object) -> list[list[object]]:
    """What both processes printed, by rank; each had its own 20 videos in memory."""
    launched = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", LIBRARY, *map(str, arguments)],
            env=environment(RANK=str(rank), LOCAL_RANK=str(rank), **launched),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        found = [process.communicate(timeout=180) for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0], found
    return [json.loads(line) for output, _ in found for line in output.splitlines()]


def whole_sets() -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.stack([MovingShapes(s)[i].frames for i in range(40)]) for s in ("val", "test"))  # type: ignore[return-value]


def test_one_rank_of_a_training_script_scores_alone() -> None:
    ((rank, _, counted, _),) = two_ranks("one rank alone")
    assert (rank, counted) == (0, "20/20")


def test_ranks_without_a_group_score_what_they_hold() -> None:
    (_, one, counted, _), (_, other, _, _) = two_ranks("each alone")
    assert counted == "20/20"
    assert one != other


def test_a_group_counts_the_videos_in_the_memory_of_every_rank() -> None:
    samples, reference = whole_sets()
    expected = pyoco_eval.fvd(samples, reference, profile="embedded", allow_small=True)
    found = two_ranks("memory")
    assert [rank for rank, *_ in found] == [0, 0, 1, 1]
    for _, value, counted, count in found:
        assert (counted, count) == ("40/40", 40)
        assert value == pytest.approx(expected.value, rel=1e-7)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("same samples", "all 2 processes hold the same 20 videos, and would count once for each"),
        ("same reference", "all 2 processes hold the same 20 videos, and would count once"),
        ("same features", "all 2 processes hold the same 20 videos, and would count once"),
        ("overlap", r"3 videos are in the memory of several processes (0, 1), and would count"),
        ("other options", "all of a group make the same call"),
    ],
)
def test_a_video_in_the_memory_of_two_ranks_is_refused(case: str, message: str) -> None:
    """They would count twice, which no number tells."""
    (first, one, _, _), (second, other, _, _) = two_ranks(case)
    assert (first, second) == (0, 1)
    assert message in str(one)
    assert one == other


def test_ranks_that_make_other_calls_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "samples.npy", whole_sets()[0])
    for _, error, _, _ in two_ranks("other call", tmp_path / "samples.npy"):
        assert "process 1 was called with samples in memory false, process 0 with true" in error


def test_ranks_that_name_their_own_folders_are_refused(tmp_path: Path) -> None:
    """Each would score its share of its own folder: half of the videos, without a word."""
    samples, reference = whole_sets()
    np.save(tmp_path / "reference.npy", reference)
    for rank in (0, 1):
        (tmp_path / f"rank{rank}").mkdir()
        for index in range(20):
            np.save(tmp_path / f"rank{rank}" / f"{index:02d}.npy", samples[20 * rank + index])
    for _, error, _, _ in two_ranks("own folders", tmp_path, tmp_path / "reference.npy"):
        assert "give the folder that holds these folders" in str(error)


def test_a_group_shares_the_videos_of_a_path(tmp_path: Path) -> None:
    samples, reference = whole_sets()
    for name, array in (("samples.npy", samples), ("reference.npy", reference)):
        np.save(tmp_path / name, array)
    expected = pyoco_eval.fvd(samples, reference, profile="embedded", allow_small=True)
    for _, value, counted, _ in two_ranks(
        "path", tmp_path / "samples.npy", tmp_path / "reference.npy"
    ):
        assert counted == "40/40"
        assert value == pytest.approx(expected.value, rel=1e-7)


def test_features_of_a_group_are_those_of_all_its_ranks() -> None:
    samples, _ = whole_sets()
    expected = float(pyoco_eval.extract_features(samples, "tiny3d").features.sum())
    for _, total, distinct, count in two_ranks("features"):
        assert (distinct, count) == (40, 40)
        assert total == pytest.approx(expected, rel=1e-4)


def test_who_is_no_member_of_a_group_is_told() -> None:
    (_, _, counted, _), (_, error, _, _) = two_ranks("no member")
    assert counted == "20/20"
    assert "no member" in str(error)


@pytest.mark.parametrize(
    ("quota", "together", "expected"),
    [("max 100000", None, 12), ("350000 100000", None, 4), ("max 100000", "4", 3), ("", "64", 1)],
)
def test_the_cores_of_a_process_are_those_left_to_it(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    quota: str,
    together: str | None,
    expected: int,
) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    plain = module._quota
    monkeypatch.setattr(module, "_quota", lambda _: plain(file))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(12)), raising=False)
    if together is not None:
        for name, value in (
            ("LOCAL_RANK", "0"),
            ("WORLD_SIZE", "8"),
            ("LOCAL_WORLD_SIZE", together),
        ):
            monkeypatch.setenv(name, value)
    assert module.own_cores() == expected
