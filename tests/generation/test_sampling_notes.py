"""What is unusual about samples is said, and kept with them."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_models import save_checkpoint

from pyoco_eval.cli.main import cli
from pyoco_eval.generation.open import open_generator
from pyoco_eval.models.checkpoint import ModelInfo
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.sampling_notes import sampling_notes
from pyoco_eval.priors import parse_prior

INFO = ModelInfo(PRESETS["test"], "video", 8, 8.0, (16, 16), prior="progressive:alpha=2")


def noted(
    info: ModelInfo = INFO, prior: str = INFO.prior, frames: int = 8, scale: float = 1
) -> str:
    return "; ".join(sampling_notes(info, parse_prior(prior), frames, scale))


def test_samples_as_trained_need_no_note() -> None:
    assert noted() == ""
    assert noted(frames=4) == ""
    assert noted(scale=4) == "", "the share of an older model is not known"
    assert noted(replace(INFO, provenance={"unconditional_share": 0.1}), scale=4) == ""


def test_more_frames_than_trained() -> None:
    assert "12 frames are asked for, the model was trained on 8" in noted(frames=12)


def test_another_prior() -> None:
    found = noted(prior="independent")
    assert found == "the noise is independent, the model was trained with progressive:alpha=2"
    assert noted(prior="independent", frames=1) == "", "one frame has but one kind of noise"


@pytest.mark.parametrize("prior", ["progressive:alpha=inf", "mixed:alpha=inf"])
def test_frozen_noise(prior: str) -> None:
    assert "samples are pictures that stand still" in noted(replace(INFO, prior=prior), prior)
    assert not math.isfinite(parse_prior(prior).alpha)  # type: ignore[attr-defined]


def test_guidance_of_a_model_that_never_saw_nothing() -> None:
    info = replace(INFO, provenance={"unconditional_share": 0.01})
    assert "guidance 4 leans on" in noted(info, scale=4)
    assert "1.00% of its training samples had neither" in noted(info, scale=4)
    assert noted(info) == ""


def test_notes_go_where_the_samples_go(tmp_path: Path) -> None:
    folder = str(save_checkpoint(tmp_path / "model", text=False))
    out = tmp_path / "out"
    arguments = ["sample", "--ckpt", folder, "--num-frames", "6", "--out", str(out)]
    shown = CliRunner().invoke(cli, [*arguments, "--format", "npz"])
    assert shown.exit_code == 0, shown.output
    assert "note: 6 frames are asked for" in shown.stderr
    assert "6 frames are asked for" in (out / "recipe.json").read_text()
    assert "notes" not in open_generator(folder).recipe
