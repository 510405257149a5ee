"""A checkpoint is a model: the average of its step, ready to be sampled."""

from pathlib import Path

import pytest
import torch
from small_runs import small_config

from pyoco_eval.errors import UsageError
from pyoco_eval.generation.open import open_generator
from pyoco_eval.generation.request import GeneratorOptions, make_requests
from pyoco_eval.models.checkpoint import load_model
from pyoco_eval.training.outputs.checkpoints import checkpoints, load_state
from pyoco_eval.training.run import train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("kept") / "run"
    train(small_config(place, steps=7, log={
        "every": 1, "checkpoint_every": 1, "keep": 2, "keep_every": 3, "samples_every": 0,
        "sampler": "deis:order=1,num_steps=3",
    }))  # fmt: skip
    return place


def test_the_newest_stay_and_every_nth_stays_for_good(run: Path) -> None:
    assert [step for step, _ in checkpoints(run / "checkpoints")] == [3, 6, 7]


def test_a_checkpoint_is_the_average_of_its_step(run: Path) -> None:
    for step, place in checkpoints(run / "checkpoints"):
        model, state = load_model(place), load_state(place)
        assert model.info.step == step == state.step
        for name, tensor in model.network.state_dict().items():
            assert torch.equal(tensor, state.ema[name])
    final = load_model(run)
    assert load_model(place).info.digest() == final.info.digest()


def test_a_checkpoint_can_be_sampled_and_started_from(run: Path, tmp_path: Path) -> None:
    requests = make_requests(1, prompts=["a large red circle spins slowly over plain navy"])
    options = GeneratorOptions(sampler="deis:num_steps=3")
    found = [
        open_generator(run / "checkpoints" / f"step-{step:08d}", options).generate(requests)[0]
        for step in (3, 7)
    ]
    assert found[0].shape == (1, 16, 16, 3)
    assert (found[1] == open_generator(run, options).generate(requests)[0]).all()
    place = run / "checkpoints" / "step-00000003"
    train(small_config(tmp_path / "next", steps=1, init=str(place), model={}))
    provenance = load_model(tmp_path / "next").info.provenance
    assert provenance["init"]["sha256"] == load_model(place).sha256


def test_only_what_is_written_can_be_kept(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"log.keep_every: must be a multiple of .*, 6"):
        small_config(tmp_path, log__keep_every=9)
