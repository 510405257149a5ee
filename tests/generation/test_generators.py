"""Each kind of generator on a small real model, saved and loaded."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import CAPTIONS, save_checkpoint, save_image_pipeline, save_video_pipeline

from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.generation.open import open_generator
from pyoco_eval.generation.request import GeneratorOptions, Request, VideoGenerator, make_requests
from pyoco_eval.generation.write import write_samples
from pyoco_eval.models.checkpoint import load_model
from pyoco_eval.models.text import load_text_encoder
from pyoco_eval.models.text.store import precompute_embeddings
from pyoco_eval.models.unet import VideoUNet
from pyoco_eval.priors import parse_prior
from pyoco_eval.seeding import torch_generator

DEPRECATED = "ignore:.*TextToVideoSDPipeline"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("classes"), num_classes=3, text=False)


@pytest.fixture(scope="module")
def video_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_video_pipeline(tmp_path_factory.mktemp("video"))


@pytest.fixture(scope="module")
def image_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_image_pipeline(tmp_path_factory.mktemp("image"))


def assert_independent(generator: VideoGenerator, requests: list[Request]) -> None:
    """Alone, together or in another order, a request gives the same bits; another seed others."""
    alone = [generator.generate([request])[0] for request in requests]
    together = generator.generate(requests)
    backwards = generator.generate(requests[::-1])[::-1]
    for one, two, three in zip(alone, together, backwards, strict=True):
        assert one.dtype == np.uint8
        assert np.array_equal(one, two)
        assert np.array_equal(one, three)
        assert one.std() > 5
    first, last = requests[0], requests[-1]
    other = Request(first.index, first.prompt, first.label, last.seed)
    assert not np.array_equal(generator.generate([other])[0], alone[0])


def test_a_checkpoint_samples_as_its_parts_do(checkpoint: Path) -> None:
    request = Request(0, CAPTIONS[0], seed=5)
    generator = open_generator(checkpoint, GeneratorOptions(guidance_scale=2))
    (found,) = generator.generate([request])

    model = load_model(checkpoint)
    draws = [torch_generator("sample", 5)]
    prior = parse_prior("progressive:alpha=2")
    noise = prior.sample((3, 16, 16), 4, draws, dtype=torch.float64)
    text = load_text_encoder("shapes").encode([CAPTIONS[0]])
    from pyoco_eval.diffusion.denoiser import Conditioning

    with torch.no_grad():
        x = SamplerSpec.parse("deis:order=2,num_steps=4").sample(
            model.denoiser, noise, cond=Conditioning({"shapes": text}), guidance_scale=2,
        )[0]  # fmt: skip
    expected = np.clip(np.round((x.permute(0, 2, 3, 1).numpy() + 1) * 127.5), 0, 255)
    assert np.array_equal(found, expected)


def test_a_checkpoint_states_its_recipe(checkpoint: Path) -> None:
    own = open_generator(checkpoint)
    assert own.fps == 8.0
    assert own.recipe["model"] == f"sha256:{load_model(checkpoint).sha256}"
    assert own.recipe["sampler"] == str(SamplerSpec.parse("deis:order=2,num_steps=4"))
    assert own.recipe["prior"] == "progressive:alpha=2"
    assert own.recipe["text:shapes"].startswith("shapes@sha256:")
    other = open_generator(
        checkpoint, GeneratorOptions(sampler="heun:num_steps=3", prior="mixed:alpha=1", fps=4)
    )
    assert other.fps == 4.0
    assert other.recipe["sampler"].startswith("heun:num_steps=3")
    assert other.recipe["prior"] == "mixed:alpha=1"


@pytest.mark.parametrize("sampler", ["deis:num_steps=3", "stochastic:num_steps=3"])
def test_a_checkpoint_gives_the_same_bits_in_any_batch(checkpoint: Path, sampler: str) -> None:
    generator = open_generator(checkpoint, GeneratorOptions(sampler=sampler, guidance_scale=1.5))
    assert_independent(generator, make_requests(5, prompts=CAPTIONS))


def test_threads_make_no_difference(checkpoint: Path) -> None:
    generator = open_generator(checkpoint, GeneratorOptions(sampler="ddim:num_steps=2"))
    requests = make_requests(1, prompts=CAPTIONS)
    before = torch.get_num_threads()
    found = set()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.add(b"".join(video.tobytes() for video in generator.generate(requests)))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert len(found) == 1


def test_sheets_of_batches_of_1_2_and_5_are_one(checkpoint: Path, tmp_path: Path) -> None:
    requests = make_requests(5, prompts=CAPTIONS)
    found = set()
    for size in (1, 2, 5):
        out = tmp_path / str(size)
        write_samples(open_generator(checkpoint), requests, out, batch_size=size)
        found.add(((out / "samples.png").read_bytes(), (out / "manifest.jsonl").read_bytes()))
    assert len(found) == 1


def test_prompts_and_classes_make_a_difference(checkpoint: Path, classes: Path) -> None:
    text = open_generator(checkpoint)
    prompts = [None, *CAPTIONS]
    videos = text.generate([Request(i, prompt, seed=1) for i, prompt in enumerate(prompts)])
    assert len({video.tobytes() for video in videos}) == len(prompts)
    labelled = open_generator(classes)
    requests = [Request(i, label=label, seed=1) for i, label in enumerate((None, 0, 1, 2))]
    labelled.check(requests)
    assert len({video.tobytes() for video in labelled.generate(requests)}) == 4


def test_stored_embeddings_stand_in_for_the_encoder(checkpoint: Path, tmp_path: Path) -> None:
    precompute_embeddings(CAPTIONS[:2], load_text_encoder("shapes"), tmp_path)
    stored = open_generator(checkpoint, GeneratorOptions(embeddings=tmp_path))
    own = open_generator(checkpoint)
    requests = make_requests(2, prompts=CAPTIONS)
    assert stored.recipe == own.recipe
    for one, two in zip(stored.generate(requests), own.generate(requests), strict=True):
        assert np.array_equal(one, two)
    with pytest.raises(MissingError, match="embed-text --encoder shapes"):
        stored.check(make_requests(3, prompts=CAPTIONS))


def test_what_a_checkpoint_cannot_be_asked(checkpoint: Path, classes: Path) -> None:
    with pytest.raises(UsageError, match="does not know the word 'elephant'"):
        open_generator(checkpoint).check([Request(0, "a small red elephant")])
    with pytest.raises(UsageError, match="takes no labels"):
        open_generator(checkpoint).check([Request(0, label=0)])
    with pytest.raises(UsageError, match="takes no text"):
        open_generator(classes).check([Request(0, CAPTIONS[0])])
    with pytest.raises(UsageError, match=r"label 3: .* knows labels 0 to 2"):
        open_generator(classes).check([Request(0, label=3)])
    with pytest.raises(UsageError, match=r"--set .* has no meaning"):
        open_generator(checkpoint, GeneratorOptions(call={"height": 8}))
    with pytest.raises(MissingError, match="there is no such folder"):
        open_generator("no/such/folder")


def test_a_network_of_a_cascade_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from pyoco_eval.models.checkpoint import ModelInfo, save_model

    info: ModelInfo = load_model(checkpoint).info
    config = replace(info.unet, known_frames=True)
    save_model(tmp_path, VideoUNet(config), replace(info, unet=config))
    with pytest.raises(UsageError, match="fills in frames between known ones"):
        open_generator(tmp_path)


@pytest.mark.filterwarnings(DEPRECATED)
def test_a_text_to_video_pipeline(video_pipeline: Path) -> None:
    options = GeneratorOptions(
        guidance_scale=3, num_frames=3, fps=5,
        call={"num_inference_steps": 2, "height": 16, "width": 16},
    )  # fmt: skip
    generator = open_generator(f"diffusers:{video_pipeline}", options)
    assert generator.fps == 5.0
    assert generator.recipe["pipeline"] == "TextToVideoSDPipeline"
    assert generator.recipe["guidance_scale"] == "3"
    requests = make_requests(3, prompts=["a cat", "a dog"])
    generator.check(requests)
    assert generator.generate(requests[:1])[0].shape == (3, 16, 16, 3)
    assert_independent(generator, requests)
    with pytest.raises(UsageError, match="TextToVideoSDPipeline needs a prompt"):
        generator.check(make_requests(1))


@pytest.mark.filterwarnings(DEPRECATED)
def test_frames_are_those_of_the_pipeline_itself(video_pipeline: Path) -> None:
    from diffusers import DiffusionPipeline

    steps = {"num_inference_steps": 2, "height": 16, "width": 16}
    generator = open_generator(f"diffusers:{video_pipeline}", GeneratorOptions(call=steps))
    (found,) = generator.generate([Request(0, "a cat", seed=3)])
    pipeline = DiffusionPipeline.from_pretrained(video_pipeline)
    seeded = torch.Generator().manual_seed(3)
    frames = pipeline("a cat", generator=seeded, output_type="np", **steps).frames[0]
    assert np.array_equal(found, (frames * 255).round().astype(np.uint8))


def test_an_image_pipeline_gives_videos_of_one_frame(image_pipeline: Path) -> None:
    options = GeneratorOptions(call={"num_inference_steps": 2})
    generator = open_generator(f"diffusers:{image_pipeline}", options)
    requests = make_requests(3)
    assert generator.generate(requests[:1])[0].shape == (1, 8, 8, 3)
    assert_independent(generator, requests)
    with pytest.raises(UsageError, match="DDPMPipeline takes no prompt"):
        generator.check(make_requests(1, prompts=["a cat"]))


def test_pipelines_that_cannot_be_used(image_pipeline: Path, tmp_path: Path) -> None:
    spec = f"diffusers:{image_pipeline}"
    with pytest.raises(UsageError, match=r"takes no num_frames; it takes num_inference_steps"):
        open_generator(spec, GeneratorOptions(num_frames=4))
    with pytest.raises(UsageError, match=r"--sampler ddim: has no meaning for diffusers:"):
        open_generator(spec, GeneratorOptions(sampler="ddim"))
    with pytest.raises(PyocoEvalError, match=r"has no model_index\.json"):
        open_generator(f"diffusers:{tmp_path}")
    with pytest.raises(MissingError, match="no folder /nowhere"):
        open_generator("diffusers:/nowhere")
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "NoSuchPipeline"}))
    with pytest.raises(PyocoEvalError, match="cannot be read as a pipeline"):
        open_generator(f"diffusers:{tmp_path}")


def test_a_pipeline_from_an_image_is_refused(image_pipeline: Path) -> None:
    from pyoco_eval.generation.diffusers_pipeline import DiffusersGenerator

    class FromImage:
        def __call__(self, image: object, generator: object = None) -> None: ...

    with pytest.raises(UsageError, match="FromImage takes image; only pipelines from text"):
        DiffusersGenerator(FromImage(), "diffusers:x", "sha256:0")


MODULE = """
import numpy as np

