"""A text-to-image pipeline of diffusers becomes a video model: loss, runs, samples, refusals."""

import json
import math
import shutil
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner

pytest.importorskip("diffusers")
import diffusers
from process_runs import SEVERAL, assert_same_bits, final, finish_all, start_together, written
from process_runs import losses as losses_of
from small_runs import small_config

from pyoco_eval.cli.sample import command as sample
from pyoco_eval.diffusion.loss import EDMLoss
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.generation.open import GeneratorOptions, open_generator
from pyoco_eval.generation.request import make_requests
from pyoco_eval.models.checkpoint import load_model
from pyoco_eval.models.inflation import temporal_names
from pyoco_eval.models.motion_config import MotionConfig
from pyoco_eval.models.text.store import precompute_embeddings
from pyoco_eval.priors import parse_prior
from pyoco_eval.seeding import numpy_generator, torch_generator
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.config_file import dump_config, parse_config
from pyoco_eval.training.memory import plan_memory
from pyoco_eval.training.run import train
from pyoco_eval.videos.source import open_source

sys.path.insert(0, str(Path(__file__).parents[1] / "probe"))
from small_pipelines import latent_pipeline

VIDEO = {"source": "shapes", "size": 16, "num_frames": 3}
PICTURES = {"source": "shapes", "size": 16, "num_frames": 1}


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pipelines")
    return {
        "epsilon": latent_pipeline(root / "epsilon"),
        "v_prediction": latent_pipeline(root / "v", prediction="v_prediction"),
    }


def changes_for(pipeline: Path, **changes: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "steps": 2,
        "batch": 2,
        "prior": "progressive:alpha=2",
        "model": {"diffusers": str(pipeline), "overrides": {"heads": 4}},
        "data": VIDEO,
        "condition": {},
    }
    return settings | changes


def finetuning(out: Path, pipeline: Path, **changes: Any) -> TrainConfig:
    return small_config(out, **changes_for(pipeline, **changes))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, pipelines: dict[str, Path]) -> TrainConfig:
    """Of four steps, with all that a run can have."""
    config = finetuning(
        tmp_path_factory.mktemp("runs") / "whole", pipelines["epsilon"], steps=4,
        joint__per_video=1, joint__data=PICTURES, log__samples_every=4, log__guidance_scale=2.0,
        log__checkpoint_every=2, validation={"every": 2, "samples": 2, "data": {"split": "val"}},
        optimizer__temporal_lr=1e-2,
    )  # fmt: skip
    train(config)
    return config


def parts_of(pipeline: Path) -> tuple[Any, Any, Any, Any]:
    """U-Net, `alphas_cumprod`, the whole, VAE, by diffusers and transformers alone."""
    whole = diffusers.StableDiffusionPipeline.from_pretrained(pipeline)
    for part in (whole.unet, whole.vae):
        part.eval().requires_grad_(False)
    return whole.unet, whole.scheduler.alphas_cumprod, whole, whole.vae


@torch.no_grad()
def embedded(whole: Any, text: str) -> torch.Tensor:
    """As StableDiffusionPipeline does."""
    tokens: torch.Tensor = whole.encode_prompt(text, "cpu", 1, do_classifier_free_guidance=False)[0]
    return tokens


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_loss_is_the_mean_square_error_of_what_the_network_predicts(
    tmp_path: Path, pipelines: dict[str, Path], prediction: str
) -> None:
    """The first step by hand: DDPM's loss at a uniform timestep, the noise from the prior."""
    from pyoco_eval.training.data.samples import Batch, collate
    from pyoco_eval.training.engine import Engine
    from pyoco_eval.training.setup import make_parts

    pipeline = pipelines[prediction]
    config = finetuning(tmp_path / "run", pipeline, steps=1, batch=1)
    train(config)
    engine = Engine(config.hardware)
    batch = collate([make_parts(config, engine).samples[0]])
    engine.end()
    assert isinstance(batch, Batch)
    unet, alphas, whole, vae = parts_of(pipeline)
    frames = batch.frames[0].permute(0, 3, 1, 2).float() / 127.5 - 1
    clean = vae.encode(frames).latent_dist.mean * vae.config.scaling_factor
    generator = torch_generator(config.seed, "noise", 0)
    timestep = int(torch.randint(1000, (1,), generator=generator))
    noise = parse_prior(config.prior).sample((4, 8, 8), 3, [generator])[0]
    a = alphas[timestep]
    dropped = numpy_generator(config.seed, "drop", "text/prompt", "0").random() < 0.1
    text = embedded(whole, "" if dropped else batch.captions[0]).expand(3, -1, -1)
    noisy = a.sqrt() * clean + (1 - a).sqrt() * noise
    found = unet(noisy, timestep, encoder_hidden_states=text).sample
    target = noise if prediction == "epsilon" else a.sqrt() * noise - (1 - a).sqrt() * clean
    expected = float((found - target).square().mean())
    assert losses_of(Path(config.out))[0] == pytest.approx(expected, rel=2e-4)


