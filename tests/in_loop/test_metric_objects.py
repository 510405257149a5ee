"""Metric objects give what the functions give, however the videos come."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pyoco_eval
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.metrics.sample_floor import SmallSampleError
from pyoco_eval.shapes.dataset import MovingShapes

CHOICES: dict[str, Any] = {"profile": "embedded", "allow_small": True, "workers": 1}
FUNCTIONS = {
    "FVD": pyoco_eval.fvd,
    "KVD": pyoco_eval.kvd,
    "FID": pyoco_eval.fid,
    "CLIPFID": pyoco_eval.clip_fid,
}


def clips(split: str, count: int) -> np.ndarray:
    shapes = MovingShapes(split, size=32, num_frames=16)  # type: ignore[arg-type]
    return np.stack([shapes[index].frames for index in range(count)])


@pytest.fixture(scope="module")
def fake() -> np.ndarray:
    return clips("val", 14)


@pytest.fixture(scope="module")
def real() -> np.ndarray:
    return clips("test", 18)


def channels_first(videos: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(videos).permute(0, 1, 4, 2, 3)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_batches_in_any_layout_score_as_the_function_does(
    name: str, fake: np.ndarray, real: np.ndarray
) -> None:
    expected = FUNCTIONS[name](fake, real, **CHOICES)
    metric = getattr(pyoco_eval, name)(**CHOICES)
    tensor = channels_first(fake)
    metric.update(fake=tensor[:3], real=real[:7])
    metric.update(fake=tensor[3:4].transpose(1, 2))
    metric.update(fake=tensor[4:].contiguous(), real=channels_first(real[7:]))
    found = metric.compute()
    assert float(found) == pytest.approx(expected.value, rel=1e-9, abs=1e-9)
    theirs = str(expected.signature).replace("ref:memory", "ref:real")
    ours = str(found.signature)
    assert ours.split(" | ref:")[0] == theirs.split(" | ref:")[0]
    assert found.num_samples == expected.num_samples
    assert (found.num_reference or 0) == expected.num_reference


def test_a_fixed_reference_is_measured_once(fake: np.ndarray, real: np.ndarray) -> None:
    metric = pyoco_eval.FVD(real, **CHOICES)
    metric.update(fake=fake)
    first = metric.compute()
    assert first.value == pytest.approx(pyoco_eval.fvd(fake, real, **CHOICES).value, rel=1e-9)
    kept = metric._fixed
    metric.reset()
    metric.update(fake=fake[:9])
    assert metric.compute().num_samples == 9
    assert metric._fixed is kept
    with pytest.raises(UsageError, match="a reference was given"):
        metric.update(real=real)
    named = pyoco_eval.FVD(**CHOICES)
    named.update(fake=clips("val", 3))
    assert "ref:shapes@" in str(named.compute().signature)


def test_float_tensors_state_their_range(fake: np.ndarray, real: np.ndarray) -> None:
    expected = pyoco_eval.fvd(fake, real, **CHOICES).value
    unit = channels_first(fake).float() / 255
    metric = pyoco_eval.FVD(real, **CHOICES, value_range="0..1")
    metric.update(fake=unit)
    found = metric.compute()
    assert found.value == pytest.approx(expected, rel=1e-9)
    assert found.signature.get("input") == "0..1-round"
    with pytest.raises(PyocoEvalError, match="value"):
        pyoco_eval.FVD(real, **CHOICES).update(fake=unit)
    with pytest.raises(PyocoEvalError):
        metric.update(fake=unit * 3)


def test_scores_without_a_reference(fake: np.ndarray) -> None:
    metric = pyoco_eval.InceptionScore(**CHOICES)
    metric.update(fake=fake[:6])
    metric.update(fake[6:])
    expected = pyoco_eval.inception_score(fake, **CHOICES)
    assert metric.compute().value == pytest.approx(expected.value, rel=1e-9)
    with pytest.raises(UsageError, match="compares videos with nothing"):
        pyoco_eval.InceptionScore(fake, **CHOICES)


def test_four_scores_and_captions(fake: np.ndarray, real: np.ndarray) -> None:
    metric = pyoco_eval.PRDC(real, **CHOICES)
    metric.update(fake=fake)
    found = metric.compute()
    assert set(found) == {"precision", "recall", "density", "coverage"}
    texts = [MovingShapes("val").attributes(index).caption for index in range(len(fake))]
    similar = pyoco_eval.CLIPSIM(**CHOICES)
    similar.update(fake=fake[:4], captions=texts[:4])
    similar.update(fake=fake[4:], captions=texts[4:])
    right = similar.compute().value
    similar.reset()
    similar.update(fake=fake, captions=texts[1:] + texts[:1])
    assert similar.compute().value < right
    with pytest.raises(UsageError, match="captions: none for 14 videos"):
        similar.update(fake=fake)


def test_merging_and_keeping_state(fake: np.ndarray, real: np.ndarray, tmp_path: Path) -> None:
    for name in ("FVD", "KVD"):
        make = getattr(pyoco_eval, name)
        whole, parts = make(**CHOICES), [make(**CHOICES) for _ in range(3)]
        whole.update(fake=fake, real=real)
        for number, part in enumerate(parts):
            part.update(fake=fake[number::3], real=real[number::3])
        merged = parts[0].merge(parts[1]).merge(parts[2])
        expected = whole.compute().value
        assert merged.compute().value == pytest.approx(expected, rel=1e-9)
        torch.save(merged.state_dict(), tmp_path / "state.pt")
        again = make(**CHOICES)
        again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
        assert again.compute().value == pytest.approx(expected, rel=1e-9)
        again.reset()
        with pytest.raises(UsageError, match="no generated videos"):
            again.compute()


def test_memory_does_not_grow(fake: np.ndarray) -> None:
    metric = pyoco_eval.FVD(**CHOICES)
    sizes = []
    for _ in range(4):
        metric.update(fake=fake)
        sizes.append(len(metric._sides["fake"].pack()))
    assert max(sizes) - min(sizes) < 200


def test_too_few_and_unknown(fake: np.ndarray, real: np.ndarray) -> None:
    strict = pyoco_eval.FVD(real, profile="embedded")
    strict.update(fake=fake)
    with pytest.raises(SmallSampleError):
        strict.compute()
    with pytest.raises(UsageError, match="give fake=, real=, or both"):
        strict.update()
    with pytest.raises(PyocoEvalError):
        strict.update(fake=torch.zeros(2, 4, 5, 6, 7, dtype=torch.uint8))


def test_in_a_collection_of_torchmetrics(fake: np.ndarray, real: np.ndarray) -> None:
    torchmetrics = pytest.importorskip("torchmetrics")
    both = torchmetrics.MetricCollection(
        {"fvd": pyoco_eval.FVD(real, **CHOICES), "fid": pyoco_eval.FID(real, **CHOICES)}
    )
    both.update(fake=channels_first(fake[:5]))
    both.update(fake=channels_first(fake[5:]))
    found = both.compute()
    assert found["fvd"].value == pytest.approx(pyoco_eval.fvd(fake, real, **CHOICES).value)
    assert found["fid"].value == pytest.approx(pyoco_eval.fid(fake, real, **CHOICES).value)
    both.reset()
    assert all(not metric._sides["fake"].count for metric in both.values())


def test_results_behave(fake: np.ndarray, real: np.ndarray) -> None:
    scores = pyoco_eval.evaluate(fake, real, metrics=("fvd", "fid"), **CHOICES)
    assert float(scores["fvd"]) == scores["fvd"].value
    told = json.loads(json.dumps(scores.to_dict()))
    assert told["fid"]["value"] == scores["fid"].value
    assert "recipe" in scores["fvd"]._repr_html_()
    assert "&lt;" not in scores["fvd"]._repr_html_()
    try:
        import pandas  # noqa: F401
    except ImportError:
        with pytest.raises(PyocoEvalError, match="pip install pandas"):
            scores.to_frame()
    else:
        assert list(scores.to_frame()["metric"]) == ["fvd", "fid"]


RANKS = """
import json, os, sys, time
import numpy as np
from torch import distributed
import pyoco_eval
from pyoco_eval.shapes.dataset import MovingShapes

