"""Checkpoints appear whole, read back bit for bit, and damage is told."""

import json
from pathlib import Path

import pytest
import torch

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.training.outputs.checkpoints import (
    TrainingState,
    load_state,
    newest_state,
    save_state,
)


def state(step: int) -> TrainingState:
    generator = torch.Generator().manual_seed(step)
    weights = torch.randn(4, 3, 3, 3, generator=generator).to(memory_format=torch.channels_last)
    return TrainingState(
        step, {"a": weights}, {"a": weights * 0.5}, {"exp_avg/a": weights * 0.1}, 0.1 + step, 3
    )


def test_a_state_reads_back_bit_for_bit(tmp_path: Path) -> None:
    written = state(7)
    found = load_state(save_state(tmp_path, written, 2))
    assert (found.step, found.loss_sum, found.loss_count) == (7, 7.1, 3)
    assert torch.equal(found.network["a"], written.network["a"])
    assert torch.equal(found.ema["a"], written.ema["a"])
    assert torch.equal(found.optimizer["exp_avg/a"], written.optimizer["exp_avg/a"])


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 15, 20):
        save_state(tmp_path, state(step), 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000015", "step-00000020"]
    assert newest_state(tmp_path) == tmp_path / "step-00000020"


def test_what_a_kill_left_half_written_is_no_checkpoint(tmp_path: Path) -> None:
    save_state(tmp_path, state(5), 2)
    half = tmp_path / ".step-00000010.part"
    half.mkdir()
    (half / "network.safetensors").write_bytes(b"half")
    assert newest_state(tmp_path) == tmp_path / "step-00000005"
    save_state(tmp_path, state(10), 2)
    assert newest_state(tmp_path) == tmp_path / "step-00000010"


@pytest.mark.parametrize("part", ["network", "ema", "optimizer"])
def test_damage_names_the_file_and_the_way_out(tmp_path: Path, part: str) -> None:
    place = save_state(tmp_path, state(5), 2)
    path = place / f"{part}.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(PyocoEvalError, match=rf"{part}.safetensors: is not what.*delete"):
        load_state(place)


def test_a_state_of_another_format_is_refused(tmp_path: Path) -> None:
    place = save_state(tmp_path, state(5), 2)
    record = json.loads((place / "state.json").read_text())
    (place / "state.json").write_text(json.dumps(record | {"format": 99}))
    with pytest.raises(PyocoEvalError, match="has format 99, this version reads 1"):
        load_state(place)
    (place / "state.json").write_text("{")
    with pytest.raises(PyocoEvalError, match=r"state.json: cannot be read; delete"):
        load_state(place)
