"""Exported models in diffusers: the parts load, and the whole makes the same videos."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

pytest.importorskip("diffusers")
import diffusers

from pyoco_eval.cli.export import command as export
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.generation.export import export_pipeline
from pyoco_eval.generation.open import GeneratorOptions, open_generator
from pyoco_eval.generation.request import make_requests
from pyoco_eval.models.checkpoint import load_model
from pyoco_eval.models.motion_unet import spatial_state
from pyoco_eval.priors import parse_prior
from pyoco_eval.seeding import torch_generator
from pyoco_eval.training.run import train

for folder in ("probe", "training"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))
from small_pipelines import latent_pipeline  # noqa: E402
from small_runs import small_config  # noqa: E402


def finetuned(root: Path, prediction: str, **changes: Any) -> Path:
    """A run of temporal layers that do something, and spatial ones that moved."""
    pipeline = latent_pipeline(root / "pipeline", prediction=prediction)
    settings: dict[str, Any] = {
        "steps": 2,
        "batch": 1,
        "prior": "progressive:alpha=2",
        "model": {"diffusers": str(pipeline), "overrides": {"heads": 4}},
        "data": {"source": "shapes", "size": 16, "num_frames": 3},
        "condition": {},
        "optimizer": {"lr": 1e-2, "temporal_lr": 0.2, "warmup_steps": 0},
        "ema": {"halflife_samples": 0.1},
    }
    config = small_config(root / "run", **settings | changes)
    train(config)
    return Path(config.out)


@pytest.fixture(scope="module", params=["epsilon", "v_prediction"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finetuned(tmp_path_factory.mktemp("export"), request.param)


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    out = run.parent / "exported"
    result = CliRunner().invoke(export, [str(run), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "AnimateDiffPipeline" in result.output
    return out


def test_each_part_loads_by_itself(run: Path, exported: Path) -> None:
    state = load_model(run).network.state_dict()
    unet = diffusers.UNet2DConditionModel.from_pretrained(exported / "unet")
    for name, tensor in spatial_state(state).items():
        assert torch.equal(unet.state_dict()[name], tensor), name
    adapter = diffusers.MotionAdapter.from_pretrained(exported / "motion_adapter")
    motion = {n.removeprefix("unet."): t for n, t in state.items() if "motion_modules" in n}
    assert motion
    for name, tensor in motion.items():
        assert torch.equal(adapter.state_dict()[name], tensor), name
    images = diffusers.StableDiffusionPipeline.from_pretrained(
        exported, safety_checker=None, requires_safety_checker=False
    )
    assert isinstance(images.unet, diffusers.UNet2DConditionModel)
    assert json.loads((exported / "noise.json").read_text())["prior"] == "progressive:alpha=2"


def test_diffusers_makes_the_videos_of_our_own_sampler(run: Path, exported: Path) -> None:
    """AnimateDiffPipeline, started from the prior's noise, against the model at equal levels."""
    from pyoco_eval.diffusion.denoiser import Conditioning
    from pyoco_eval.diffusion.samplers.spec import SamplerSpec
    from pyoco_eval.models.first_stage import find_first_stage
    from pyoco_eval.models.text import load_text_encoder

    described = json.loads((exported / "noise.json").read_text())
    prior = parse_prior(described["prior"], folder=exported)
    noise = prior.sample((4, 8, 8), described["num_frames"], [torch_generator("sample", 7)])
    pipeline = diffusers.AnimateDiffPipeline.from_pretrained(exported)
    pipeline.set_progress_bar_config(disable=True)
    found = pipeline(
        "a red dog", num_frames=3, height=16, width=16, num_inference_steps=5, guidance_scale=3.0,
        latents=noise.transpose(1, 2), output_type="np",
    ).frames[0]  # fmt: skip

    model = load_model(run)
    alphas = pipeline.scheduler.alphas_cumprod.double()[pipeline.scheduler.timesteps]
    sigmas = torch.cat([((1 - alphas) / alphas).sqrt(), torch.zeros(1).double()])
    # diffusers takes the noise for all of the noisiest level. It is nearly that.
    start = noise.double() * float((1 + sigmas[0] ** 2).sqrt() / sigmas[0])
    encoder = load_text_encoder(model.info.text_encoders[0])
    cond = Conditioning({"prompt": encoder.encode(["a red dog"])})
    with torch.no_grad():
        latents = SamplerSpec.parse("ddim").walk(
            model.denoiser, start, sigmas, cond=cond, guidance_scale=3.0, on_step=None
        )
        assert model.info.latent is not None
        frames = find_first_stage(model.info.latent, model.folder, "cpu").decode(latents)[0]
    expected = ((frames + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    assert np.abs(found - expected).max() < 2e-4
    assert np.ptp(expected) > 0.1


def test_samples_start_from_the_prior_of_the_training(exported: Path) -> None:
    generator = open_generator(
        f"diffusers:{exported}", GeneratorOptions(call={"num_inference_steps": 2})
    )
    assert generator.recipe["prior"] == "progressive:alpha=2"
    (request,) = make_requests(1, prompts=["a red dog"], seed=5)
    (found,) = generator.generate([request])
    described = json.loads((exported / "noise.json").read_text())
    prior = parse_prior(described["prior"], folder=exported)
    own = torch.Generator().manual_seed(request.seed)
    pipeline = diffusers.AnimateDiffPipeline.from_pretrained(exported)
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        "a red dog", num_frames=3, height=16, width=16, num_inference_steps=2,
        latents=prior.sample((4, 8, 8), 3, [own]).transpose(1, 2), output_type="np",
    ).frames[0]  # fmt: skip
    assert np.array_equal(found, (expected * 255).round().astype(np.uint8))


def test_another_prior_gives_other_videos_and_says_so(exported: Path) -> None:
    made = {}
    for prior in ("independent", "progressive:alpha=2", "progressive:alpha=inf"):
        options = GeneratorOptions(prior=prior, call={"num_inference_steps": 1})
        generator = open_generator(f"diffusers:{exported}", options)
        assert generator.recipe["prior"] == prior
        (made[prior],) = generator.generate(make_requests(1, prompts=["a red dog"], seed=5))
    assert not np.array_equal(made["independent"], made["progressive:alpha=2"])


def test_a_pipeline_that_takes_no_noise_refuses_a_prior(tmp_path: Path) -> None:
    place = latent_pipeline(tmp_path / "images", prediction="epsilon")
    with pytest.raises(UsageError, match=r"--prior independent: .* draws its noise itself"):
        open_generator(f"diffusers:{place}", GeneratorOptions(prior="independent"))


def test_the_example_of_the_page_runs(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands, but for the downscale of the small VAE and the number of steps."""
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    example = page.split("**In diffusers.**")[1].split("```python\n")[1].split("```")[0]
    for told, here in (("// 8", "// 2"), ("num_inference_steps=50", "num_inference_steps=2")):
        assert told in example
        example = example.replace(told, here)
    monkeypatch.chdir(exported.parent)
    found: dict[str, Any] = {}
    exec(example, found)
    assert [frame.size for frame in found["video"]] == [(16, 16)] * 3


def test_temporal_layers_matter_in_what_was_exported(exported: Path) -> None:
    """The same noise in every frame gives the same frames only without temporal layers."""
    pipeline = diffusers.AnimateDiffPipeline.from_pretrained(exported)
    pipeline.set_progress_bar_config(disable=True)
    one = torch.randn(1, 4, 1, 8, 8, generator=torch.Generator().manual_seed(0))

    def made() -> Any:
        return pipeline(
            "x", num_frames=3, height=16, width=16, num_inference_steps=2, guidance_scale=1.0,
            latents=one.expand(-1, -1, 3, -1, -1), output_type="np",
        ).frames[0]  # fmt: skip

    assert np.abs(np.diff(made(), axis=0)).max() > 1e-4
    for name, parameter in pipeline.unet.named_parameters():
        if "motion_modules" in name and "proj_out" in name:
            torch.nn.init.zeros_(parameter)
    assert np.abs(np.diff(made(), axis=0)).max() < 1e-5


def test_the_export_is_sampled_as_any_pipeline(exported: Path) -> None:
    options = GeneratorOptions(num_frames=3, size=16, call={"num_inference_steps": 2})
    generator = open_generator(f"diffusers:{exported}", options)
    (video,) = generator.generate(make_requests(1, prompts=["a cat"]))
    assert video.shape == (3, 16, 16, 3)


def test_an_export_can_be_finetuned_on_without_its_pipeline(tmp_path: Path) -> None:
    """Its folder is a pipeline like another: spatial layers start from it."""
    out = finetuned(tmp_path, "epsilon", condition={"encoders": []})
    export_pipeline(out / "checkpoints" / "step-00000002", tmp_path / "exported")
    config = small_config(
        tmp_path / "more", steps=1, model={"diffusers": str(tmp_path / "exported"),
        "overrides": {"heads": 2}}, data={"source": "shapes", "size": 16, "num_frames": 2},
        condition={},
    )  # fmt: skip
    train(config)
    spatial = spatial_state(load_model(Path(config.out)).network.state_dict())
    assert spatial.keys() == spatial_state(load_model(out).network.state_dict()).keys()


def test_an_export_that_was_killed_is_whole_after_the_next(
    run: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "pipeline"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pyoco_eval.generation.export._write_noise", killed)
        patch.setattr("pyoco_eval.generation.export.shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            export_pipeline(run, out)
    assert [path.name for path in tmp_path.iterdir()] == [".pipeline.part"]
    export_pipeline(run, out)

    def files(folder: Path) -> dict[str, bytes]:
        found = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in found}

    assert files(out) == files(exported)
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline"]
    before = (out / "noise.json").stat().st_mtime_ns
    export_pipeline(run, out)  # killed after the last moment
    assert (out / "noise.json").stat().st_mtime_ns == before


def test_what_cannot_be_exported_says_why(tmp_path: Path) -> None:
    own = small_config(tmp_path / "own", steps=1)
    train(own)
    with pytest.raises(UsageError, match="diffusers has no such class"):
        export_pipeline(Path(own.out), tmp_path / "out")
    run = finetuned(tmp_path, "epsilon")
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="is there already"):
        export_pipeline(run, tmp_path / "there")
    weights = tmp_path / "pipeline" / "text_encoder" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(PyocoEvalError, match="was trained with a text encoder of sha256"):
        export_pipeline(run, tmp_path / "out")
    shutil.rmtree(tmp_path / "pipeline")
    with pytest.raises(MissingError, match="vae"):
        export_pipeline(run, tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))
