"""From a training run's checkpoints to scores against the step."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from small_runs import small_config

from pyoco_eval.cli.main import cli
from pyoco_eval.training.run import train


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["step-scores", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.slow
def test_every_checkpoint_is_sampled_and_scored(tmp_path: Path) -> None:
    out, folder = tmp_path / "run", tmp_path / "scores"
    train(small_config(out, steps=4, condition={}, log={
        "every": 1, "checkpoint_every": 2, "keep": 1, "keep_every": 2, "samples_every": 0,
        "sampler": "deis:order=1,num_steps=3",
    }))  # fmt: skip
    real = tmp_path / "real"
    real.mkdir()
    noise = np.random.default_rng(0)
    for number in range(8):
        np.save(real / f"{number}.npy", noise.integers(0, 255, (1, 16, 16, 3), np.uint8))
    arguments = [
        str(out), "--num", "8", "--profile", "embedded", "--metrics", "fid", "--allow-small",
        "--num-frames", "1", "--pictures", "frames", "--device", "cpu",
        "--reference", str(real), "--folder", str(folder),
    ]  # fmt: skip
    shown = run(*arguments)
    with (folder / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["metric"]) for row in rows] == [("2", "fid"), ("4", "fid")]
    values = [float(row["value"]) for row in rows]
    assert values[0] != values[1]
    assert min(values) > 0
    assert all("FID" in row["signature"] or "n:" in row["signature"] for row in rows)
    assert f"step 4  {rows[1]['signature']}" in shown
    with Image.open(folder / "scores.png", formats=["PNG"]) as picture:
        assert len(np.unique(np.asarray(picture))) > 10
    assert (folder / "step-00000004.json").is_file()
    made = {path: path.stat().st_mtime_ns for path in folder.glob("step-*/*.mp4")}
    assert len(made) == 16
    (folder / "step-00000002.json").unlink()
    (folder / "step-00000004.json").unlink()
    run(*arguments)
    assert {path: path.stat().st_mtime_ns for path in made} == made, "samples are not made again"


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["step-scores", str(tmp_path), "--folder", str(tmp_path / "x")])
    assert "holds no checkpoints/step-" in str(done.exception)
