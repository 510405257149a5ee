"""Noise, levels and drops drawn with the samples, and batches moved ahead of their use."""

import threading
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import small_config

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.training.data.batches import Batches
from pyoco_eval.training.data.draws import Draws
from pyoco_eval.training.data.feeding import Ahead
from pyoco_eval.training.data.samples import Batch, collate
from pyoco_eval.training.engine import Engine
from pyoco_eval.training.setup import RunSetup, make_parts

PICTURES = {"source": "shapes", "split": "val", "size": 16, "num_frames": 1}
RUNS: dict[str, dict[str, Any]] = {
    "images": {},
    "joint": {
        "data__num_frames": 4, "joint": {"per_video": 2, "data": PICTURES},
        "prior": "mixed:alpha=1",
        "condition__labels": True, "condition__label_dropout": 0.5, "condition__all_dropout": 0.3,
    },
}  # fmt: skip


def setup_of(out: Path, **changes: Any) -> RunSetup:
    config = small_config(out, batch=4, **changes)
    return make_parts(config, Engine(config.hardware))


def same(ours: Draws | None, theirs: Draws | None) -> bool:
    assert ours is not None
    assert theirs is not None
    for part in fields(Draws):
        one, other = getattr(ours, part.name), getattr(theirs, part.name)
        if isinstance(one, torch.Tensor):
            one, other = {"": one}, {"": other}
        if one is None or other is None:
            assert one is other
        elif one.keys() != other.keys() or any(not torch.equal(one[k], other[k]) for k in one):
            return False
    return True


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("workers", [0, 2])
def test_reading_processes_draw_what_the_trainer_would(
    name: str, workers: int, tmp_path: Path
) -> None:
    setup = setup_of(tmp_path, **RUNS[name])
    drawing = setup.samples.drawing
    assert drawing is not None
    with Batches(setup.samples, range(1, 4), 4, workers=workers, rank=1, size=2) as batches:
        found = list(batches)
    assert [batch.numbers for batch in found] == [(6, 7), (10, 11), (14, 15)]
    for batch in found:
        assert same(batch.draws, drawing(batch.numbers, batch.frames.shape))
    assert not same(found[0].draws, found[1].draws)


@pytest.mark.parametrize("name", RUNS)
def test_losses_do_not_depend_on_who_draws(name: str, tmp_path: Path) -> None:
    setup = setup_of(tmp_path, **RUNS[name])
    batch = collate([setup.samples[number] for number in range(4)], setup.samples.drawing)
    assert isinstance(batch, Batch)
    with torch.no_grad():
        drawn = setup.trainer.losses(batch)
        alone = setup.trainer.losses(replace(batch, draws=None))
        parts = torch.cat([setup.trainer.losses(part) for part in batch.split(2)])
    assert torch.equal(drawn, alone)
    torch.testing.assert_close(parts, drawn, rtol=1e-4, atol=1e-5)


class Slow:
    """A mover that takes its time and notes in which thread it works."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.threads: list[str] = []
        self.arrivals: list[tuple[int, ...]] = []
        self._fails_at = fails_at

    def begin(self, batch: Batch) -> Batch:
        if self._fails_at == len(self.threads):
            raise PyocoEvalError("the copy failed")
        self.threads.append(threading.current_thread().name)
        time.sleep(0.005)
        return batch.moved(torch.clone)

    def arrived(self, batch: Batch) -> Batch:
        self.arrivals.append(batch.numbers)
        return batch


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_moved_by_a_thread_and_come_in_order(workers: int, tmp_path: Path) -> None:
    setup, mover = setup_of(tmp_path), Slow()
    plain = list(Batches(setup.samples, range(5), 4, workers=0))
    with Batches(setup.samples, range(5), 4, workers=workers, mover=mover) as batches:
        moved = list(batches)
    assert [batch.numbers for batch in moved] == [batch.numbers for batch in plain]
    assert mover.arrivals == [batch.numbers for batch in plain]
    assert set(mover.threads) == {"batches"}
    for one, other in zip(moved, plain, strict=True):
        assert torch.equal(one.frames, other.frames)
        assert same(one.draws, other.draws)
    assert not [t for t in threading.enumerate() if t.name == "batches"]


def test_an_error_of_the_thread_is_raised_where_batches_are_asked_for(tmp_path: Path) -> None:
    setup = setup_of(tmp_path)
    with Batches(setup.samples, range(5), 4, workers=0, mover=Slow(fails_at=2)) as batches:
        assert [next(batches).numbers[0] for _ in range(2)] == [0, 4]
        with pytest.raises(PyocoEvalError, match="the copy failed"):
            next(batches)


def test_closing_does_not_wait_for_batches_that_nobody_takes(tmp_path: Path) -> None:
    setup = setup_of(tmp_path)
    with Batches(setup.samples, range(10**6), 4, workers=0, mover=Slow()) as batches:
        assert batches.next_or_none() is not None
    assert not [t for t in threading.enumerate() if t.name == "batches"]


def test_a_source_that_is_late_is_asked_again() -> None:
    asked: list[int] = []

    def source() -> Batch | None:
        asked.append(1)
        if len(asked) < 4:
            raise TimeoutError
        return None

    ahead = Ahead(source, Slow())
    assert _patient(ahead.next) is None
    assert len(asked) == 4
    ahead.close()


def _patient(call: Callable[[], Batch | None]) -> Batch | None:
    while True:
        try:
            return call()
        except TimeoutError:
            continue
