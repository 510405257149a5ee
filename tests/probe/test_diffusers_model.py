"""Diffusers pipelines: their own sampler gives the same images, and their faults are not taken."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("diffusers")
import diffusers
from gaussian_model import IdealDenoiser
from small_pipelines import latent_pipeline, pixel_pipeline

from pyoco_eval.diffusion.inversion import invert
from pyoco_eval.diffusion.samplers.ddim import ddim
from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.probe.image_model import ImageModel
from pyoco_eval.probe.invert import InversionSettings, invert_frames, round_trip
from pyoco_eval.probe.open import open_image_model


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pipelines")
    return {
        "pixels": pixel_pipeline(root / "pixels"),
        "latents": latent_pipeline(root / "latents"),
        "v": latent_pipeline(root / "v", prediction="v_prediction"),
    }


def opened(folder: Path) -> ImageModel:
    return open_image_model(f"diffusers:{folder}")


def pictures(count: int, size: int = 16) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def levels(scheduler: Any, timesteps: torch.Tensor) -> torch.Tensor:
    alphas = scheduler.alphas_cumprod.double()[timesteps]
    return torch.cat([((1 - alphas) / alphas).sqrt(), torch.zeros(1, dtype=torch.float64)])


@pytest.mark.parametrize("name", ["pixels", "latents", "v"])
def test_sampling_equals_diffusers_own_ddim(folders: dict[str, Path], name: str) -> None:
    """DDIM is Euler's method in sigma; at trained levels both must walk the same path."""
    model = opened(folders[name])
    config = json.loads((folders[name] / "scheduler" / "scheduler_config.json").read_text())
    scheduler = diffusers.DDIMScheduler.from_config(
        {key: value for key, value in config.items() if not key.startswith("_")}
        | {"clip_sample": False, "set_alpha_to_one": True, "timestep_spacing": "trailing"}
    )
    scheduler.set_timesteps(10)
    shape = (2, 3, 16, 16) if name == "pixels" else (2, 4, 8, 8)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    cond = model.condition("a cat" if name != "pixels" else None, 2)
    kind = diffusers.UNet2DModel if name == "pixels" else diffusers.UNet2DConditionModel
    unet = kind.from_pretrained(folders[name] / "unet").eval()
    state = noise
    with torch.no_grad():
        for timestep in scheduler.timesteps:
            words = [] if cond is None else [cond.text["prompt"].tokens]
            state = scheduler.step(
                unet(state, timestep, *words).sample, timestep, state
            ).prev_sample
    sigmas = levels(scheduler, scheduler.timesteps)
    start = noise.double() * math.sqrt(1 + sigmas[0] ** 2) / sigmas[0]
    found = ddim(model.denoiser, start[:, None], sigmas, cond=cond)[:, 0]
    torch.testing.assert_close(found.float(), state, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("name", ["pixels", "latents", "v"])
def test_frames_go_to_noise_and_back(folders: dict[str, Path], name: str) -> None:
    """A random network pushes far away from pictures and back; more steps must bring them closer.

    One whose output is nearly 0 does not push, and must bring them back at once.
    """
    model = opened(folders[name])
    maps = invert_frames(pictures(2), InversionSettings(model, num_steps=4))
    assert maps.shape == ((2, 3, 16, 16) if name == "pixels" else (2, 4, 8, 8))
    assert maps.dtype == torch.float64
    errors = round_trip(pictures(2), InversionSettings(model, num_steps=8)).relative_error()
    assert errors[3] < errors[1] < errors[0]
    last = model.denoiser.network._unet.conv_out  # type: ignore[attr-defined]
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.mul_(1e-4)
    trip = round_trip(pictures(2), InversionSettings(model, num_steps=8))
    assert trip.relative_error()[3] < 0.01
    assert trip.psnr()[3] > 40


def test_the_prompt_reaches_the_network(folders: dict[str, Path]) -> None:
    walk = InversionSettings(opened(folders["latents"]), num_steps=4)
    plain, empty, cat = (
        invert_frames(pictures(2), walk, prompt=text) for text in (None, "", "a cat")
    )
    assert torch.equal(plain, empty)
    assert not torch.equal(plain, cat)


def test_what_kind_of_model_it_is(folders: dict[str, Path]) -> None:
    pixels, latents = opened(folders["pixels"]), opened(folders["latents"])
    assert (pixels.size, latents.size) == (16, 16)
    assert (pixels.latent, latents.latent) == (False, True)
    betas = torch.linspace(1e-4, 0.02, 1000)
    alpha = float(torch.cumprod(1 - betas, 0)[-1])
    assert pixels.sigma_max == pytest.approx(math.sqrt((1 - alpha) / alpha), rel=1e-4)
    assert pixels.name.startswith("diffusers-unet2dmodel@")
    assert pixels.name != latents.name
    assert opened(folders["pixels"]).digest == pixels.digest
    with pytest.raises(UsageError, match="takes no text"):
        pixels.condition("a cat", 1)


def test_zero_terminal_snr_keeps_the_noisiest_finite_level(tmp_path: Path) -> None:
    scheduler = diffusers.DDPMScheduler(rescale_betas_zero_snr=True, prediction_type="v_prediction")
    model = opened(pixel_pipeline(tmp_path / "zero", scheduler=scheduler))
    assert math.isfinite(model.sigma_max)
    assert torch.isfinite(invert_frames(pictures(1), InversionSettings(model, num_steps=4))).all()


def test_a_learned_variance_is_left_out(tmp_path: Path) -> None:
    model = opened(pixel_pipeline(tmp_path / "learned", out_channels=6))
    assert invert_frames(pictures(1), InversionSettings(model, num_steps=3)).shape == (1, 3, 16, 16)


def test_an_old_pipeline_has_everything_in_one_folder(
    tmp_path: Path, folders: dict[str, Path]
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    for path in folders["pixels"].rglob("*.*"):
        (old / path.name).write_bytes(path.read_bytes())
    maps = [invert_frames(pictures(1), InversionSettings(opened(f), num_steps=3)) for f in
            (old, folders["pixels"])]  # fmt: skip
    assert torch.equal(*maps)


def edited(folder: Path, copy: Path, file: str, **changes: object) -> Path:
    for path in folder.rglob("*.*"):
        target = copy / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    config = json.loads((copy / file).read_text())
    config.update(changes)
    (copy / file).write_text(json.dumps(config))
    return copy


def test_what_cannot_be_inverted_is_refused(tmp_path: Path, folders: dict[str, Path]) -> None:
    source = folders["pixels"]
    classes = edited(source, tmp_path / "classes", "unet/config.json", num_class_embeds=10)
    with pytest.raises(PyocoEvalError, match=r"lack 1 tensors, such as class_embedding"):
        opened(classes)
    labelled = pixel_pipeline(tmp_path / "labelled", num_class_embeds=10)
    with pytest.raises(UsageError, match=r"more than a prompt \(num_class_embeds=10\)"):
        opened(labelled)
    index = edited(source, tmp_path / "dit", "model_index.json", unet=["diffusers", "DiT"])
    with pytest.raises(UsageError, match="its network is DiT"):
        opened(index)
    flow = tmp_path / "flow"
    edited(source, flow, "model_index.json")
    (flow / "scheduler" / "scheduler_config.json").write_text(
        json.dumps({"_class_name": "FlowMatchEulerDiscreteScheduler"})
    )
    with pytest.raises(UsageError, match="states no betas"):
        opened(flow)
    pickled = edited(source, tmp_path / "pickled", "model_index.json")
    weights = pickled / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(PyocoEvalError, match="safetensors"):
        opened(pickled)
    with pytest.raises(MissingError, match="no folder"):
        opened(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="write diffusers:"):
        open_image_model(str(source))


class _Gaussian:
    """The ideal epsilon network of images of variance v, and the exact noise of an image."""

    def __init__(self, scheduler: Any) -> None:
        self.variance = torch.logspace(-2, 0, 192, dtype=torch.float64).view(1, 3, 8, 8)
        self.alphas = scheduler.alphas_cumprod.double()
        self.sigmas = ((1 - self.alphas) / self.alphas).sqrt()

    def epsilon(self, y: torch.Tensor, timestep: int) -> torch.Tensor:
        alpha = self.alphas[timestep]
        return (1 - alpha).sqrt() * y / (alpha * self.variance + 1 - alpha)

    def exact(self, x: torch.Tensor) -> torch.Tensor:
        """Of variance 1, at sigma_max, in variance-preserving scale."""
        top = self.sigmas[-1]
        return x * ((self.variance + top**2) / self.variance / (1 + top**2)).sqrt()


def existing_inversion(x: torch.Tensor, ideal: _Gaussian, num_steps: int, **settings: Any) -> Any:
    scheduler = diffusers.DDIMInverseScheduler(**settings)
    scheduler.set_timesteps(num_steps)
    state = x
    for timestep in scheduler.timesteps:
        state = scheduler.step(
            ideal.epsilon(state, int(timestep)), int(timestep), state
        ).prev_sample
    return state


def test_the_faults_of_an_existing_inversion_are_real() -> None:
    """Gaussian images, whose noise is known: more steps do not help what clamps, and help ours.

    docs/probe.md quotes these errors.
    """
    ideal = _Gaussian(diffusers.DDIMInverseScheduler())
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8, 3, 8, 8, generator=generator, dtype=torch.float64) * ideal.variance.sqrt()
    low, high = float(ideal.sigmas[0]), float(ideal.sigmas[-1])

    def ours(solver: str, num_steps: int) -> torch.Tensor:
        sampler = SamplerSpec(solver, num_steps, sigma_min=low, sigma_max=high)
        raised = invert(IdealDenoiser(ideal.variance[0]), x[:, None], sampler)[:, 0]
        return raised * high / math.sqrt(1 + high**2)

    def error(found: torch.Tensor) -> float:
        return float((found - ideal.exact(x)).norm() / ideal.exact(x).norm())

    found = {
        calls: (
            error(existing_inversion(x, ideal, calls)),
            error(existing_inversion(x, ideal, calls, clip_sample=False)),
            error(ours("ddim", calls + 1)),
            error(ours("heun", calls // 2 + 1)),
        )
        for calls in (50, 200)
    }
    np.testing.assert_allclose(found[50], (0.161, 0.089, 0.064, 0.028), atol=6e-4)
    np.testing.assert_allclose(found[200], (0.139, 0.021, 0.017, 0.0034), atol=6e-4)
