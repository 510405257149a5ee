"""Measure the noise of videos, train with it, sample with it: four commands, one after another."""

from pathlib import Path

import yaml
from click.testing import CliRunner
from own_models import save_image_model

from pyoco_eval.cli.invert_noise import command as invert_noise
from pyoco_eval.cli.sample import command as sample
from pyoco_eval.cli.shapes import command as shapes
from pyoco_eval.cli.train import command as train
from pyoco_eval.models.checkpoint import load_model
from pyoco_eval.priors import parse_prior


def run(command: object, *arguments: object) -> None:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])  # type: ignore[arg-type]
    if result.exception is not None:
        raise result.exception


def test_a_measured_prior_trains_and_samples_a_video_model(tmp_path: Path) -> None:
    model, clips, probe = (tmp_path / name for name in ("model", "clips", "probe"))
    save_image_model(model)
    run(shapes, "--out", clips, "--num", 4, "--size", 16, "--num-frames", 3, "--format", "npz")
    run(invert_noise, "--model", model, "--videos", clips, "--out", probe, "--no-figures",
        "--num-frames", 3, "--num-steps", 3, "--check-videos", 1)  # fmt: skip
    config = {
        "out": str(tmp_path / "run"), "steps": 1, "batch": 1, "init": str(model),
        "prior": f"empirical:{probe / 'noise-prior.npz'}",
        "data": {"source": "shapes", "size": 16, "num_frames": 3},
        "hardware": {"device": "cpu", "workers": 0}, "log": {"samples_every": 0},
    }  # fmt: skip
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    run(train, tmp_path / "config.yaml")
    (probe / "noise-prior.npz").unlink()  # the model keeps its own copy
    run(sample, "--ckpt", tmp_path / "run", "--num", 1, "--sampler", "ddim:num_steps=2",
        "--out", tmp_path / "made", "--format", "npz")  # fmt: skip
    info = load_model(tmp_path / "run").info
    prior = parse_prior(info.prior, folder=tmp_path / "run" / "model")
    assert prior.spec == info.prior
    assert prior.frame_covariance(3).shape == (3, 3)
    assert len(list((tmp_path / "made").glob("*.npz"))) == 1
