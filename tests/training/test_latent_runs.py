"""Latent diffusion from frames to a score: training, sheets, sampling, inversion, the cache."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

pytest.importorskip("diffusers")
from process_runs import SEVERAL, finish_all, start_together, written
from process_runs import losses as losses_of
from small_runs import small_config

from pyoco_eval.cli.invert_noise import command as invert_noise
from pyoco_eval.cli.metrics import metric_command
from pyoco_eval.cli.sample import command as sample
from pyoco_eval.cli.shapes import command as shapes
from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.models.checkpoint import load_model
from pyoco_eval.models.first_stage import open_first_stage
from pyoco_eval.models.latent_space import LatentSpace
from pyoco_eval.priors import parse_prior
from pyoco_eval.probe.open import open_image_model
from pyoco_eval.seeding import torch_generator
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.data.latent_cache import LatentCache
from pyoco_eval.training.data.latents import Latents, deviation_notes
from pyoco_eval.training.data.samples import Batch, collate
from pyoco_eval.training.memory import plan_memory
from pyoco_eval.training.outputs.checkpoints import load_state, newest_state
from pyoco_eval.training.outputs.monitor import NobodyWatches
from pyoco_eval.training.run import train
from pyoco_eval.training.setup import make_parts
from pyoco_eval.videos.source import open_source

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from small_vaes import save_vae

VIDEO = {"source": "shapes", "size": 16, "num_frames": 4}


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vae(tmp_path_factory.mktemp("vae"))


@pytest.fixture(scope="module")
def image_run(tmp_path_factory: pytest.TempPathFactory, vae: Path) -> TrainConfig:
    out = tmp_path_factory.mktemp("runs") / "image"
    config = latent_config(out, vae, steps=6, log__samples_every=6)
    train(config)
    return config


def latent_config(out: Path, vae: Path, **changes: Any) -> TrainConfig:
    settings: dict[str, Any] = {"latent__vae": str(vae), "loss": {"sigma_data": 0.35}, "steps": 4}
    return small_config(out, **settings | changes)


def losses(config: TrainConfig) -> list[float]:
    lines = (Path(config.out) / "log.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def first_batch(config: TrainConfig, *numbers: int) -> Batch:
    from pyoco_eval.training.engine import Engine

    engine = Engine(config.hardware)
    try:
        batch = collate([make_parts(config, engine).samples[number] for number in numbers])
    finally:
        engine.end()
    assert isinstance(batch, Batch)
    return batch


def run(command: Any, *arguments: object) -> Any:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_a_model_says_which_vae_it_is_of(image_run: TrainConfig, vae: Path) -> None:
    info = load_model(Path(image_run.out)).info
    space = open_first_stage(str(vae), "cpu", "x").space
    assert info.latent == space
    assert (info.unet.frame_channels, info.size, info.frame_shape()) == (4, (16, 16), (4, 8, 8))
    assert (Path(image_run.out) / "samples" / "step-00000006.png").is_file()


def test_the_network_is_trained_on_the_latents(tmp_path: Path, vae: Path) -> None:
    """The loss of a first step by hand: a fresh network gives 0, so D only scales its input."""
    config = latent_config(tmp_path / "run", vae, steps=1, batch=1)
    train(config)
    frames = first_batch(config, 0).frames
    stage = open_first_stage(str(vae), "cpu", "x")
    clean = stage.encode(frames[0].permute(0, 3, 1, 2).float() / 127.5 - 1)
    generator = torch_generator(config.seed, "noise", 0)
    sigma = torch.empty(1).log_normal_(-1.2, 1.2, generator=generator)
    noise = parse_prior("independent").sample((4, 8, 8), 1, [generator])[0]
    data = 0.35
    skip = data**2 / (sigma**2 + data**2)
    weight = (sigma**2 + data**2) / (sigma * data) ** 2
    expected = weight * (skip * (clean + sigma * noise) - clean).square().mean()
    assert losses(config)[0] == pytest.approx(float(expected), rel=1e-5)


def test_train_sample_and_score_videos_from_an_image_model(
    image_run: TrainConfig, vae: Path, tmp_path: Path
) -> None:
    """The samples are the decoded ends of the sampler's path, made here by hand as well."""
    config = latent_config(
        tmp_path / "video", vae, init=image_run.out, prior="progressive:alpha=2", data=VIDEO,
        joint__per_video=1, joint__data={"source": "shapes", "size": 16, "num_frames": 1},
        log__samples_every=4, condition={"encoders": ["shapes"]},
    )  # fmt: skip
    train(config)
    made, real = tmp_path / "made", tmp_path / "real"
    run(sample, "--ckpt", config.out, "--num", 3, "--out", made, "--format", "npz",
        "--sampler", "ddim:num_steps=3")  # fmt: skip
    recipe = json.loads((made / "recipe.json").read_text())
    model = load_model(Path(config.out))
    assert model.info.latent is not None
    assert f"sha256:{model.info.latent.sha256}" in json.dumps(recipe)

    rows = [json.loads(line) for line in (made / "manifest.jsonl").read_text().splitlines()]
    generator = torch_generator("sample", rows[0]["seed"])
    prior = parse_prior(model.info.prior)
    noise = prior.sample((4, 8, 8), 4, [generator], dtype=torch.float64, device="cpu")
    with torch.no_grad():
        latents = SamplerSpec.parse("ddim:num_steps=3").sample(model.denoiser, noise, prior=prior)
    frames = open_first_stage(str(vae), "cpu", "x").decode(latents)[0]
    expected = ((frames + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1).numpy()
    found = np.stack(list(open_source(made / rows[0]["id"])[0].read(range(4))))
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert expected.std() > 1, "not a flat picture"

    run(shapes, "--out", real, "--num", 3, "--size", 16, "--num-frames", 4, "--format", "npz")
    scored = run(metric_command("fvd"), "--samples", made, "--reference", real, "--num-frames", 4,
                 "--profile", "embedded", "--json", "--allow-small")  # fmt: skip
    assert np.isfinite(json.loads(scored.stdout)["scores"][0]["value"])


def test_the_inflated_model_begins_as_the_image_model(
    image_run: TrainConfig, vae: Path, tmp_path: Path
) -> None:
    config = latent_config(
        tmp_path / "video", vae, init=image_run.out, data=VIDEO, optimizer__lr=1e-12, steps=1
    )
    train(config)
    image, video = (load_model(Path(place)) for place in (image_run.out, config.out))
    x = torch.randn(2, 4, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([0.5, 5.0])
    with torch.no_grad():
        torch.testing.assert_close(
            video.denoiser(x, sigma), image.denoiser(x, sigma), rtol=0, atol=1e-5
        )


@pytest.mark.parametrize("draw", ["mean", "sample"])
def test_the_cache_changes_no_bit_and_saves_the_vae_its_work(
    tmp_path: Path, vae: Path, draw: str
) -> None:
    plain = latent_config(tmp_path / "plain", vae, latent__draw=draw, data=VIDEO)
    cached = latent_config(
        tmp_path / "cached", vae, latent__draw=draw, data=VIDEO,
        latent__cache=str(tmp_path / "latents"),
    )  # fmt: skip
    train(plain)
    train(cached)
    assert losses(plain) == losses(cached)
    batch = first_batch(cached, 0, 5)
    again = Latents(cached, "cpu")
    assert torch.equal(again(batch), Latents(plain, "cpu")(batch))
    assert again.first_stage.encoded == 0, "all frames are on disk"
    train(cached, overwrite=True)
    assert losses(plain) == losses(cached)


def test_draws_are_the_samples_own(tmp_path: Path, vae: Path) -> None:
    """Whatever stands beside a sample; with the deviation the VAE states."""
    config = latent_config(tmp_path / "x", vae, latent__draw="sample")
    latents = Latents(config, "cpu")
    mean = Latents(latent_config(tmp_path / "x", vae), "cpu")
    pair, alone = first_batch(config, 0, 5), first_batch(config, 5)
    assert torch.equal(latents(pair)[1:], latents(alone))
    other = Latents(replace(config, seed=4), "cpu")
    assert not torch.equal(other(alone), latents(alone))
    images = alone.frames[0].permute(0, 3, 1, 2).float() / 127.5 - 1
    deviation = latents.first_stage.moments(images)[:, 1]
    drawn = (latents(alone) - mean(alone))[0] / deviation
    assert abs(float(drawn.mean())) < 0.25, "of 256 values"
    assert 0.8 < float(drawn.std()) < 1.2


SPACE = LatentSpace("x/y", "0" * 64, channels=1, downscale=1, scaling_factor=1.0)


def test_a_frame_is_encoded_once_and_known_by_pixels_and_vae(tmp_path: Path) -> None:
    asked: list[int] = []

    def encode(frames: torch.Tensor) -> torch.Tensor:
        asked.append(len(frames))
        return frames[:, None, None, :, :, 0].float().expand(-1, 2, -1, -1, -1).contiguous()

    cache = LatentCache(str(tmp_path), SPACE)
    frames = torch.arange(3, dtype=torch.uint8).reshape(3, 1, 1, 1).expand(-1, 2, 2, 3)
    found = cache.moments(frames[[0, 1, 0]].contiguous(), encode)
    assert found[:, 0, 0, 0, 0].tolist() == [0, 1, 0]
    cache.moments(frames.contiguous(), encode)
    assert asked == [2, 1]
    other = LatentCache(str(tmp_path), replace(SPACE, sha256="1" * 64))
    other.moments(frames.contiguous(), encode)
    assert asked == [2, 1, 3]
    moved = LatentCache(str(tmp_path), replace(SPACE, vae="/elsewhere"))
    moved.moments(frames.contiguous(), encode)
    assert asked == [2, 1, 3]


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"nonsense"])
def test_a_damaged_file_of_the_cache_is_named(tmp_path: Path, content: bytes) -> None:
    cache = LatentCache(str(tmp_path), SPACE)
    frames = torch.zeros(1, 2, 2, 3, dtype=torch.uint8)
    cache.moments(frames, lambda f: torch.zeros(len(f), 2, 1, 2, 2))
    (path,) = tmp_path.rglob("*.npy")
    path.write_bytes(content)
    with pytest.raises(PyocoEvalError, match=rf"{path.name}: .*delete it"):
        cache.moments(frames, lambda f: torch.zeros(len(f), 2, 1, 2, 2))