def test_timesteps_are_drawn_evenly(run: TrainConfig) -> None:
    info = load_model(Path(run.out)).info
    loss = EDMLoss(parse_prior("independent"), levels=info.unet.levels)
    drawn = loss.draw_sigmas([torch_generator("level", number) for number in range(4000)])
    for share in (0.1, 0.5, 0.9):
        below = float((drawn <= loss.quantile(share)).float().mean())
        assert below == pytest.approx(share, abs=0.03)
    assert len(info.unet.levels) == 1000


def test_the_config_of_a_run_names_what_comes_from_the_pipeline(
    tmp_path: Path, pipelines: dict[str, Path]
) -> None:
    place = str(pipelines["epsilon"])
    config = finetuning(tmp_path, pipelines["epsilon"])
    assert config.latent.vae == place
    assert config.condition.encoders == (f"diffusers:{place}",)
    assert (config.loss.weighting, config.loss.sigma_data) == ("output", 1.0)
    assert parse_config(yaml.safe_load(dump_config(config)), "again") == config
    own = finetuning(tmp_path, pipelines["epsilon"], loss={"weighting": "min-snr:gamma=5"})
    assert own.loss.weighting == "min-snr:gamma=5"


def test_a_run_writes_a_model_that_says_what_it_was_made_of(
    run: TrainConfig, pipelines: dict[str, Path]
) -> None:
    out = Path(run.out)
    info = load_model(out).info
    assert isinstance(info.unet, MotionConfig)
    assert info.latent is not None
    assert info.prior == "progressive:alpha=2"
    assert info.unet.pipeline.keys() == {"unet", "text_encoder"}
    assert info.text_encoders == (f"diffusers:{pipelines['epsilon']}",)
    assert (out / "samples" / "step-00000004.png").is_file()
    low, high = info.unet.sigma_range
    assert f"sigma_min={low},sigma_max={high}" in info.sampler
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert math.isfinite(lines[-1]["validation/mean"])
    assert lines[-1]["temporal_learning_rate"] > lines[-1]["learning_rate"]


def test_a_killed_run_goes_on_bit_for_bit(tmp_path: Path, run: TrainConfig) -> None:
    out = tmp_path / "run"
    shutil.copytree(run.out, out)
    shutil.rmtree(out / "checkpoints" / "step-00000004")
    shutil.rmtree(out / "model")
    lines = (out / "log.jsonl").read_text().splitlines()
    (out / "log.jsonl").write_text("\n".join(lines[:2]) + "\n")
    train(replace(run, out=str(out)))
    assert_same_bits(final(out), final(Path(run.out)))
    assert losses_of(out) == losses_of(Path(run.out))


def test_temporal_layers_alone_can_be_trained(tmp_path: Path, pipelines: dict[str, Path]) -> None:
    model = {"diffusers": str(pipelines["epsilon"]), "overrides": {"heads": 4}, "train": "temporal"}
    config = finetuning(tmp_path / "run", pipelines["epsilon"], model=model)
    train(config)
    network = load_model(Path(config.out)).network
    before = parts_of(pipelines["epsilon"])[0].state_dict()
    temporal = temporal_names(network)
    for name, parameter in network.named_parameters():
        plain = name.removeprefix("unet.")
        if plain in before:
            assert torch.equal(parameter, before[plain]), name
    assert any(
        bool(parameter.any())
        for name, parameter in network.named_parameters()
        if name in temporal and "proj_out.weight" in name
    )


