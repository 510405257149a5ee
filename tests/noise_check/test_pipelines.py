"""The noise of diffusers pipelines, from their `prepare_latents`."""

import sys
from pathlib import Path

import pytest
import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.noise_check.check import check_prior
from pyoco_eval.noise_check.sources import Shape

sys.path.append(str(Path(__file__).parents[1] / "generation"))
from small_models import save_image_pipeline, save_video_pipeline

diffusers = pytest.importorskip("diffusers")
SHAPE = Shape(num_frames=4, channels=4, size=16, num_samples=16)


def test_a_pipeline_in_a_folder(tmp_path: Path) -> None:
    folder = save_video_pipeline(tmp_path / "pipeline")
    found = check_prior(f"diffusers:{folder}", against="independent", shape=SHAPE)
    assert found.right, found.verdict
    assert len(found.measurement.variance) == 4
    against = check_prior(f"diffusers:{folder}", against="mixed:alpha=1", shape=SHAPE)
    assert against.diagnosis == "other-prior"
    assert "independent" in against.verdict


def test_a_pipeline_that_repeats_one_frame(tmp_path: Path) -> None:
    pipeline = diffusers.DiffusionPipeline.from_pretrained(save_video_pipeline(tmp_path / "p"))

    def repeated(batch_size, num_channels_latents, num_frames, height, width, dtype, device,
                 generator, latents=None):  # fmt: skip
        scale = pipeline.vae_scale_factor
        shape = (batch_size, num_channels_latents, 1, height // scale, width // scale)
        noise = torch.randn(shape, generator=generator, dtype=dtype, device=device)
        return noise.repeat(1, 1, num_frames, 1, 1) * pipeline.scheduler.init_noise_sigma

    pipeline.prepare_latents = repeated
    found = check_prior(pipeline, against="mixed:alpha=1", shape=SHAPE)
    assert found.diagnosis == "frozen", found.verdict


def test_a_pipeline_of_pictures(tmp_path: Path) -> None:
    folder = save_image_pipeline(tmp_path / "pictures")
    with pytest.raises(UsageError, match="prepare_latents"):
        check_prior(f"diffusers:{folder}")