def test_a_latent_run_in_two_parts_is_the_run_in_one(tmp_path: Path, vae: Path) -> None:
    whole = latent_config(tmp_path / "whole", vae, latent__draw="sample", log__checkpoint_every=2)
    parts = replace(whole, out=str(tmp_path / "parts"))
    train(whole)
    train(replace(parts, steps=2))
    train(parts)
    states = [
        load_state(place)
        for config in (whole, parts)
        if (place := newest_state(Path(config.out) / "checkpoints")) is not None
    ]
    for name, tensor in states[0].network.items():
        assert torch.equal(tensor, states[1].network[name]), name


def test_a_run_goes_on_with_its_own_vae_alone(tmp_path: Path, vae: Path) -> None:
    """Its folder may move; another VAE at the same place is noticed."""
    place = save_vae(tmp_path / "vae")
    config = latent_config(tmp_path / "run", place, steps=1)
    train(config)
    moved = replace(config, steps=2, latent=replace(config.latent, vae=str(vae)))
    train(moved)
    save_vae(place, seed=1)
    with pytest.raises(UsageError, match=r"latent.vae: the run began with latents of .* and goes"):
        train(replace(config, steps=3))
    with pytest.raises(UsageError, match=r"began with latents of .* and goes on with pixels"):
        train(replace(config, steps=3, latent=replace(config.latent, vae=None)))