def test_the_empty_prompt_is_never_trained(run: TrainConfig, pipelines: dict[str, Path]) -> None:
    state = final(Path(run.out))
    expected = embedded(parts_of(pipelines["epsilon"])[2], "")[0]
    for weights in (state.network, state.ema):
        torch.testing.assert_close(weights["empty_text"], expected, rtol=0, atol=1e-6)
    assert not any("empty_text" in name for name in state.optimizer)


def test_untouched_layers_and_independent_noise_sample_as_diffusers_does(
    tmp_path: Path, pipelines: dict[str, Path]
) -> None:
    """An optimizer that does nothing: every frame is a picture of the pipeline's own DDIM."""
    pipeline = pipelines["epsilon"]
    config = finetuning(
        tmp_path / "run", pipeline, steps=1, optimizer={"lr": 1e-30, "warmup_steps": 0}
    )
    train(config)
    spec = "ddim:num_steps=5,grid=linear"
    options = GeneratorOptions(sampler=spec, prior="independent", guidance_scale=3.0)
    (request,) = make_requests(1, prompts=["a cat"])
    (video,) = open_generator(config.out, options).generate([request])
    unet, alphas, whole, vae = parts_of(pipeline)
    low, high = (
        float(((1 - alphas[0]) / alphas[0]).sqrt()),
        float(((1 - alphas[-1]) / alphas[-1]).sqrt()),
    )
    grid = [*np.linspace(high, low, 5), 0.0]
    table = ((1 - alphas.double()) / alphas.double()).sqrt().log()
    noise = parse_prior("independent").sample(
        (4, 8, 8), 3, [torch_generator("sample", request.seed)], dtype=torch.float64, device="cpu"
    )[0]
    texts = torch.cat([embedded(whole, "a cat"), embedded(whole, "")]).repeat_interleave(3, 0)
    x = noise * high
    for sigma, following in pairwise(grid):
        timestep = np.interp(math.log(sigma), table.numpy(), np.arange(1000))
        y = (x / math.sqrt(1 + sigma**2)).float()
        found = unet(torch.cat([y, y]), timestep, encoder_hidden_states=texts).sample.double()
        conditional, unconditional = found.chunk(2)
        x = x + (following - sigma) * (unconditional + 3 * (conditional - unconditional))
    frames = vae.decode(x.float() / vae.config.scaling_factor).sample
    expected = ((frames + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1).numpy()
    assert np.abs(video.astype(float) - expected).max() <= 1
    assert np.ptp(expected) > 50


def test_any_sampler_makes_videos_of_prompts(run: TrainConfig, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a red disc\na dog\n")
    for number, sampler in enumerate(("deis", "heun", "stochastic", "ddim")):
        out = tmp_path / f"made-{number}"
        arguments = ["--ckpt", run.out, "--prompts", prompts, "--num", 2, "--out", out,
                     "--sampler", f"{sampler}:num_steps=3", "--guidance-scale", 2]  # fmt: skip
        result = CliRunner().invoke(sample, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        videos = [video.read(range(3)) for video in open_source(out / "manifest.jsonl")]
        assert [frames.shape for frames in videos] == [(3, 16, 16, 3)] * 2
        recipe = json.loads((out / "recipe.json").read_text())["recipe"]
        assert recipe["prior"] == "progressive:alpha=2"
        assert "sigma_max=14.6" in recipe["sampler"]


def test_levels_the_network_does_not_know_are_refused(run: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="knows noise of sigma"):
        open_generator(run.out, GeneratorOptions(sampler="deis:sigma_max=20"))
    place = Path(str(run.model.diffusers))
    held_out = {"every": 1, "sigmas": [0.5, 50.0], "data": {"split": "val"}}
    with pytest.raises(UsageError, match=r"validation\.sigmas: 50 is none the network knows"):
        train(finetuning(tmp_path / "run", place, validation=held_out))


def test_pipelines_that_were_moved_or_exchanged(
    run: TrainConfig, pipelines: dict[str, Path], tmp_path: Path
) -> None:
    """Gone: says where to put it. There: it is found. Another one: refused, in runs as well."""
    moved, out = tmp_path / "moved", tmp_path / "run"
    shutil.copytree(pipelines["epsilon"], moved)
    config = finetuning(out, moved, steps=1, log__checkpoint_every=1)
    train(config)
    shutil.rmtree(moved / "text_encoder")
    with pytest.raises(MissingError, match="has no text_encoder"):
        open_generator(out)
    (out / "pipeline").symlink_to(pipelines["epsilon"])
    open_generator(out)
    (out / "pipeline").unlink()
    shutil.rmtree(moved)
    shutil.copytree(pipelines["epsilon"], moved)
    weights = moved / "text_encoder" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(PyocoEvalError, match="was trained with a text encoder of sha256"):
        open_generator(out)
    with pytest.raises(PyocoEvalError, match="began with other files of the pipeline"):
        train(finetuning(out, moved, steps=2, log__checkpoint_every=1))


def test_embeddings_can_be_computed_before(
    tmp_path: Path, pipelines: dict[str, Path], run: TrainConfig
) -> None:
    from pyoco_eval.models.text import load_text_encoder
    from pyoco_eval.shapes.dataset import MovingShapes

    encoder = load_text_encoder(f"diffusers:{pipelines['epsilon']}")
    captions = [MovingShapes("train", 16)[number].caption for number in range(4)]
    precompute_embeddings(captions, encoder, tmp_path / "texts")
    data = {**VIDEO, "limit": 4}
    plain = finetuning(tmp_path / "plain", pipelines["epsilon"], data=data)
    stored = finetuning(
        tmp_path / "stored", pipelines["epsilon"], data=data,
        condition={"embeddings": str(tmp_path / "texts")},
    )  # fmt: skip
    train(plain)
    train(stored)
    assert losses_of(Path(plain.out)) == losses_of(Path(stored.out))


def test_another_run_can_be_the_start(
    run: TrainConfig, pipelines: dict[str, Path], tmp_path: Path
) -> None:
    config = finetuning(
        tmp_path / "run", pipelines["epsilon"], steps=1, init=run.out,
        optimizer={"lr": 1e-30, "warmup_steps": 0}, ema={"warmup_ratio": None},
    )  # fmt: skip
    train(config)
    began, ended = load_model(Path(run.out)).network, load_model(Path(config.out)).network
    for name, tensor in began.state_dict().items():
        torch.testing.assert_close(ended.state_dict()[name], tensor, rtol=0, atol=1e-6)
    with pytest.raises(UsageError, match="name its pipeline as"):
        train(finetuning(tmp_path / "no", pipelines["epsilon"], init=run.out, model={},
                         condition={"encoders": []}))  # fmt: skip


def test_memory_is_planned_without_the_weights(tmp_path: Path, pipelines: dict[str, Path]) -> None:
    config = finetuning(tmp_path / "run", pipelines["epsilon"])
    plan = plan_memory(config)
    network = load_model(train(config)).network
    trained = (
        sum(p.numel() for p in network.parameters()) - network.get_parameter("empty_text").numel()
    )
    assert plan.memory.optimizer == 8 * trained
    assert plan.memory.activations > 0


def test_bfloat16_trains_on_the_same_samples(tmp_path: Path, pipelines: dict[str, Path]) -> None:
    found = []
    for precision in ("fp32", "bf16"):
        config = finetuning(
            tmp_path / precision, pipelines["epsilon"], hardware__precision=precision,
            hardware__gradient_checkpointing=precision == "bf16",
        )  # fmt: skip
        train(config)
        found.append(losses_of(Path(config.out)))
    assert found[0] != found[1]
    assert found[0] == pytest.approx(found[1], rel=0.05)


def test_the_config_of_the_page_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    text = page.split("## From a text-to-image pipeline")[1].split("```yaml\n")[1].split("```")[0]
    config = parse_config(yaml.safe_load(text), "docs/training.md")
    assert config.latent.vae == config.model.diffusers
    assert config.condition.encoders == (f"diffusers:{config.model.diffusers}",)
    assert config.loss.weighting == "output"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {**VIDEO, "num_frames": 1}}, "model.diffusers: becomes a video model"),
        ({"condition": {"encoders": ["shapes"]}}, "condition.encoders: the network reads"),
        ({"condition": {"labels": True}}, "no labels and no known frames"),
        ({"loss": {"P_mean": 0.0}}, "trained at its own timesteps"),
        ({"latent": {"vae": None}}, "latent.vae: a pipeline of diffusers works on latents"),
        ({"model__preset": "test"}, "model.preset: model.diffusers names the network"),
        ({"model__overrides": {"channels": 8}}, "model.overrides: channels is of a preset"),
        ({"model__overrides": {"heads": "8"}}, "heads and max_frames are whole numbers"),
    ],
)
def test_keys_that_do_not_go_with_a_pipeline_are_named(
    tmp_path: Path, pipelines: dict[str, Path], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        finetuning(tmp_path, pipelines["epsilon"], **changes)


def test_pipelines_of_other_kinds_are_refused_with_the_reason(
    tmp_path: Path, pipelines: dict[str, Path]
) -> None:
    def altered(name: str, **parts: Any) -> TrainConfig:
        folder = tmp_path / name
        shutil.copytree(pipelines["epsilon"], folder)
        index = json.loads((folder / "model_index.json").read_text())
        (folder / "model_index.json").write_text(json.dumps(index | parts))
        return finetuning(tmp_path / f"{name}-run", folder)

    for config, kind, message in (
        (altered("sdxl", text_encoder_2=["transformers", "CLIPTextModel"]), UsageError,
         "two text encoders .SDXL."),
        (altered("flow", transformer=["diffusers", "SD3Transformer2DModel"]), UsageError,
         "pipeline of SD3Transformer2DModel"),
        (altered("t5", text_encoder=["transformers", "T5EncoderModel"]), UsageError,
         "its text_encoder is T5EncoderModel, not CLIPTextModel"),
        (altered("parts", vae=[None, None], tokenizer=[None, None]), MissingError,
         "has no vae, tokenizer"),
        (finetuning(tmp_path / "x", tmp_path / "nowhere"), MissingError, "no folder"),
    ):  # fmt: skip
        with pytest.raises(kind, match=message):
            train(config)
    schedule = tmp_path / "edm" / "scheduler" / "scheduler_config.json"
    config = altered("edm")
    schedule.write_text(json.dumps({"_class_name": "FlowMatchEulerDiscreteScheduler"}))
    with pytest.raises(UsageError, match="states no betas; temporal layers are trained in"):
        train(config)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, pipelines: dict[str, Path]) -> TrainConfig:
    """Three steps of one process, with joint pictures."""
    config = finetuning(
        tmp_path_factory.mktemp("whole"), pipelines["epsilon"], steps=3,
        joint__per_video=1, joint__data=PICTURES,
    )  # fmt: skip
    train(config)
    return config


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["ddp", "fsdp"])
def test_two_processes_train_the_run_of_one(
    tmp_path: Path, pipelines: dict[str, Path], whole: TrainConfig, sharding: str
) -> None:
    """Two steps of two processes and one more of one; sharded, with recomputed activations."""
    changes = changes_for(
        pipelines["epsilon"], joint__per_video=1, joint__data=PICTURES,
        hardware__sharding=sharding, hardware__gradient_checkpointing=sharding == "fsdp",
        hardware__checkpoints="sharded" if sharding == "fsdp" else "whole",
    )  # fmt: skip
    config, out = written(tmp_path, **changes)
    finish_all(start_together(2, [sys.executable, "-c", SEVERAL, str(config)]))
    train(small_config(out, **changes | {"steps": 3, "hardware__sharding": "ddp"}))
    assert losses_of(out) == pytest.approx(losses_of(Path(whole.out)), rel=1e-4)
    one, other = (load_model(place).network.state_dict() for place in (out, Path(whole.out)))
    for name, tensor in one.items():
        torch.testing.assert_close(other[name], tensor, rtol=1e-3, atol=1e-4)
