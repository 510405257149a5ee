"""A gradient that is no number reaches neither weights nor files, whoever asks for them."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from process_runs import assert_same_bits, final
from safetensors.torch import load_file, save_file
from small_runs import small_config

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.generation.open import open_generator
from pyoco_eval.generation.request import GeneratorOptions, make_requests
from pyoco_eval.models.checkpoint import load_model, save_model
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.outputs.checkpoints import load_state, newest_state
from pyoco_eval.training.outputs.log import TrainingLog, read_log
from pyoco_eval.training.run import train
from pyoco_eval.training.trainer import NotFiniteError, Trainer


@pytest.fixture
def broken_steps(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Numbers of steps, from 0, whose loss is to be no number."""
    broken: set[int] = set()
    honest = Trainer.losses

    def losses(self: Trainer, batch: Any) -> torch.Tensor:
        loss = honest(self, batch)
        return loss * math.nan if self.step in broken else loss

    monkeypatch.setattr(Trainer, "losses", losses)
    return broken


def entries(config: TrainConfig) -> list[dict[str, Any]]:
    """Of the log, read as a strict reader would."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    lines = (Path(config.out) / "log.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def test_a_run_ends_before_the_step_that_would_ruin_it(
    tmp_path: Path, broken_steps: set[int]
) -> None:
    config = small_config(tmp_path / "run", steps=8, log__checkpoint_every=2)
    broken_steps.add(5)
    with pytest.raises(NotFiniteError, match=r"step 6: the loss is nan.*optimizer.nonfinite=skip"):
        train(config)
    assert final_step(config) == 4
    assert load_model(Path(config.out)).info.step == 4
    broken_steps.clear()
    train(config)
    whole = replace(config, out=str(tmp_path / "whole"))
    train(whole)
    assert_same_bits(final(Path(config.out)), final(Path(whole.out)))


def test_a_run_told_to_skips_the_step_alone_and_counts_it(
    tmp_path: Path, broken_steps: set[int]
) -> None:
    """Stopped and gone on with around the step, too: the same bits."""
    config = small_config(tmp_path / "run", steps=6, optimizer__nonfinite="skip")
    broken_steps.add(2)
    train(config)
    found = entries(config)
    assert [entry["steps_skipped"] for entry in found] == [0, 0, 1, 0, 0, 0]
    assert [entry["loss"] is None for entry in found] == [False, False, True, False, False, False]
    assert found[2]["gradient_norm"] is None
    state = final(Path(config.out))
    assert (state.step, state.skipped) == (6, 1)
    parts = replace(config, out=str(tmp_path / "parts"))
    train(replace(parts, steps=4))
    train(parts)
    assert_same_bits(final(Path(parts.out)), state)


def test_the_policy_may_change_when_a_run_goes_on(tmp_path: Path, broken_steps: set[int]) -> None:
    config = small_config(tmp_path / "run", steps=4, log__checkpoint_every=1)
    broken_steps.add(2)
    with pytest.raises(NotFiniteError):
        train(config)
    train(replace(config, optimizer=replace(config.optimizer, nonfinite="skip")))
    assert final_step(config) == 4


def test_skipping_ends_when_it_does_not_help(tmp_path: Path, broken_steps: set[int]) -> None:
    config = small_config(
        tmp_path / "run", steps=9, optimizer__nonfinite="skip", optimizer__max_skipped=3
    )
    broken_steps.update(range(2, 9))
    with pytest.raises(NotFiniteError, match=r"step 6: .*such a step, the 4th in a row"):
        train(config)


def test_weights_that_became_infinite_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finite gradient may still lead to them."""
    honest = Trainer._take

    def take(self: Trainer, norm: torch.Tensor) -> None:
        honest(self, norm)
        if self.step == 3:
            with torch.no_grad():
                self._trained[0].view(-1)[0] = math.inf

    monkeypatch.setattr(Trainer, "_take", take)
    config = small_config(tmp_path / "run", steps=4, log__checkpoint_every=2)
    with pytest.raises(NotFiniteError, match="step 4: weights are infinite"):
        train(config)
    assert final_step(config) == 2
    assert load_model(Path(config.out)).info.step == 2


def ruin(path: Path) -> None:
    """Put one NaN into a file, with whatever states its hash."""
    from hashlib import sha256

    before = sha256(path.read_bytes()).hexdigest()
    tensors = load_file(path)
    next(iter(tensors.values())).view(-1)[0] = math.nan
    save_file(tensors, path)
    after = sha256(path.read_bytes()).hexdigest()
    for record in path.parent.glob("*.json"):
        record.write_text(record.read_text().replace(before, after))


def test_such_files_are_refused_wherever_they_come_from(tmp_path: Path) -> None:
    config = small_config(tmp_path / "run", steps=1)
    train(config)
    model = load_model(Path(config.out))
    ruin(model.folder / "model.safetensors")
    with pytest.raises(PyocoEvalError, match=r"infinite or no numbers, the first is"):
        load_model(Path(config.out))
    with pytest.raises(PyocoEvalError, match=r"infinite or no numbers"):
        open_generator(config.out)
    place = newest_state(Path(config.out) / "checkpoints")
    assert place is not None
    ruin(place / "optimizer.safetensors")
    with pytest.raises(PyocoEvalError, match=rf"{re.escape(str(place))}.*infinite or no numbers"):
        load_state(place)
    with torch.no_grad():
        next(model.network.parameters()).view(-1)[0] = math.inf
    with pytest.raises(PyocoEvalError, match="infinite or no numbers"):
        save_model(tmp_path / "model", model.network, model.info)
    assert not (tmp_path / "model").exists()


def test_samples_that_are_no_numbers_are_not_made_into_videos(tmp_path: Path) -> None:
    """Finite weights may give them, in bfloat16 or under strong guidance."""
    config = small_config(tmp_path / "run", steps=1)
    train(config)
    with pytest.raises(PyocoEvalError, match=r"infinite or no numbers.*--guidance-scale"):
        open_generator(
            config.out, GeneratorOptions(guidance_scale=math.inf, sampler="deis:num_steps=4")
        ).generate(make_requests(1, prompts=["a large red circle spins"]))


def test_a_log_is_json_whatever_happened(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path, 0)
    log.add({"step": 1, "loss": 0.5, "gradient_norm": math.inf})
    log.add({"step": 2, "loss": None, "gradient_norm": math.nan})
    log.close()
    text = (tmp_path / "log.jsonl").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert [entry["gradient_norm"] for entry in read_log(tmp_path / "log.jsonl")] == [None, None]
    assert (tmp_path / "loss.png").is_file()


def final_step(config: TrainConfig) -> int:
    return final(Path(config.out)).step