def test_a_run_of_pixels_goes_on_with_pixels(tmp_path: Path) -> None:
    """A VAE of three channels would fit the weights."""
    place = save_vae(tmp_path / "vae", latent_channels=3)
    config = small_config(tmp_path / "run", steps=1)
    train(config)
    with pytest.raises(UsageError, match=r"began with pixels, and goes on with latents of"):
        train(replace(config, steps=2, latent=replace(config.latent, vae=str(place))))


def test_sampling_without_the_vae_says_where_to_put_it(tmp_path: Path) -> None:
    place = save_vae(tmp_path / "vae")
    config = latent_config(tmp_path / "run", place, steps=1)
    train(config)
    place.rename(tmp_path / "moved")
    with pytest.raises(MissingError, match=r"Put its folder, or a link to it, at .*model/vae"):
        run(sample, "--ckpt", config.out, "--num", 1, "--out", tmp_path / "out")
    (tmp_path / "run" / "vae").symlink_to(tmp_path / "moved")
    run(sample, "--ckpt", config.out, "--num", 1, "--out", tmp_path / "out", "--format", "npz")


def test_known_frames_are_latents_too(tmp_path: Path, vae: Path) -> None:
    config = latent_config(
        tmp_path / "run", vae, steps=2, data=VIDEO, condition__known_every=2,
        model={"preset": "test", "overrides": {"known_frames": True}}, log__samples_every=2,
    )  # fmt: skip
    train(config)
    kernels = load_model(Path(config.out)).network.input.weight
    assert kernels.shape[1] == 2 * 4 + 1
    assert (tmp_path / "run" / "samples" / "step-00000002.png").is_file()


def test_the_probe_inverts_in_the_space_of_the_latents(image_run: TrainConfig, vae: Path) -> None:
    model = open_image_model(image_run.out)
    assert (model.latent, model.size) == (True, 16)
    assert model.digest != load_model(Path(image_run.out)).sha256, "it holds the VAE as well"
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    stage = open_first_stage(str(vae), "cpu", "x")
    latents = model.encode(x)
    assert latents.shape == (2, 4, 8, 8)
    assert torch.equal(latents, stage.encode(x))
    assert torch.equal(model.decode(latents), stage.decode(latents))


