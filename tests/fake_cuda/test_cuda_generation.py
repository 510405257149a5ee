"""Sampling, inverting and generating on CUDA, with every kind of model and of text."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_device import Machine, hollow

from pyoco_eval.diffusion.inversion import invert
from pyoco_eval.diffusion.precondition import EDMDenoiser
from pyoco_eval.diffusion.samplers.frame_levels import rolling_levels, sample_levels
from pyoco_eval.diffusion.samplers.spec import SAMPLERS, SamplerSpec
from pyoco_eval.generation.checkpoint import load_checkpoint
from pyoco_eval.generation.diffusers_pipeline import load_diffusers
from pyoco_eval.generation.request import GeneratorOptions, Request
from pyoco_eval.generation.upsample_videos import UpsamplingOptions, upsampling
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.text.load import load_text_encoder
from pyoco_eval.models.text.store import precompute_embeddings
from pyoco_eval.models.unet import VideoUNet
from pyoco_eval.priors import parse_prior
from pyoco_eval.priors.drawing import noise as draw_noise
from pyoco_eval.probe.image_model import DIFFUSERS
from pyoco_eval.probe.invert import InversionSettings, invert_frames, round_trip
from pyoco_eval.probe.open import open_image_model
from pyoco_eval.seeding import torch_generator
from pyoco_eval.videos.source import open_source

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / name) for name in ("generation", "models", "models/text", "probe")]
import own_models  # noqa: E402
import small_models  # noqa: E402
import small_pipelines  # noqa: E402
import small_vaes  # noqa: E402
import text_models  # noqa: E402
from test_cuda_networks import told  # noqa: E402

PRIORS = ("independent", "mixed:alpha=1", "progressive:alpha=2")
CAPTIONS = small_models.CAPTIONS


SAMPLED = list(zip(SAMPLERS, (*PRIORS, PRIORS[0]), strict=True))


@pytest.mark.parametrize(("name", "prior"), SAMPLED)
def test_samplers(cuda: Machine, name: str, prior: str) -> None:
    settings = {"stochastic": ",S_churn=20", "ddim": ",eta=1", "deis": ",S_churn=5"}
    sampler = SamplerSpec.parse(f"{name}:num_steps=3{settings.get(name, '')}")
    network = hollow(VideoUNet(PRESETS["test"]).eval(), cuda, "cuda")
    generators = [torch_generator("sample", seed) for seed in range(2)]
    noise_prior = parse_prior(prior)
    noise = noise_prior.sample((3, 8, 8), 3, generators, device="cuda", dtype=torch.float64)
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
        found = sampler.sample(
            EDMDenoiser(network), noise, cond=told(PRESETS["test"], 2), prior=noise_prior,
            generators=generators, guidance_scale=2,
        )  # fmt: skip
    assert found.device.type == "cuda"
    assert found.dtype == torch.float64


def test_levels_of_frames(cuda: Machine) -> None:
    network = hollow(VideoUNet(PRESETS["test"]).eval(), cuda, "cuda")
    noise = draw_noise("progressive:alpha=2", (2, 3, 3, 8, 8), 0, device="cuda")
    levels = rolling_levels(torch.tensor([5.0, 1.0, 0.0]), 3, 1)
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
        found = sample_levels(EDMDenoiser(network), noise, levels, cond=told(PRESETS["test"], 2))
    assert found.device.type == "cuda"
    assert found.dtype == torch.float64


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "stochastic"])
def test_inversion(cuda: Machine, name: str) -> None:
    network = hollow(VideoUNet(PRESETS["test"]).eval(), cuda, "cuda")
    with torch.inference_mode():
        noise = invert(
            EDMDenoiser(network), torch.ones(2, 3, 3, 8, 8, device="cuda"),
            SamplerSpec(name, num_steps=3), cond=told(PRESETS["test"], 2),
        )  # fmt: skip
    assert noise.device.type == "cuda"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_own_checkpoints(cuda: Machine, tmp_path: Path, precision: str) -> None:
    folder = small_models.save_checkpoint(tmp_path / "model", num_classes=3)
    options = GeneratorOptions(device="cuda", precision=precision, guidance_scale=2)
    generator = load_checkpoint(folder, options)
    assert generator.recipe["precision"] == precision
    requests = [Request(0, CAPTIONS[0], 1, seed=1), Request(1, None, None, seed=2)]
    generator.check(requests)
    videos = generator.generate(requests)
    assert [video.shape for video in videos] == [(4, 16, 16, 3)] * 2
    assert videos[0].dtype == np.uint8


@pytest.mark.parametrize("task", ["interpolation", "enlarging"])
def test_upsampling(cuda: Machine, tmp_path: Path, task: str) -> None:
    config = PRESETS["test-superres"]
    if task == "interpolation":
        config = replace(PRESETS["test"], known_frames=True)
    folder = small_models.save_checkpoint(tmp_path / "model", unet=config)
    for number in (0, 1):
        frames = np.full((4, 16, 16, 3), 100 * number, np.uint8)
        (tmp_path / "videos").mkdir(exist_ok=True)
        np.savez(tmp_path / "videos" / f"{number}.npz", frames)
    options = GeneratorOptions(device="cuda", guidance_scale=2)
    own = UpsamplingOptions(every=3 if task == "interpolation" else None)
    videos = open_source(tmp_path / "videos")
    generator, requests = upsampling(folder, videos, options, own)
    requests = [replace(r, prompt=c) for r, c in zip(requests, CAPTIONS, strict=False)]
    shape = (10, 16, 16, 3) if task == "interpolation" else (4, 64, 64, 3)
    assert [video.shape for video in generator.generate(requests)] == [shape] * 2


def test_own_checkpoints_with_stored_texts(cuda: Machine, tmp_path: Path) -> None:
    folder = small_models.save_checkpoint(tmp_path / "model")
    stored = tmp_path / "embeddings"
    precompute_embeddings(CAPTIONS, load_text_encoder("shapes", "cuda"), stored)
    options = GeneratorOptions(device="cuda", embeddings=stored)
    generator = load_checkpoint(folder, options)
    assert len(generator.generate([Request(i, text) for i, text in enumerate(CAPTIONS)])) == 3


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("name", ["t5", "clip", "shapes"])
def test_text_encoders(cuda: Machine, tmp_path: Path, name: str, half: bool) -> None:
    makers = {"t5": text_models.save_tiny_t5, "clip": text_models.save_tiny_clip}
    spec = f"{name}:{makers[name](tmp_path / name)}" if name in makers else name
    encoder = load_text_encoder(spec, "cuda", half=half)
    embedding = encoder.encode(CAPTIONS)
    assert embedding.tokens.device.type == embedding.mask.device.type == "cuda"
    assert embedding.tokens.dtype == torch.float32
    made = precompute_embeddings(CAPTIONS, encoder, tmp_path / "stored")
    assert made == len(CAPTIONS)
    stored = load_text_encoder(spec, "cuda", embeddings=tmp_path / "stored").encode(CAPTIONS)
    assert stored.tokens.device.type == stored.mask.device.type == "cuda"


@pytest.mark.parametrize("kind", ["video", "image"])
def test_pipelines_of_diffusers(cuda: Machine, tmp_path: Path, kind: str) -> None:
    make = {
        "video": small_models.save_video_pipeline, "image": small_models.save_image_pipeline,
    }[kind]  # fmt: skip
    folder = make(tmp_path / "pipeline")
    steps = {"num_inference_steps": 2}
    call = {**steps, "num_frames": 4, "height": 16, "width": 16} if kind == "video" else steps
    generator = load_diffusers(f"diffusers:{folder}", device="cuda", options=call)
    prompts = ["a", "b"] if kind == "video" else [None, None]
    videos = generator.generate([Request(i, text) for i, text in enumerate(prompts)])
    assert len(videos) == 2


@pytest.mark.parametrize("kind", ["pixels", "latents", "own", "own with text"])
def test_the_probe(cuda: Machine, tmp_path: Path, kind: str) -> None:
    if kind.startswith("own"):
        spec = str(own_models.save_image_model(tmp_path / "own", text="text" in kind))
    else:
        make = {
            "pixels": small_pipelines.pixel_pipeline, "latents": small_pipelines.latent_pipeline,
        }[kind]  # fmt: skip
        spec = f"{DIFFUSERS}{make(tmp_path / kind)}"
    model = open_image_model(spec, device="cuda")
    walk = InversionSettings(model, num_steps=2, batch_size=2)
    prompt = CAPTIONS[0] if kind in ("latents", "own with text") else None
    frames = torch.zeros(3, 3, 16, 16)
    maps = invert_frames(frames, walk, prompt=prompt)
    assert maps.device.type == "cpu"
    assert np.isfinite(round_trip(frames[:1], walk, prompt=prompt).power)


def test_the_first_stage(cuda: Machine, tmp_path: Path) -> None:
    from pyoco_eval.models.first_stage import open_first_stage

    folder = small_vaes.save_vae(tmp_path / "vae")
    stage = open_first_stage(str(folder), "cuda", "vae")
    latents = stage.encode(torch.zeros(3, 3, 16, 16))
    assert latents.device.type == "cuda"
    assert stage.decode(latents[None].double()).shape == (1, 3, 3, 16, 16)