distributed.init_process_group("gloo")
rank, case = distributed.get_rank(), sys.argv[1]
shapes = {s: MovingShapes(s, size=32, num_frames=16) for s in ("val", "test")}
clips = lambda split, start, stop: np.stack([shapes[split][i].frames for i in range(start, stop)])
metric = pyoco_eval.FVD(profile="embedded", allow_small=True, workers=1)
real = clips("test", 0, 18)
if case == "uneven":
    metric.update(fake=clips("val", 0, 11) if rank == 0 else clips("val", 11, 14))
    metric.update(real=real[:4] if rank == 0 else real[4:])
elif case == "nothing" and rank == 0:
    metric.update(fake=clips("val", 0, 14), real=real)
elif case == "dies":
    if rank == 1:
        os._exit(3)
    metric.update(fake=clips("val", 0, 14), real=real)
try:
    score = metric.compute()
    print(json.dumps([rank, score.value, score.num_samples]), flush=True)
except Exception as error:
    print(json.dumps([rank, type(error).__name__, str(error)]), flush=True)
    os._exit(0)
distributed.destroy_process_group()
"""


def ranks(case: str) -> list[list[Any]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    told = os.environ | {
        "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
        "PYOCO_EVAL_PEER_TIMEOUT": "5", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    started = [
        subprocess.Popen(
            [sys.executable, "-c", RANKS, case], env=told | {"RANK": str(r), "LOCAL_RANK": str(r)},
            stdout=subprocess.PIPE, text=True,
        )
        for r in (0, 1)
    ]  # fmt: skip
    try:
        outputs = [process.communicate(timeout=180)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    return [json.loads(line) for output in outputs for line in output.splitlines()]


@pytest.mark.parametrize("case", ["uneven", "nothing"])
def test_ranks_count_together(case: str, fake: np.ndarray, real: np.ndarray) -> None:
    expected = pyoco_eval.fvd(fake, real, **CHOICES).value
    found = ranks(case)
    assert [row[2] for row in found] == [14, 14]
    for row in found:
        assert row[1] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_rank_that_dies_is_an_error_in_time() -> None:
    (survivor,) = ranks("dies")
    assert survivor[0] == 0
    assert survivor[1] == "PeerError"
