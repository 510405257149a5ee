"""The loss on held-out samples at fixed noise levels: its value, and what it does not depend on."""

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from process_runs import TRAIN, assert_same_bits, final, finish_all, losses, start_together, written
from small_runs import small_config, small_tree

from pyoco_eval.diffusion.denoiser import Conditioning
from pyoco_eval.diffusion.loss import EDMLoss
from pyoco_eval.diffusion.precondition import EDMDenoiser
from pyoco_eval.errors import UsageError
from pyoco_eval.models.checkpoint import load_model
from pyoco_eval.models.text.load import load_text_encoder
from pyoco_eval.priors import parse_prior
from pyoco_eval.seeding import torch_generator
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.config_file import parse_config
from pyoco_eval.training.data.examples import open_examples
from pyoco_eval.training.data.samples import DrawnExamples
from pyoco_eval.training.engine import Engine
from pyoco_eval.training.outputs.interrupts import Stop, StoppedError
from pyoco_eval.training.outputs.log import read_log
from pyoco_eval.training.outputs.validation_picture import MEAN
from pyoco_eval.training.run import train
from pyoco_eval.training.setup import make_parts
from pyoco_eval.training.validation import Validation, default_sigmas

VALIDATION: dict[str, Any] = {
    "every": 2,
    "samples": 7,
    "sigmas": [0.05, 0.5, 5.0],
    "data": {"source": "shapes", "split": "val"},
}
VIDEO: dict[str, Any] = {
    "data": {"source": "shapes", "size": 16, "num_frames": 3},
    "joint": {"per_video": 1, "data": {"source": "shapes", "size": 16}},
}


def changes(**more: Any) -> dict[str, Any]:
    return {"steps": 5, "validation": VALIDATION, **more}


def validated(out: Path | str) -> dict[int, dict[str, float]]:
    """Step -> the numbers of the log."""
    found = {}
    for entry in read_log(Path(out) / "log.jsonl"):
        own = {key: value for key, value in entry.items() if key.startswith("validation/")}
        if own:
            found[entry["step"]] = own
    return found


def held_out(config: TrainConfig) -> list[Any]:
    """The samples, found apart from the code that validates."""
    data = config.validation.data
    drawn = DrawnExamples(open_examples(data), "error", "error", 0, "data")
    return [drawn.read(number)[0] for number in range(config.validation.samples)]


