"""`--device`, for every command that has it, in one process and under a launcher."""

import re
from pathlib import Path

import pytest
import torch
from fake_device import Machine, fake_cuda

import pyoco_eval
from pyoco_eval.devices import pick_device
from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.training.config import HardwareConfig
from pyoco_eval.training.engine import Engine

PACKAGE = Path(pyoco_eval.__file__).parent


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four of them, no launcher."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    for name in ("LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


def launched(monkeypatch: pytest.MonkeyPatch, rank: int, size: int) -> None:
    for name, value in (("LOCAL_RANK", rank), ("WORLD_SIZE", 2 * size), ("LOCAL_WORLD_SIZE", size)):
        monkeypatch.setenv(name, str(value))


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_processes_of_a_launcher_have_a_gpu_each(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert pick_device(name) == torch.device("cuda")
    for rank in range(4):
        launched(monkeypatch, rank, 4)
        assert pick_device(name) == torch.device("cuda", rank)
    launched(monkeypatch, 5, 8)
    assert pick_device(name) == torch.device("cuda", 1)


@pytest.mark.usefixtures("gpus")
def test_one_gpu_is_not_for_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pick_device("cuda:1") == torch.device("cuda:1")
    launched(monkeypatch, 0, 1)
    assert pick_device("cuda:1") == torch.device("cuda:1")
    launched(monkeypatch, 0, 4)
    with pytest.raises(UsageError, match=r"one GPU for 4 processes .*--device cuda gives each"):
        pick_device("cuda:1")
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.usefixtures("gpus")
def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(MissingError, match="cuda:4"):
        pick_device("cuda:4")


@pytest.mark.parametrize(
    ("name", "found"), [("cuda:1", "cuda:1"), ("cuda", "cuda:0"), ("cpu", "cpu")]
)
def test_training_is_where_the_config_says(cuda: Machine, name: str, found: str) -> None:
    with fake_cuda(count=2):
        engine = Engine(HardwareConfig(device=name))
        try:
            assert engine.device == torch.device(found)
        finally:
            engine.end()


def test_training_says_in_its_own_words_what_is_not_there() -> None:
    with pytest.raises(MissingError, match=r"hardware.device=cuda: not .* use hardware.device=cpu"):
        Engine(HardwareConfig(device="cuda"))


def test_who_asks_torch_for_gpus() -> None:
    """`devices.py` for all commands; the others tell what there is, or count it."""
    asks = re.compile(r"cuda\.(is_available|device_count|current_device|set_device)\(")
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if asks.search(path.read_text(encoding="utf-8"))
    }
    assert found == {
        "devices.py",
        "doctor/libraries.py",
        "selftest/run.py",
        "training/engine.py",
    }
