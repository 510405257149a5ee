"""Training runs in processes of their own, alone or together as torchrun starts them."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
import yaml
from small_runs import small_tree

from pyoco_eval.training.outputs.checkpoints import TrainingState, load_state, newest_state
from pyoco_eval.training.outputs.log import read_log

_SECONDS = 240

TRAIN = [sys.executable, "-m", "pyoco_eval", "train"]

SEVERAL = """
import os, sys
from pathlib import Path
from pyoco_eval.training.config_file import load_config
from pyoco_eval.training.run import train
ports = os.environ.get("PORTS", "").split()
for place, config in enumerate(sys.argv[1:]):
    if ports:
        os.environ["MASTER_PORT"] = ports[place]
    train(load_config(Path(config)))
"""
"""Several runs one after another, for the price of one start, each meeting at a port of its own."""


def written(folder: Path, **changes: Any) -> tuple[Path, Path]:
    """The config file of a small run, and the folder of the run."""
    folder.mkdir(parents=True, exist_ok=True)
    config, out = folder / "config.yaml", folder / "run"
    config.write_text(yaml.safe_dump(small_tree(out, **changes)), encoding="utf-8")
    return config, out


def launch(command: list[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def start(config: Path, **environment: str) -> subprocess.Popen[str]:
    return launch([*TRAIN, str(config)], **environment)


def start_together(size: int, command: list[str]) -> list[subprocess.Popen[str]]:
    """As torchrun does on one machine; one process alone is started plainly."""
    if size == 1:
        return [launch(command)]
    with ExitStack() as stack:
        places = [stack.enter_context(socket.socket()) for _ in command]
        for place in places:
            place.bind(("127.0.0.1", 0))
        ports = [str(place.getsockname()[1]) for place in places]
    meeting = {
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": ports[0],
        "PORTS": " ".join(ports),
    }
    return [
        launch(command, RANK=str(rank), LOCAL_RANK=str(rank), **meeting) for rank in range(size)
    ]


def finish(run: subprocess.Popen[str], code: int = 0) -> str:
    try:
        output, _ = run.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGABRT)  # faulthandler then says where it hangs
        output, _ = run.communicate()
    assert run.returncode == code, output
    return output


def finish_all(runs: list[subprocess.Popen[str]], code: int = 0) -> list[str]:
    """Ends them all whatever happens to one: the others would wait for it."""
    try:
        return [finish(run, code) for run in runs]
    finally:
        for run in runs:
            run.kill()
            run.communicate()


def final(out: Path) -> TrainingState:
    place = newest_state(out / "checkpoints")
    assert place is not None
    return load_state(place)


def losses(out: Path) -> list[float]:
    return [entry["loss"] for entry in read_log(out / "log.jsonl")]


def assert_same_bits(one: TrainingState, other: TrainingState) -> None:
    assert one.step == other.step
    for part in ("network", "ema", "optimizer"):
        first, second = getattr(one, part), getattr(other, part)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first), part


def assert_close_weights(one: TrainingState, other: TrainingState) -> None:
    """Means over other parts of a batch are rounded otherwise, and Adam amplifies that."""
    assert one.step == other.step
    for part in ("network", "ema"):
        for name, tensor in getattr(other, part).items():
            torch.testing.assert_close(getattr(one, part)[name], tensor, rtol=1e-3, atol=1e-4)
