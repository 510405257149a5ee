"""A folder of samples is the same whatever was interrupted, batched or shared out."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.generation.ledger import content_digest, sample_name
from pyoco_eval.generation.request import Request, make_requests
from pyoco_eval.generation.write import sheet_path, write_samples
from pyoco_eval.seeding import numpy_generator
from pyoco_eval.videos.source import open_source

NUM = 6
PROMPTS = ("größe", 'b "quoted" <b>', "c")


class Noise:
    """Two frames of noise for each request, by its seed."""

    fps = 4.0

    def __init__(self, **recipe: str) -> None:
        self.recipe: Mapping[str, str] = {"generator": "noise", "sampler": "none"} | recipe
        self.batches: list[int] = []

    def check(self, requests: Sequence[Request]) -> None:
        if any(request.prompt == "refused" for request in requests):
            raise UsageError("a prompt of no use")

    def generate(self, requests: Sequence[Request]) -> list[np.ndarray]:
        self.batches.append(len(requests))
        return [
            numpy_generator(request.seed).integers(0, 256, (2, 8, 8, 3), np.uint8)
            for request in requests
        ]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file, but for the code state of the recipe."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    found["recipe.json"] = json.dumps(json.loads(found["recipe.json"])["recipe"]).encode()
    return found


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    write_samples(Noise(), make_requests(NUM, prompts=PROMPTS), tmp_path / "whole")
    return contents(tmp_path / "whole")


def test_the_manifest_tells_what_stands_behind_each_file(tmp_path: Path) -> None:
    requests = make_requests(NUM, prompts=PROMPTS, labels=[4, 5, 6])
    generator = Noise(model="sha256:12", prior="independent")
    rows = write_samples(generator, requests, tmp_path, file_format="npz")
    lines = (tmp_path / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == rows
    for request, row in zip(requests, rows, strict=True):
        file = tmp_path / row["id"]
        assert row == {
            "id": f"{request.index:06d}.npz", "index": request.index, "caption": request.prompt,
            "label": request.label, "seed": request.seed, "sha256": content_digest(file),
            "generator": "noise", "model": "sha256:12", "sampler": "none", "prior": "independent",
        }  # fmt: skip
        stored = np.load(file)
        assert np.array_equal(stored["frames"], generator.generate([request])[0])
        assert stored["fps"] == 4.0
    recipe = json.loads((tmp_path / "recipe.json").read_text())
    assert recipe["recipe"] == {**generator.recipe, "fps": "4", "format": "npz"}


@pytest.mark.parametrize("file_format", ["mp4", "gif", "npz", "png"])
def test_the_evaluation_reads_folder_and_manifest(tmp_path: Path, file_format: str) -> None:
    out = tmp_path / "samples"
    requests = make_requests(3, prompts=PROMPTS)
    rows = write_samples(Noise(), requests, out, file_format=file_format)
    assert sheet_path(out, rows).is_file()
    for source in (open_source(out), open_source(out / "manifest.jsonl")):
        assert [video.id for video in source] == [row["id"] for row in rows]
        assert all(video.count_frames() == 2 for video in source)
    captions = [video.caption for video in open_source(out / "manifest.jsonl")]
    assert captions == [request.prompt for request in requests]


@pytest.mark.parametrize("batch_size", [2, 5, 100])
def test_batches_make_no_difference(
    tmp_path: Path, whole: dict[str, bytes], batch_size: int
) -> None:
    generator = Noise()
    requests = make_requests(NUM, prompts=PROMPTS)
    write_samples(generator, requests, tmp_path / "other", batch_size=batch_size)
    assert contents(tmp_path / "other") == whole
    assert max(generator.batches) == min(batch_size, NUM)


def test_a_longer_run_goes_on_from_a_shorter_one(tmp_path: Path, whole: dict[str, bytes]) -> None:
    write_samples(Noise(), make_requests(2, prompts=PROMPTS), tmp_path / "grown")
    generator = Noise()
    write_samples(generator, make_requests(NUM, prompts=PROMPTS), tmp_path / "grown")
    assert contents(tmp_path / "grown") == whole
    assert sum(generator.batches) == NUM - 2


KILLED = """
from pyoco_eval.launching import follow_launcher
follow_launcher()
import os, signal, sys
from pathlib import Path
import test_write_samples as tests
from pyoco_eval.generation import write
left = int(sys.argv[2])

def tick():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def watched(function):
    def call(*arguments, **options):
        tick()
        result = function(*arguments, **options)
        tick()
        return result
    return call

for name in ("open_ledger", "write_video", "note_sample", "close_ledger", "write_sheet"):
    setattr(write, name, watched(getattr(write, name)))