def in_range(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    config = small_config(tmp_path_factory.mktemp("validated") / "run", **changes())
    train(config)
    return config


def test_denoisers_known_in_full_have_their_losses_in_closed_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that answers 0 errs by the samples themselves, one that answers x by the noise: with
    weights (sigma² + s²) / (sigma s)², s = 0.5."""
    config = small_config(tmp_path / "run", **changes())
    engine = Engine(config.hardware)
    validation = make_parts(config, engine).validation
    assert validation is not None
    power = np.mean(
        [in_range(example.frames).double().square().mean() for example in held_out(config)]
    )
    answers = {"nothing": 0.0, "everything": 1.0}
    for name, share in answers.items():
        monkeypatch.setattr(EDMDenoiser, "forward", lambda _self, x, *_, share=share: share * x)
        found = validation.losses()
        assert found is not None
        for sigma in VALIDATION["sigmas"]:
            weight = (sigma**2 + 0.25) / (sigma * 0.5) ** 2
            loss = found[f"validation/sigma={sigma:g}"]
            if name == "nothing":
                assert loss == pytest.approx(weight * power, rel=1e-6)
            else:  # 5,376 squares of normal noise: their mean has a deviation of 2 %
                assert loss == pytest.approx(weight * sigma**2, rel=0.08)
        levels = [value for key, value in found.items() if key != MEAN]
        assert found[MEAN] == pytest.approx(np.mean(levels), rel=1e-12)
    engine.end()


def test_the_numbers_are_those_of_the_model_that_is_written(run: TrainConfig) -> None:
    """Averaged weights, nothing dropped, the same noise: calculated again, sample by sample."""
    model = load_model(Path(run.out))
    denoiser, prior = EDMDenoiser(model.network.eval()), parse_prior(run.prior)
    encoder = load_text_encoder("shapes", torch.device("cpu"))
    for name, found in validated(run.out)[5].items():
        if name == MEAN:
            continue
        sigma, errors = float(name.partition("=")[2]), []
        for number, example in enumerate(held_out(run)):
            clean = in_range(example.frames)[None]
            noise = prior.sample((3, 16, 16), 1, [torch_generator("validation", name, number)])
            cond = Conditioning({encoder.name: encoder.encode([example.caption])})
            with torch.no_grad():
                denoised = denoiser(clean + sigma * noise, torch.tensor([sigma]), cond)
            errors.append(float((denoised - clean).double().square().mean()))
        weight = (sigma**2 + 0.25) / (sigma * 0.5) ** 2
        assert found == pytest.approx(weight * np.mean(errors), rel=1e-5)


def test_it_is_told_when_due_and_changes_nothing_of_the_training(
    run: TrainConfig, tmp_path: Path
) -> None:
    plain = small_config(tmp_path / "plain", steps=5)
    train(plain)
    assert list(validated(run.out)) == [2, 4, 5]
    assert losses(Path(run.out)) == losses(Path(plain.out))
    assert_same_bits(final(Path(run.out)), final(Path(plain.out)))


def test_tensorboard_and_a_picture_show_it(run: TrainConfig) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(Path(run.out) / "tensorboard"))
    events.Reload()
    for key in (MEAN, "validation/sigma=0.05"):
        assert [event.step for event in events.Scalars(key)] == [2, 4, 5]
    with Image.open(Path(run.out) / "validation.png", formats=["PNG"]) as picture:
        assert len(np.unique(np.asarray(picture))) > 10


def test_restarts_seeds_and_micro_batches_leave_it_as_it_is(
    run: TrainConfig, tmp_path: Path
) -> None:
    parts = replace(run, out=str(tmp_path / "parts"))
    train(replace(parts, steps=3))
    train(parts)
    again = validated(parts.out)
    assert again.pop(3), "the last step of the first part"
    assert again == validated(run.out)

    small = replace(run, out=str(tmp_path / "small"))
    small = replace(small, hardware=replace(small.hardware, micro_batch=3, workers=1))
    train(small)
    for step, numbers in validated(small.out).items():
        assert numbers == pytest.approx(validated(run.out)[step], rel=1e-4)

    one, other = (small_config(tmp_path / f"{s}", **changes(), seed=s) for s in (1, 2))
    assert [e.frames.sum() for e in held_out(one)] == [e.frames.sum() for e in held_out(other)]


def test_a_stop_gives_it_up_and_the_next_start_makes_it(
    run: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(run, out=str(tmp_path / "run"))
    honest, passes = Validation._at_every_level, []

    def asked(self: Validation, *args: Any) -> torch.Tensor:
        passes.append(1)
        signal.raise_signal(signal.SIGTERM)
        return honest(self, *args)

    monkeypatch.setattr(Validation, "_at_every_level", asked)
    with pytest.raises(StoppedError, match="stopped after step 2 of 5") as stopped:
        train(config)
    assert stopped.value.who == Stop.SCHEDULER
    assert len(passes) == 1, "one of two passes"
    assert validated(config.out) == {}
    monkeypatch.setattr(Validation, "_at_every_level", honest)
    train(config)
    assert validated(config.out) == validated(run.out)
    assert_same_bits(final(Path(config.out)), final(Path(run.out)))


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["ddp", "fsdp"])
def test_two_processes_find_what_one_finds(tmp_path: Path, sharding: str) -> None:
    """Seven samples do not divide among two, and joint images change nothing."""
    own = changes(steps=3, **VIDEO)
    one = small_config(tmp_path / "one", **own)
    train(one)
    config, out = written(tmp_path / "two", **own, hardware__sharding=sharding)
    finish_all(start_together(2, [*TRAIN, str(config)]))
    alone, together = validated(one.out), validated(out)
    assert list(together) == [2, 3]
    for step, numbers in together.items():
        assert numbers == pytest.approx(alone[step], rel=1e-4)
    for name, tensor in final(Path(one.out)).network.items():
        torch.testing.assert_close(final(out).network[name], tensor, rtol=1e-3, atol=1e-4)


def test_default_levels_are_quantiles_of_those_trained_on() -> None:
    sigmas = default_sigmas(EDMLoss(parse_prior("independent"), P_mean=-0.4, P_std=1.0))
    drawn = np.exp(np.random.default_rng(0).normal(-0.4, 1.0, 100_000))
    assert sigmas == pytest.approx(np.quantile(drawn, [0.1, 0.3, 0.5, 0.7, 0.9]), rel=0.02)


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ({"data": {}}, "validation.data: these are the samples that are trained on"),
        ({"sigmas": [0.5, 0.5]}, "validation.sigmas: must be above 0 and rise"),
        ({"sigmas": [0.0, 0.5]}, "validation.sigmas: must be above 0 and rise"),
        ({"every": 3}, "validation.every: must be a multiple of log.every, 2"),
        ({"data": {"split": "val", "size": 32}}, "validation.data.size: must be data.size, 16"),
        ({"data": {"source": "videos"}}, "validation.data.path: must be given"),
        ({"samples": 0}, "validation.samples: must be at least 1"),
        ({"data": {"split": "val", "sise": 1}}, "validation.data.sise: no such key"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, validation: dict[str, Any], message: str) -> None:
    tree = small_tree(tmp_path, validation={**VALIDATION, **validation}, log__every=2)
    with pytest.raises(UsageError) as caught:
        parse_config(tree, "x")
    assert message in str(caught.value)


def test_other_classes_are_refused(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "held" / name).mkdir(parents=True)
        np.save(tmp_path / "held" / name / "a.npy", np.zeros((1, 16, 16, 3), np.uint8))
    data = {"source": "videos", "path": str(tmp_path / "held")}
    config = small_config(
        tmp_path / "run",
        steps=2,
        condition={"labels": True},
        validation={**VALIDATION, "data": data},
    )
    with pytest.raises(UsageError, match=r"validation.data: the classes of .* are not those"):
        train(config)
