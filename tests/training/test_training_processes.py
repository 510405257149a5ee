"""A run in several processes, and a run that is killed: each in processes of its own."""

import json
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from process_runs import (
    TRAIN,
    assert_same_bits,
    final,
    finish,
    launch,
    losses,
    start,
    start_together,
    written,
)

from pyoco_eval.errors import UsageError
from pyoco_eval.models.building import count_parameters
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.training.config import HardwareConfig
from pyoco_eval.training.engine import Engine
from pyoco_eval.training.outputs.log import read_log


@pytest.mark.slow
def test_a_killed_run_goes_on_bit_for_bit_and_loses_one_interval_at_most(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"steps": 60, "log__checkpoint_every": 5, "log__every": 3}
    config, out = written(tmp_path / "killed", **changes)
    run = start(config)
    while len(read_log(out / "log.jsonl")) < 6 and run.poll() is None:
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    logged = read_log(out / "log.jsonl")[-1]["step"]
    kept = final(out).step
    assert run.returncode == -signal.SIGKILL
    assert logged < 60, "it was killed on the way"
    assert kept >= logged - 5
    finish(start(config))

    whole_config, whole = written(tmp_path / "whole", **changes)
    finish(start(whole_config))
    assert_same_bits(final(out), final(whole))
    assert losses(out) == losses(whole)


def test_a_stopped_run_keeps_its_last_step(tmp_path: Path) -> None:
    config, out = written(tmp_path, steps=100_000, log__checkpoint_every=100_000)
    run = start(config)
    while not losses(out) and run.poll() is None:
        time.sleep(0.05)
    run.send_signal(signal.SIGTERM)
    output = finish(run, code=75)
    step = final(out).step
    assert f"stopped after step {step} of 100000; the same command goes on" in output
    assert read_log(out / "log.jsonl")[-1]["step"] == step


def test_a_second_run_in_the_same_folder_is_kept_out(tmp_path: Path) -> None:
    config, out = written(tmp_path, steps=100_000)
    first = start(config)
    try:
        while not losses(out) and first.poll() is None:
            time.sleep(0.05)
        assert "another process is training here right now" in finish(start(config), code=1)
    finally:
        first.kill()
        first.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["ddp", "fsdp"])
def test_two_processes_train_as_one(tmp_path: Path, sharding: str) -> None:
    """The same global batch: means of halves instead of one mean, so losses agree to 1e-5 over
    six steps; the weights to 1e-4."""
    one, two = tmp_path / "one", tmp_path / "two"
    config, alone = written(one, steps=6)
    finish(start(config))
    config, together = written(two, steps=6, hardware__sharding=sharding)
    for run in start_together(2, [*TRAIN, str(config)]):
        finish(run)
    assert losses(together) == pytest.approx(losses(alone), rel=1e-5)
    for name, tensor in final(alone).network.items():
        torch.testing.assert_close(final(together).network[name], tensor, rtol=1e-3, atol=1e-4)
    for name, tensor in final(alone).ema.items():
        torch.testing.assert_close(final(together).ema[name], tensor, rtol=1e-3, atol=1e-4)
    assert json.loads((together / "model" / "model.json").read_text())["step"] == 6


ENDED = """
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from pyoco_eval.training.config import HardwareConfig
from pyoco_eval.training.engine import Engine
for _ in range(300):
    engine = Engine(HardwareConfig(device="cpu"))
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    network = DistributedDataParallel(nn.Linear(4, 4))
    engine._wrapped.append(network)
    network(torch.ones(2, 4)).sum().backward()
    for tensor in [torch.ones(1) for _ in range(20)]:
        distributed.all_reduce(tensor)
    del tensor
    engine.end()
    distributed.destroy_process_group()
    del network
"""
"""The threads of a group are still freeing tensors when it ends: one group in fifty or so."""


def test_the_end_of_a_group_waits_for_nobody_who_waits_for_it() -> None:
    finish(launch([sys.executable, "-c", ENDED]))


SHARDED = """
from pyoco_eval.diffusion.precondition import EDMDenoiser
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import VideoUNet
from pyoco_eval.training.config import HardwareConfig
from pyoco_eval.training.engine import Engine, local
engine = Engine(HardwareConfig(device="cpu", sharding="fsdp"))
denoiser = engine.wrap(EDMDenoiser(VideoUNet(PRESETS["test"])))
print("kept", sum(local(parameter).numel() for parameter in denoiser.parameters()))
engine.wait()
engine.end()
"""


@pytest.mark.slow
def test_fully_sharded_processes_keep_a_part_of_the_network_each() -> None:
    runs = start_together(2, [sys.executable, "-c", SHARDED])
    kept = [int(finish(run).rpartition("kept ")[2]) for run in runs]
    total = count_parameters(PRESETS["test"])
    assert sum(kept) == total
    assert max(kept) < 0.6 * total


def test_one_process_cannot_be_fully_sharded(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="fsdp divides a network among processes, and there is one"
    ):
        Engine(HardwareConfig(device="cpu", sharding="fsdp"))


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_process_that_never_comes_is_not_awaited_for_half_an_hour(
    tmp_path: Path, rank: str
) -> None:
    config, _ = written(tmp_path, steps=2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    run = start(
        config, RANK=rank, LOCAL_RANK=rank, WORLD_SIZE="2", MASTER_ADDR="127.0.0.1",
        MASTER_PORT=port, PYOCO_EVAL_PEER_TIMEOUT="3",
    )  # fmt: skip
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "the 2 processes cannot meet" in output
    assert "PYOCO_EVAL_PEER_TIMEOUT" in output
