"""Schedulers ask a run to end and kill it soon after: it keeps its state, and its code says so."""

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from process_runs import (
    TRAIN,
    assert_close_weights,
    assert_same_bits,
    final,
    finish,
    finish_all,
    launch,
    losses,
    start,
    start_together,
    written,
)
from small_runs import small_config

import pyoco_eval.training.run as run_module
from pyoco_eval.training.outputs.interrupts import Stop, StoppedError
from pyoco_eval.training.run import train
from pyoco_eval.training.trainer import Trainer

SLOW = """
import sys, time
from pyoco_eval.training.trainer import Trainer
honest = Trainer.losses
def slow(self, batch):
    time.sleep(0.8)
    return honest(self, batch)
Trainer.losses = slow
sys.argv = ["pyoco-eval", "train", sys.argv[1]]
from pyoco_eval.cli.main import main
main()
"""

STUCK = """
import sys, time
from pyoco_eval.training.data.samples import TrainingSamples
honest = TrainingSamples.__getitem__
def stuck(self, number):
    if number >= 12:
        time.sleep(1000)
    return honest(self, number)
TrainingSamples.__getitem__ = stuck
sys.argv = ["pyoco-eval", "train", sys.argv[1]]
from pyoco_eval.cli.main import main
main()
"""

VIDEO: dict[str, Any] = {
    "data": {"source": "shapes", "size": 16, "num_frames": 3},
    "joint": {"per_video": 1, "data": {"source": "shapes", "size": 16}},
}


def wait_for_steps(out: Path, steps: int, run: Any) -> None:
    while len(losses(out)) < steps and run.poll() is None:
        time.sleep(0.05)


def to_group(run: Any, number: signal.Signals) -> None:
    """To the process and those that read for it, as `timeout` and schedulers do."""
    os.killpg(run.pid, number)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sharding", "changes"), [("ddp", {}), ("fsdp", VIDEO)], ids=["image-ddp", "video-fsdp"]
)
def test_slow_processes_are_stopped_and_go_on_as_one(
    tmp_path: Path, sharding: str, changes: dict[str, Any]
) -> None:
    """Ten steps would take eight seconds: nobody waits for a tenth step to agree."""
    changes = {**changes, "steps": 8, "log__checkpoint_every": 100, "hardware__workers": 1}
    whole_config, whole = written(tmp_path / "whole", **changes)
    config, out = written(tmp_path / "stopped", **changes, hardware__sharding=sharding)
    runs = start_together(2, [sys.executable, "-c", SLOW, str(config)])
    wait_for_steps(out, 2, runs[0])
    for run in runs:
        to_group(run, signal.SIGTERM)
    outputs = finish_all(runs, code=75)
    stopped = final(out).step
    assert 2 <= stopped <= 5
    for output in outputs:
        assert "Traceback" not in output, output
    written(tmp_path / "stopped", **changes)
    finish(start(config))
    finish(start(whole_config))
    assert losses(out) == pytest.approx(losses(whole), rel=1e-4)
    assert_close_weights(final(out), final(whole))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_a_whole_group_of_processes_may_be_told(tmp_path: Path, number: signal.Signals) -> None:
    """Those that read ahead outlive the signal, so that the run can end its step."""
    config, out = written(
        tmp_path, steps=100_000, log__checkpoint_every=100_000, hardware__workers=2
    )
    run = start(config)
    wait_for_steps(out, 2, run)
    to_group(run, number)
    output = finish(run, code=75)
    assert f"stopped after step {final(out).step} of 100000; the same command goes on" in output
    assert "Traceback" not in output


def test_one_process_told_is_all_told(tmp_path: Path) -> None:
    config, out = written(tmp_path, steps=100_000, log__checkpoint_every=100_000)
    runs = start_together(2, [*TRAIN, str(config), "--requeue-code", "99"])
    wait_for_steps(out, 2, runs[0])
    runs[1].send_signal(signal.SIGUSR1)
    finish_all(runs, code=99)
    assert final(out).step >= 2


def test_a_run_that_waits_for_data_need_not_wait_longer(tmp_path: Path) -> None:
    config, out = written(
        tmp_path, steps=100_000, log__checkpoint_every=100_000, hardware__workers=1
    )
    run = launch([sys.executable, "-c", STUCK, str(config)])
    wait_for_steps(out, 3, run)
    time.sleep(0.5)
    to_group(run, signal.SIGTERM)
    output = finish(run, code=75)
    assert "stopped after step 3 of 100000" in output
    assert "Traceback" not in output
    assert final(out).step == 3


def test_a_short_run_with_readers_ends_in_peace(tmp_path: Path) -> None:
    config, _ = written(tmp_path, steps=2, hardware__workers=2)
    output = finish(start(config))
    assert "Traceback" not in output
    assert "killed by signal" not in output


def test_a_file_stops_a_run_where_signals_do_not_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(tmp_path / "run", steps=8, log__checkpoint_every=100)
    monkeypatch.setattr("pyoco_eval.training.outputs.run_folder._LOOK_SECONDS", 0)
    stop = Path(config.out) / "stop"
    honest = Trainer.train_on

    def train_on(self: Trainer, *args: Any) -> Any:
        if self.step == 4:
            stop.touch()
        return honest(self, *args)

    monkeypatch.setattr(Trainer, "train_on", train_on)
    with pytest.raises(StoppedError, match="stopped after step 5 of 8") as stopped:
        train(config)
    assert (stopped.value.who, stopped.value.exit_code) == (Stop.SCHEDULER, 75)
    assert final(Path(config.out)).step == 5
    assert not stop.exists()
    stop.touch()
    train(config)
    assert final(Path(config.out)).step == 8, "an old request is none"


def test_a_slow_step_is_given_up_for_an_early_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told in the second of four passes: the step is done again later, bit for bit."""
    config = small_config(tmp_path / "run", steps=5, hardware__micro_batch=1)
    whole = replace(config, out=str(tmp_path / "whole"))
    train(whole)
    monkeypatch.setattr(run_module, "_SLOW_SECONDS", 0)
    honest, passes = Trainer.losses, []

    def counted(self: Trainer, batch: Any) -> torch.Tensor:
        passes.append(self.step)
        if passes.count(3) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return honest(self, batch)

    monkeypatch.setattr(Trainer, "losses", counted)
    with pytest.raises(StoppedError, match="stopped after step 3 of 5"):
        train(config)
    assert passes == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 2
    monkeypatch.setattr(Trainer, "losses", honest)
    train(config)
    assert_same_bits(final(Path(config.out)), final(Path(whole.out)))


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = small_config(tmp_path / "run", steps=5)
    honest = Trainer.losses

    def interrupted(self: Trainer, batch: Any) -> torch.Tensor:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return honest(self, batch)

    monkeypatch.setattr(Trainer, "losses", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(config)
