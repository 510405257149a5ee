"""`train-cascade`, `experts`, and `sample` of cascades, as users type them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from pyoco_eval.cli.main import cli
from pyoco_eval.errors import UsageError

sys.path.append(str(Path(__file__).parents[1] / "generation"))
from cascade_models import save_cascade, save_expert, save_stages

PLAN = {
    "format": "pyoco-eval cascade training 1",
    "out": "run",
    "shared": {
        "batch": 2,
        "model": {"preset": "test"},
        "data": {"source": "shapes", "size": 16, "num_frames": 3},
        "hardware": {"device": "cpu", "workers": 0},
        "log": {"every": 1, "samples_every": 0, "sampler": "deis:order=1,num_steps=2"},
    },
    "stages": {
        "image": {"sample": None, "train": {"steps": 1, "data": {"num_frames": 1}}},
        "base": {"train": {"steps": 2, "init": "image"}, "experts": {"steps": 1}},
        "between": {
            "train": {
                "steps": 1,
                "model": {"overrides": {"known_frames": True}},
                "data": {"num_frames": 5},
                "condition": {"known_every": 2, "known_random": 0.5},
            },
        },
    },
    "cascades": {"cascade": [], "config-b": ["base"]},
}


def call(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def plan(folder: Path, **changes: object) -> Path:
    path = folder / "plan.yaml"
    path.write_text(
        yaml.safe_dump({**PLAN, "out": str(folder / "run"), **changes}, sort_keys=False)
    )
    return path


def test_one_command_trains_all_stages_and_the_next_samples_them(tmp_path: Path) -> None:
    path = plan(tmp_path)
    checked = call("train-cascade", path, "--check")
    assert "2/5  base: 2 steps of 3 x 16 x 16" in checked.output, checked.output
    assert not (tmp_path / "run").exists()
    trained = call("train-cascade", path)
    assert trained.exit_code == 0, trained.output
    assert "base-expert-1: 1 steps" in trained.output
    again = call("train-cascade", path)
    assert again.exit_code == 0, again.output
    for name, frames in (("cascade", 3), ("config-b", 5)):
        out = tmp_path / name
        words = ["--until", "base"] if name == "cascade" else []
        made = call("sample", "--ckpt", tmp_path / "run" / f"{name}.yaml", "--num", 1, "--out", out,
                    "--format", "npz", *words)  # fmt: skip
        assert made.exit_code == 0, made.output
        assert f"1 videos of {'base' if words else 'between'} in {out}" in made.output
        video = np.load(out / "000000.npz")["frames"]
        assert len(video) == frames
    planned = call("sample", "--ckpt", tmp_path / "run" / "cascade.yaml", "--dry-run")
    assert "5x16x16" in planned.output, planned.output


def test_a_plan_is_checked_whole_before_anything_is_trained(tmp_path: Path) -> None:
    for change, message in (
        ({"stages": {"base": {"train": {"stepz": 1}}}, "cascades": {"a": []}}, "mean 'steps'"),
        (
            {"stages": {"base": {"train": {"init": "top"}}, "top": {"train": {}}}, "cascades": {}},
            "top is no stage before it",
        ),
        ({"stages": {"base": {}}, "cascades": {}}, "base: give train, or the model"),
        (
            {"stages": {"base": {"model": "m", "experts": {}}}, "cascades": {}},
            "base.experts: go on from a stage that is trained here",
        ),
        ({"cascades": {"a": ["image"]}}, "image is no stage with experts"),
        ({"format": "other"}, "format: must be"),
        ({"stagez": {}}, "stagez: no such key"),
    ):
        found = call("train-cascade", plan(tmp_path, **change), "--check")
        assert isinstance(found.exception, UsageError)
        assert message in str(found.exception)
    assert not (tmp_path / "run").exists()


def test_a_stage_that_is_there_is_not_trained(tmp_path: Path) -> None:
    given = save_stages(tmp_path / "given") / "base"
    stages = {"base": {"model": str(given)}, "between": PLAN["stages"]["between"]}  # type: ignore[index]
    path = plan(tmp_path, stages=stages, cascades={"cascade": []})
    trained = call("train-cascade", path)
    assert trained.exit_code == 0, trained.output
    assert "1/1  between" in trained.output
    planned = call("sample", "--ckpt", tmp_path / "run" / "cascade.yaml", "--dry-run")
    assert planned.exit_code == 0, planned.output
    assert not (tmp_path / "run" / "base").exists()


def test_experts_and_what_a_cascade_leaves_to_its_stages(tmp_path: Path) -> None:
    models = save_stages(tmp_path)
    save_expert(tmp_path / "low", 1, 0)
    joined = call("experts", models / "base", models / "low", "--out", tmp_path / "both")
    assert joined.output.splitlines() == [
        f"expert-0: from sigma 0, {models / 'low'}",
        f"expert-1: from sigma 0.3012, {models / 'base'}",
        f"model {tmp_path / 'both'}",
    ]
    cascade = save_cascade(tmp_path, base={"model": "both"})
    for words, message in (
        (["--sampler", "heun"], "stages of a cascade have their own"),
        (["--until", "sr256"], "has the stages base, between, large"),
        ([], "--out: name the folder"),
    ):
        found = call("sample", "--ckpt", cascade, "--num", 1, *words)
        assert isinstance(found.exception, UsageError)
        assert message in str(found.exception)
    alone = call("sample", "--ckpt", tmp_path / "both", "--until", "base", "--out", tmp_path / "x")
    assert "is of cascades" in str(alone.exception)


@pytest.mark.parametrize("stage", ["between", "large"])
def test_a_stage_alone_is_sent_to_upsample(tmp_path: Path, stage: str) -> None:
    models = save_stages(tmp_path)
    found = call("sample", "--ckpt", models / stage, "--num", 1, "--out", tmp_path / "out")
    assert isinstance(found.exception, UsageError)
    assert "`pyoco-eval upsample` runs it on videos" in str(found.exception)


def test_two_processes_train_all_stages_one_after_another(tmp_path: Path) -> None:
    """A second training of the same processes meets anew, not at the places of the first."""
    path = plan(tmp_path, cascades={"cascade": []})
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*launcher, "-m", "pyoco_eval", "train-cascade", str(path)]
    for _ in range(2):  # the second time all is done
        ran = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (tmp_path / "run" / "cascade.yaml").is_file()