def generate(prompts, seeds):
    return [np.full((2, 8, 8, 3), seed % 256, np.uint8) for seed in seeds]
generate.fps = 12
generate.recipe = {"version": "3"}

def of_class(prompts, seeds, labels):
    return np.stack([np.full((2, 8, 8, 3), label, np.uint8) for label in labels])

def floats(prompts, seeds):
    return np.zeros((len(seeds), 2, 8, 8, 3))
"""


@pytest.fixture
def python_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_own_model.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_own_model", raising=False)
    return "python:my_own_model"


def test_a_python_callable(python_module: str) -> None:
    before = list(sys.path)
    generator = open_generator(f"{python_module}:generate")
    assert sys.path == before
    assert generator.fps == 12.0
    assert generator.recipe["generator"] == "python:my_own_model:generate"
    assert generator.recipe["version"] == "3"
    assert generator.recipe["model"].startswith("source-sha256:")
    found = generator.generate([Request(0, "a", seed=7), Request(1, "b", seed=8)])
    assert [video[0, 0, 0, 0] for video in found] == [7, 8]
    with pytest.raises(UsageError, match="takes no labels"):
        generator.check([Request(0, label=1)])
    labelled = open_generator(f"{python_module}:of_class", GeneratorOptions(fps=3))
    labelled.check([Request(0, label=1)])
    assert labelled.fps == 3.0
    assert [video.max() for video in labelled.generate([Request(0, label=9)])] == [9]


def test_callables_that_cannot_be_used(python_module: str) -> None:
    with pytest.raises(PyocoEvalError, match="returns float64 videos, whose range is not known"):
        open_generator(f"{python_module}:floats").generate([Request(0)])
    with pytest.raises(UsageError, match="has no callable absent"):
        open_generator(f"{python_module}:absent")
    with pytest.raises(MissingError, match="no_such_module cannot be imported"):
        open_generator("python:no_such_module:f")
    with pytest.raises(UsageError, match="write python:package"):
        open_generator("python:module")
    with pytest.raises(UsageError, match=r"--guidance-scale 3: has no meaning for python:"):
        open_generator(f"{python_module}:generate", GeneratorOptions(guidance_scale=3))


def test_a_compiled_network_makes_the_same_videos_and_is_signed(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from functools import partialmethod

    real = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", partialmethod(real, backend="eager"))
    requests = make_requests(2, prompts=CAPTIONS[:1])
    plain = open_generator(str(checkpoint), GeneratorOptions())
    compiled = open_generator(str(checkpoint), GeneratorOptions(compile=True))
    for one, two in zip(plain.generate(requests), compiled.generate(requests), strict=True):
        assert np.array_equal(one, two)
    assert "compile" not in plain.recipe
    assert compiled.recipe["compile"] == "on"


def test_other_generators_are_not_compiled(video_pipeline: Path) -> None:
    for spec in (f"diffusers:{video_pipeline}", "python:nothing"):
        with pytest.raises(UsageError, match="--compile True: has no meaning"):
            open_generator(spec, GeneratorOptions(compile=True))