requests = tests.make_requests(tests.NUM, prompts=tests.PROMPTS)
write.write_samples(tests.Noise(), requests, Path(sys.argv[1]), batch_size=2)
"""


def start(out: Path, *arguments: object, **environment: str) -> "subprocess.Popen[str]":
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parents[1])])
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, str(out), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"} | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_run_killed_at_any_instant_goes_on_to_the_same_files(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    """Runs that start side by side, each killed before or after another of 30 steps."""
    runs = {tmp_path / str(tick): start(tmp_path / str(tick), tick) for tick in range(1, 31, 3)}
    for out, run in runs.items():
        _, told = run.communicate(timeout=60)
        assert run.returncode == -signal.SIGKILL, told
        write_samples(Noise(), make_requests(NUM, prompts=PROMPTS), out)
        assert contents(out) == whole


def test_a_line_cut_off_and_a_damaged_file_are_made_again(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    out = tmp_path / "run"
    requests = make_requests(NUM, prompts=PROMPTS)
    rows = write_samples(Noise(), requests, out)
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (out / "manifest.jsonl").write_text("".join(lines[:2]), encoding="utf-8")
    torn = "".join(lines[2:5]).encode()
    (out / ".journal-0.jsonl").write_bytes(torn[: -len(lines[4]) // 2])
    (out / sample_name(requests[1], "mp4")).write_bytes(b"damaged")
    (out / ".writing-left").mkdir()
    generator = Noise()
    write_samples(generator, requests, out)
    assert contents(out) == whole
    assert sum(generator.batches) == NUM - 3
    assert not list(out.glob(".[!l]*"))


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def test_two_processes_write_the_files_of_one(tmp_path: Path, whole: dict[str, bytes]) -> None:
    launched = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    runs = [start(tmp_path / "two", 0, RANK=str(rank), **launched) for rank in (0, 1)]
    for run in runs:
        _, told = run.communicate(timeout=60)
        assert run.returncode == 0, told
    assert contents(tmp_path / "two") == whole


def test_another_recipe_is_refused_with_its_differences(tmp_path: Path) -> None:
    requests = make_requests(2)
    write_samples(Noise(), requests, tmp_path)
    (tmp_path / "notes.txt").write_text("keep me")
    with pytest.raises(UsageError, match=r"another recipe \(sampler: none -> ddim\).*--overwrite"):
        write_samples(Noise(sampler="ddim"), requests, tmp_path)
    rows = write_samples(Noise(sampler="ddim"), requests[:1], tmp_path, overwrite=True)
    assert [row["sampler"] for row in rows] == ["ddim"]
    names = sorted(path.name for path in tmp_path.glob("[!.]*"))
    assert names == ["000000.mp4", "manifest.jsonl", "notes.txt", "recipe.json", "samples.png"]


def test_other_requests_are_refused(tmp_path: Path) -> None:
    write_samples(Noise(), make_requests(3, prompts=PROMPTS), tmp_path)
    with pytest.raises(UsageError, match=r"sample 0 was made with caption 'größe', not 'd'"):
        write_samples(Noise(), make_requests(3, prompts=["d"]), tmp_path)
    with pytest.raises(UsageError, match="sample 0 was made with seed"):
        write_samples(Noise(), make_requests(3, prompts=PROMPTS, seed=1), tmp_path)
    with pytest.raises(UsageError, match="holds 3 samples, also number 2"):
        write_samples(Noise(), make_requests(2, prompts=PROMPTS), tmp_path)


def test_files_of_unknown_origin_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "000000.mp4").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"holds 000000\.mp4 without a recipe\.json"):
        write_samples(Noise(), make_requests(1), tmp_path)
    assert (tmp_path / "000000.mp4").read_bytes() == b"mine"


def test_a_damaged_recipe_or_manifest_is_told(tmp_path: Path) -> None:
    write_samples(Noise(), make_requests(1), tmp_path)
    (tmp_path / "manifest.jsonl").write_text("{}\n")
    with pytest.raises(PyocoEvalError, match=r"manifest\.jsonl, line 1: is no row"):
        write_samples(Noise(), make_requests(1), tmp_path)
    (tmp_path / "recipe.json").write_text("[]")
    with pytest.raises(PyocoEvalError, match=r"recipe\.json: is no recipe"):
        write_samples(Noise(), make_requests(1), tmp_path)


def test_nothing_starts_that_cannot_end(tmp_path: Path) -> None:
    out = tmp_path / "new"
    with pytest.raises(UsageError, match="a prompt of no use"):
        write_samples(Noise(), make_requests(2, prompts=["a", "refused"]), out)
    with pytest.raises(UsageError, match="--format avi"):
        write_samples(Noise(), make_requests(1), out, file_format="avi")
    with pytest.raises(UsageError, match="--batch-size 0"):
        write_samples(Noise(), make_requests(1), out, batch_size=0)
    assert not out.exists()


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([], "noise: 0 videos for 1 requests"),
        ([np.zeros((2, 8, 8, 3))], r"request 0 gave float64 \(2, 8, 8, 3\)"),
        ([np.zeros((8, 8, 3), np.uint8)], r"request 0 gave uint8 \(8, 8, 3\)"),
    ],
)
def test_a_generator_is_held_to_its_contract(
    tmp_path: Path, result: list[np.ndarray], message: str
) -> None:
    generator = Noise()
    generator.generate = lambda requests: result  # type: ignore[method-assign]
    with pytest.raises(PyocoEvalError, match=message):
        write_samples(generator, make_requests(1), tmp_path)
