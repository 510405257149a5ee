"""`optimizer.temporal_lr`: layers an image model does not have learn at a rate of their own."""

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
    losses,
    start,
    start_together,
    written,
)
from small_runs import small_config

from pyoco_eval.errors import UsageError
from pyoco_eval.models.checkpoint import load_model
from pyoco_eval.models.inflation import temporal_names
from pyoco_eval.training.outputs.log import read_log
from pyoco_eval.training.run import train

VIDEO: dict[str, Any] = {
    "data": {"source": "shapes", "size": 16, "num_frames": 3},
    "condition": {},
    "batch": 2,
}
PLAIN: dict[str, Any] = {"lr": 1e-3, "warmup_steps": 2, "clip_norm": None}
FASTER: dict[str, Any] = {**PLAIN, "temporal_lr": 4e-3}


def test_the_first_step_of_temporal_layers_is_as_much_longer_as_their_rate(tmp_path: Path) -> None:
    """Adam's first step is the rate times a function of the gradients, which are the same here.

    It is the run's second: in the first the network ends in zeros, which let no gradient through.
    """
    for name, rates in (("plain", PLAIN), ("faster", FASTER)):
        train(small_config(tmp_path / name, **VIDEO, steps=2, optimizer=rates))
    network = load_model(tmp_path / "plain").network
    temporal = temporal_names(network)
    plain, faster = (final(tmp_path / name).network for name in ("plain", "faster"))
    grown = 0
    for name, weight in plain.items():
        if name not in temporal:
            assert torch.equal(faster[name], weight), name
        elif name.endswith("output.bias"):  # these start at zero: all of them is the step
            torch.testing.assert_close(faster[name], 4 * weight)
            grown += int(bool(weight.any()))
    assert grown


def test_both_rates_are_logged_warm_up_and_decay(tmp_path: Path) -> None:
    config = small_config(
        tmp_path / "run", **VIDEO, steps=4, optimizer={**FASTER, "decay": "cosine"}
    )
    train(config)
    entries = read_log(tmp_path / "run" / "log.jsonl")
    assert [entry["learning_rate"] for entry in entries] == pytest.approx([5e-4, 1e-3, 1e-3, 5e-4])
    assert [entry["temporal_learning_rate"] for entry in entries] == pytest.approx(
        [2e-3, 4e-3, 4e-3, 2e-3]
    )


def test_a_run_goes_on_with_both_rates_bit_for_bit(tmp_path: Path) -> None:
    config = small_config(tmp_path / "parts", **VIDEO, steps=4, optimizer=FASTER)
    train(replace(config, steps=2))
    train(config)
    train(replace(config, out=str(tmp_path / "whole")))
    assert_same_bits(final(tmp_path / "parts"), final(tmp_path / "whole"))
    with pytest.raises(UsageError, match=r"optimizer.temporal_lr: 0.004 -> None"):
        train(replace(config, optimizer=replace(config.optimizer, temporal_lr=None)))


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["ddp", "fsdp"])
def test_two_processes_have_both_rates(tmp_path: Path, sharding: str) -> None:
    changes = {**VIDEO, "steps": 3, "optimizer": FASTER}
    config, alone = written(tmp_path / "one", **changes)
    finish(start(config))
    config, together = written(tmp_path / "two", **changes, hardware__sharding=sharding)
    finish_all(start_together(2, [*TRAIN, str(config)]))
    assert losses(together) == pytest.approx(losses(alone), rel=1e-5)
    assert_close_weights(final(together), final(alone))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"num_frames": 1}}, "temporal layers are for videos; data.num_frames is 1"),
        ({"model": {"preset": "test", "train": "temporal"}}, "trains no other layers"),
        ({"optimizer": {"temporal_lr": 0}}, "optimizer.temporal_lr: must be above 0, found 0"),
    ],
)
def test_what_the_rate_cannot_be(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        small_config(tmp_path, **{**VIDEO, "optimizer": FASTER, **changes})
