"""Folders of experts: which one is asked where, and that copies are the single model."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pyoco_eval.diffusion.experts import ExpertDenoiser, ExpertNode, TrainedExpert
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.generation.cascade.description import read_cascade
from pyoco_eval.generation.checkpoint import load_checkpoint
from pyoco_eval.generation.request import GeneratorOptions, Request
from pyoco_eval.generation.upsample_videos import UpsamplingOptions, upsampling
from pyoco_eval.models.ensemble import load_ensemble, parts_of, read_parts, save_ensemble
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.priors import parse_prior
from pyoco_eval.priors.empirical import EmpiricalPrior
from pyoco_eval.probe.own_model import open_own_model
from pyoco_eval.videos.source import open_source

sys.path.append(str(Path(__file__).parents[1] / "generation"))
from cascade_models import save_expert
from small_models import CAPTIONS, save_checkpoint

MEDIAN = float(np.exp(-1.2))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("experts") / "base")


def test_copies_are_the_single_model(base: Path, tmp_path: Path) -> None:
    experts = [save_expert(tmp_path / str(i), 1, i) for i in (0, 1)]
    save_ensemble(tmp_path / "all", [base, *experts])
    model = load_ensemble(tmp_path / "all")
    assert isinstance(model.denoiser, ExpertDenoiser)
    assert model.denoiser.bounds == pytest.approx((MEDIAN,))
    options = GeneratorOptions(guidance_scale=2, sampler="stochastic:num_steps=4")
    request = [Request(0, CAPTIONS[0], seed=7)]
    single, several = (
        load_checkpoint(place, options).generate(request)[0] for place in (base, tmp_path / "all")
    )
    assert np.array_equal(single, several)
    recipes = [load_checkpoint(place, options).recipe for place in (base, tmp_path / "all")]
    assert recipes[0]["model"] != recipes[1]["model"]


def test_an_expert_is_asked_on_its_interval_alone(base: Path, tmp_path: Path) -> None:
    low = save_expert(tmp_path / "low", 1, 0, seed=5)
    save_ensemble(tmp_path / "all", [base, low])
    model = load_ensemble(tmp_path / "all")
    x = torch.randn(1, 4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    for sigma, place in ((0.2, low), (0.5, base)):
        level = torch.tensor([sigma])
        with torch.no_grad():
            expected = load_ensemble_part(place)(x, level)
            assert torch.equal(model.denoiser(x, level), expected)


def load_ensemble_part(place: Path) -> torch.nn.Module:
    from pyoco_eval.models.checkpoint import load_model

    return load_model(place).denoiser


def test_the_deepest_expert_answers(base: Path, tmp_path: Path) -> None:
    """A tree deep at both ends, shared in the middle, as eDiff-I's."""
    low, lowest = save_expert(tmp_path / "1-0", 1, 0), save_expert(tmp_path / "2-0", 2, 0)
    highest = save_expert(tmp_path / "3-7", 3, 7)
    parts = parts_of([base, low, lowest, highest])
    assert [part.folder for part in parts] == [lowest, low, base, highest]
    starts = [part.start for part in parts]
    law = [np.exp(-1.2 + 1.2 * z) for z in (-0.67448975, 0, 1.15034938)]
    assert starts == pytest.approx([0, *law])


def test_gaps_and_strangers(base: Path, tmp_path: Path) -> None:
    low, high = save_expert(tmp_path / "low", 1, 0), save_expert(tmp_path / "high", 1, 1)
    with pytest.raises(UsageError, match=r"no model knows noise of sigma 0\.3012 upwards"):
        parts_of([low])
    with pytest.raises(UsageError, match="for the same noise levels"):
        parts_of([low, high, save_expert(tmp_path / "twin", 1, 0)])
    other = save_checkpoint(tmp_path / "other", sigma_data=0.4)
    with pytest.raises(UsageError, match="differ in sigma_data"):
        parts_of([other, low])
    with pytest.raises(UsageError, match="holds something else"):
        save_ensemble(base, [low, high])
    with pytest.raises(UsageError, match=r"is the expert 1/0 .* join it with others"):
        load_checkpoint(low, GeneratorOptions())


def test_a_folder_that_was_left_half_written_is_written_again(base: Path, tmp_path: Path) -> None:
    low = save_expert(tmp_path / "low", 1, 0)
    save_ensemble(tmp_path / "all", [base, low])
    whole = {p.name: p.read_bytes() for p in (tmp_path / "all").rglob("*.json")}
    (tmp_path / "all" / "experts.json").unlink()
    (tmp_path / "all" / "expert-1" / "model.json").unlink()
    save_ensemble(tmp_path / "all", [base, low])
    assert {p.name: p.read_bytes() for p in (tmp_path / "all").rglob("*.json")} == whole


def test_a_lone_expert_is_refused_wherever_models_are_used(base: Path, tmp_path: Path) -> None:
    between = replace(PRESETS["test"], known_frames=True)
    expert = TrainedExpert(ExpertNode(1, 0), -1.2, 1.2)
    save_checkpoint(tmp_path / "between", unet=between, expert=expert)
    save_checkpoint(tmp_path / "image", unet=PRESETS["test"].image(), expert=expert)
    (tmp_path / "videos").mkdir()
    np.savez(tmp_path / "videos" / "a.npz", np.zeros((3, 16, 16, 3), np.uint8))
    (tmp_path / "c.yaml").write_text(
        f"format: pyoco-eval cascade 1\nstages: {{base: {{model: {base}}}, between: "
        "{model: between, every: 2}}\n"
    )
    source = open_source(tmp_path / "videos")
    for use in (
        lambda: upsampling(
            tmp_path / "between", source, GeneratorOptions(), UpsamplingOptions(every=2)
        ),
        lambda: read_cascade(tmp_path / "c.yaml"),
        lambda: open_own_model(tmp_path / "image", torch.device("cpu")),
    ):
        with pytest.raises(UsageError, match=r"is the expert 1/0"):
            use()


def test_a_measured_prior_goes_with_its_experts(tmp_path: Path) -> None:
    prior = parse_prior("mixed:alpha=1")
    measured = EmpiricalPrior("mine", prior.frame_covariance(4), {})
    models = [tmp_path / "base", tmp_path / "low"]
    save_checkpoint(models[0], prior=measured.spec)
    save_checkpoint(models[1], prior=measured.spec, seed=1,
                    expert=TrainedExpert(ExpertNode(1, 0), -1.2, 1.2))  # fmt: skip
    for model in models:
        measured.save(model)
    for _ in (0, 1):  # also over itself
        save_ensemble(tmp_path / "all", models)
    generator = load_checkpoint(tmp_path / "all", GeneratorOptions())
    assert generator.recipe["prior"] == measured.spec


def test_damaged_folders(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "all"
    save_ensemble(folder, [base, save_expert(tmp_path / "low", 1, 0)])
    index = json.loads((folder / "experts.json").read_text())
    for change, message in (
        ({"format": "other"}, "is no index of experts"),
        ({"experts": []}, "must start at 0 and rise"),
        ({"experts": [{"model": "../../base", "start": 0}]}, "leads out of the folder"),
        ({"experts": index["experts"][::-1]}, "must start at 0 and rise"),
    ):
        (folder / "experts.json").write_text(json.dumps({**index, **change}))
        with pytest.raises(PyocoEvalError, match=message):
            read_parts(folder)
    (folder / "experts.json").write_text(json.dumps(index))
    (folder / "expert-1" / "model.json").unlink()
    with pytest.raises(MissingError, match=r"has no expert-1/model\.json"):
        read_parts(folder)
