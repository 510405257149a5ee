"""Checkpoints in shards: written by every process, read by any number, whole or divided."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from process_runs import SEVERAL, assert_close_weights, final, finish_all, start_together, written
from small_runs import small_config
from test_sharded_presets import changes_for

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.models.checkpoint import load_model
from pyoco_eval.training.outputs.checkpoints import checkpoints
from pyoco_eval.training.outputs.sharded_state import load_whole
from pyoco_eval.training.run import train

HSDP = {"sharding": "fsdp", "shard_size": 2, "checkpoints": "sharded", "async_checkpoints": True}
RUNS: tuple[tuple[int, int, dict[str, Any]], ...] = (
    (4, 1, HSDP),
    (3, 2, {"sharding": "fsdp", "checkpoints": "sharded"}),
    (1, 3, {"sharding": "ddp", "checkpoints": "whole"}),
)
"""Processes, the step they go on to, and how: three read the shards of four, one those of three."""


@pytest.mark.slow
def test_shards_are_read_by_any_number_of_processes(tmp_path: Path) -> None:
    base = changes_for("t2v-base", tmp_path / "texts")
    base |= {"batch": 12, "data": {**base["data"], "limit": 6}}
    command = [sys.executable, "-c", SEVERAL]
    config, whole = written(tmp_path / "whole", **base | {"steps": 3})
    finish_all(start_together(1, [*command, str(config)]))
    out = tmp_path / "parts" / "run"
    for size, steps, hardware in RUNS:
        changes = base | {"steps": steps, "log__keep": 9}
        changes |= {f"hardware__{key}": value for key, value in hardware.items()}
        config, out = written(tmp_path / "parts", **changes)
        finish_all(start_together(size, [*command, str(config)]))
    assert_close_weights(final(out), final(whole))
    kept = dict(checkpoints(out / "checkpoints"))
    assert sorted(kept) == [1, 2, 3]
    files = sorted(path.name for path in kept[1].glob("*.safetensors"))
    assert len(files) == 5, "one of each process and the average"
    sizes = [path.stat().st_size for path in kept[2].glob("shard-*.safetensors")]
    assert max(sizes) < 0.6 * sum(sizes)
    assert json.loads((kept[1] / "model.json").read_text())["step"] == 1


def test_one_process_goes_on_from_shards_bit_for_bit_and_they_are_a_model(tmp_path: Path) -> None:
    changes = {"hardware__checkpoints": "sharded", "log__checkpoint_every": 2, "steps": 4}
    train(small_config(tmp_path / "whole", **changes | {"hardware__async_checkpoints": True}))
    train(small_config(tmp_path / "parts", **changes | {"steps": 2}))
    train(small_config(tmp_path / "parts", **changes))
    found = {
        name: dict(checkpoints(tmp_path / name / "checkpoints")) for name in ("whole", "parts")
    }
    one, other = (load_whole(places[4]) for places in found.values())
    assert one.step == other.step == 4
    for which in ("network", "ema", "optimizer"):
        first, second = getattr(one, which), getattr(other, which)
        assert first
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first), which
    weights = load_model(found["parts"][4]).network.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in other.ema.items())


def test_damage_and_infinite_values_in_shards_are_told(tmp_path: Path) -> None:
    changes = {"hardware__checkpoints": "sharded", "steps": 1}
    config = small_config(tmp_path / "run", **changes)
    train(config)
    ((_, place),) = checkpoints(tmp_path / "run" / "checkpoints")
    (shard,) = place.glob("shard-*.safetensors")
    good = shard.read_bytes()
    shard.write_bytes(good[:-4] + b"\0\0\xc0\x7f")  # the last float is now no number
    with pytest.raises(PyocoEvalError, match=r"shard-.*is not what was written .*delete .*step-"):
        train(small_config(tmp_path / "run", **changes | {"steps": 2}))
    record = json.loads((place / "state.json").read_text())
    record["sha256"][shard.stem] = hashlib.sha256(shard.read_bytes()).hexdigest()
    (place / "state.json").write_text(json.dumps(record))
    with pytest.raises(PyocoEvalError, match="infinite or no numbers"):
        train(small_config(tmp_path / "run", **changes | {"steps": 2}))
