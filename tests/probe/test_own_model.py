"""Image models of this package in the probe."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from own_models import save_image_model

from pyoco_eval.diffusion.denoiser import Conditioning
from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.models.checkpoint import ModelInfo, save_model
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import VideoUNet
from pyoco_eval.probe.invert import InversionSettings, invert_frames
from pyoco_eval.probe.noise_store import describe_maps
from pyoco_eval.probe.open import open_image_model


def pictures(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_maps_are_those_of_inverting_by_hand(tmp_path: Path) -> None:
    model = open_image_model(str(save_image_model(tmp_path / "model")))
    assert (model.size, model.latent, model.sigma_max) == (16, False, 80)
    found = invert_frames(pictures(2), InversionSettings(model, "ddim", 6))
    x = pictures(2).double()[:, None]
    sigmas = InversionSettings(model, "ddim", 6).sampler().sigmas()[:-1].flip(0)
    for low, high in pairwise(sigmas):
        with torch.no_grad():
            denoised = model.denoiser(x, low.expand(2))
        x = x + (x - denoised) / low * (high - low)
    torch.testing.assert_close(found, x[:, 0] / 80, rtol=1e-5, atol=1e-5)


def test_a_training_run_is_a_model_too(tmp_path: Path) -> None:
    save_image_model(tmp_path / "run" / "model")
    run, own = (open_image_model(str(tmp_path / "run" / part)) for part in ("", "model"))
    assert run.digest == own.digest
    assert run.name == f"own-16px@{run.digest[:8]}"


def test_prompts_reach_a_model_that_reads_text(tmp_path: Path) -> None:
    model = open_image_model(str(save_image_model(tmp_path, text=True)))
    told = model.condition("a small red circle slides left slowly over plain navy", 2)
    assert isinstance(told, Conditioning)
    assert told.text["shapes"].tokens.shape[0] == 2
    assert model.condition(None, 2) is None, "the network drops the text itself"
    with torch.no_grad():
        x, sigma = pictures(2).double()[:, None], torch.ones(2, dtype=torch.float64)
        one, two = (model.denoiser(x, sigma, cond) for cond in (told, None))
    assert not torch.equal(one, two)


def test_a_model_without_text_takes_no_prompt(tmp_path: Path) -> None:
    model = open_image_model(str(save_image_model(tmp_path)))
    assert model.condition(None, 3) is None
    with pytest.raises(UsageError, match="takes no text"):
        model.condition("a cat", 1)


def test_models_of_videos_are_refused(tmp_path: Path) -> None:
    unet = replace(PRESETS["test"], text=())
    info = ModelInfo(unet=unet, kind="video", num_frames=4, fps=8, size=(16, 16))
    save_model(tmp_path / "video", VideoUNet(unet), info)
    with pytest.raises(UsageError, match="is a model of videos"):
        open_image_model(str(tmp_path / "video"))
    save_image_model(tmp_path / "oblong", size=(16, 24))
    oblong = open_image_model(str(tmp_path / "oblong"))
    assert (oblong.size, oblong.name[:10]) == ((16, 24), "own-16x24p")
    with pytest.raises(MissingError):
        open_image_model(str(tmp_path / "nothing"))


def test_a_network_without_training_leaves_the_frame_in_its_map(tmp_path: Path) -> None:
    """Its output is 0, so the denoiser only scales: the similarity to the own frame is 1."""
    unet = replace(PRESETS["test"].image(), text=())
    info = ModelInfo(unet=unet, kind="image", num_frames=1, fps=8, size=(16, 16))
    save_model(tmp_path, VideoUNet(unet), info)
    maps = invert_frames(pictures(2), InversionSettings(open_image_model(str(tmp_path)), "ddim", 6))
    assert describe_maps(maps.numpy(), pictures(2).numpy())["alignment"] == pytest.approx(1)