def test_invert_noise_measures_a_latent_model(image_run: TrainConfig, tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", tmp_path / "probe"
    run(shapes, "--out", clips, "--num", 3, "--size", 16, "--num-frames", 3, "--format", "npz")
    run(invert_noise, "--model", image_run.out, "--videos", clips, "--out", out, "--num-frames", 3,
        "--num-steps", 3, "--check-videos", 1, "--no-figures", "--resamples", 50)  # fmt: skip
    assert parse_prior(f"empirical:{out / 'noise-prior.npz'}").frame_covariance(3).shape == (3, 3)


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["ddp", "fsdp"])
def test_two_processes_train_on_latents_as_one_does(
    tmp_path: Path, vae: Path, sharding: str
) -> None:
    """Each encodes its own samples, and both fill one cache."""
    changes: dict[str, Any] = {
        "steps": 3, "data": VIDEO, "loss": {"sigma_data": 0.35}, "log__samples_every": 3,
        "latent": {"vae": str(vae), "draw": "sample", "cache": str(tmp_path / "latents")},
    }  # fmt: skip
    config, out = written(tmp_path / "two", **changes, hardware__sharding=sharding)
    finish_all(start_together(2, [sys.executable, "-c", SEVERAL, str(config)]))
    alone = small_config(tmp_path / "one", **changes)
    train(alone)
    assert losses_of(out) == pytest.approx(losses(alone), rel=1e-4)
    assert (out / "samples" / "step-00000003.png").is_file()


def test_the_deviation_of_the_data_is_measured_and_told(tmp_path: Path, vae: Path) -> None:
    told: list[str] = []
    about: dict[str, str] = {}

    class Listens(NobodyWatches):
        def started(self, step: int, steps: int, found: Any) -> None:
            about.update(found)

        def noted(self, text: str) -> None:
            told.append(text)

    config = latent_config(tmp_path / "run", vae, steps=1, loss={"sigma_data": 50.0})
    train(config, watcher=Listens())
    batch = first_batch(config, *range(8))
    deviation = float(Latents(config, "cpu")(batch).std())
    assert f"standard deviation {deviation:.3g}" in about["latents"]
    assert any(f"standard deviation of {deviation:.3g}" in line for line in told)
    assert not list(deviation_notes(1.2, 1.0))
    assert list(deviation_notes(1.3, 1.0))
    assert list(deviation_notes(0.0, 1.0))
    assert list(deviation_notes(float("nan"), 1.0))


def test_oblong_frames_and_other_sizes(tmp_path: Path, vae: Path) -> None:
    config = latent_config(
        tmp_path / "run", vae, steps=1, data__size=[16, 24], log__samples_every=1
    )
    train(config)
    assert load_model(Path(config.out)).info.frame_shape() == (4, 8, 12)
    made = tmp_path / "made"
    for size, expected in (("16x24", (16, 24)), ("24x16", (24, 16))):
        run(sample, "--ckpt", config.out, "--num", 1, "--out", made, "--format", "npz",
            "--size", size, "--overwrite")  # fmt: skip
        assert open_source(made)[0].read([0])[0].shape[:2] == expected
    with pytest.raises(UsageError, match=r"--size 18: .* multiples of 4"):
        run(sample, "--ckpt", config.out, "--num", 1, "--out", made, "--size", "18")


def test_memory_is_planned_for_the_latents(tmp_path: Path, vae: Path) -> None:
    """As for pixels of that size; the VAE has half as many latents along a side."""
    latent = plan_memory(latent_config(tmp_path, vae, data__size=32))
    pixels = plan_memory(
        small_config(tmp_path, data__size=16, model__overrides={"frame_channels": 4})
    )
    assert latent.memory == pixels.memory
    assert "the VAE, whole and in float32, comes on top" in latent.notes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data__size": 18}, r"data.size: 18 is no multiple of 4, .* and of the VAE"),
        ({"init": "PIXELS"}, r"latent.vae: the model .* works on pixels, the config asks for lat"),
        ({"init": "LATENTS", "latent__vae": None}, r"works on latents of .* asks for pixels"),
        ({"init": "LATENTS", "latent__scaling_factor": 3}, r"times 2, the config .* times 3"),
        ({"latent__vae": None, "latent__cache": "x"}, r"latent.vae: must be given where"),
        ({"latent__frames_at_once": 0}, r"latent.frames_at_once: must be at least 1"),
        ({"latent__scaling_factor": 0}, r"latent.scaling_factor: must be above 0"),
    ],
)
def test_what_does_not_go_together_is_named(
    image_run: TrainConfig, vae: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    if changes.get("init") == "PIXELS":
        pixels = small_config(tmp_path / "pixels", steps=1)
        train(pixels)
        changes = changes | {"init": pixels.out}
    elif changes.get("init") == "LATENTS":
        changes = changes | {"init": image_run.out}
    with pytest.raises(UsageError, match=message):
        train(latent_config(tmp_path / "run", vae, **changes))
