"""`pyoco-eval invert-noise`: from files to files, alone and as several processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from own_models import save_image_model

from pyoco_eval.cli.invert_noise import command
from pyoco_eval.errors import PyocoEvalError, UnusableVideosError, UsageError
from pyoco_eval.records.record import Record
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.write import write_video

FAST = ("--frames-per-video", 3, "--num-steps", 4, "--check-videos", 1, "--resamples", 50)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_image_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    shapes = MovingShapes("test", 16, 4)
    for index in range(5):
        write_video(folder / f"{index}.npz", shapes[index].frames, 8)
    return folder


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if isinstance(result.exception, PyocoEvalError):
        raise result.exception
    return result


def test_a_folder_of_clips(model: Path, clips: Path, tmp_path: Path) -> None:
    result = run("--model", model, "--videos", clips, "--out", tmp_path, "--no-figures", *FAST)
    assert result.exit_code == 0, result.output
    for text in ("same video", "different videos", "shuffled frames", "progressive", "PSNR",
                 "ode:heun-4-karras7-0.002..80", "5 videos are few", "empirical:"):  # fmt: skip
        assert text in result.output
    assert (tmp_path / "noise-prior.npz").is_file()
    assert not (tmp_path / "figures").exists()


def test_json_is_the_record(model: Path, clips: Path, tmp_path: Path) -> None:
    result = run("--model", model, "--videos", clips, "--out", tmp_path, "--json", "--no-figures",
                 "--sampler", "deis", "--max-videos", 3, "--clip", "random", *FAST)  # fmt: skip
    printed = json.loads(result.stdout)
    kept = Record.load(tmp_path / "probe.json")
    assert printed["scores"][0]["value"] == kept.scores[0].value
    assert kept.samples.num_videos == 3
    assert kept.scores[0].recipe["clip"] == "3f-s1-random(seed=0)"
    assert kept.scores[0].recipe["ode"].startswith("deis2log-4-")


def test_wrong_usage_names_the_option(model: Path, clips: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--videos"):
        run("--model", model, "--videos", tmp_path / "no", "--out", tmp_path)
    with pytest.raises(UsageError, match="--prompt: this model takes no text"):
        run("--model", model, "--videos", clips, "--out", tmp_path, "--prompt", "a", *FAST)
    with pytest.raises(UsageError, match="--stride and --fps"):
        run("--model", model, "--videos", clips, "--out", tmp_path, "--fps", 4, "--stride", 2)


def test_two_processes_find_what_one_finds(model: Path, clips: Path, tmp_path: Path) -> None:
    arguments = ["-m", "pyoco_eval", "invert-noise", "--model", str(model), "--videos", str(clips),
                 "--no-figures", *map(str, FAST)]  # fmt: skip
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for name, start in (("one", []), ("two", launcher)):
        done = subprocess.run(
            [sys.executable, *start, *arguments, "--out", str(tmp_path / name)],
            capture_output=True, text=True, check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    one, two = (Record.load(tmp_path / name / "probe.json") for name in ("one", "two"))
    assert one.scores == two.scores
    assert one.samples == two.samples
    paths = [tmp_path / name / "similarity.npz" for name in ("one", "two")]
    with np.load(paths[0]) as first, np.load(paths[1]) as second:
        for name in first.files:
            np.testing.assert_array_equal(first[name], second[name])


def test_real_clips_and_a_diffusers_model(shared_data: Path, tmp_path: Path) -> None:
    """36 files of the wild: damaged and short ones are named, or left out and counted."""
    pytest.importorskip("diffusers")
    from small_pipelines import pixel_pipeline

    pipeline = pixel_pipeline(tmp_path / "pipeline")
    common = ("--model", f"diffusers:{pipeline}", "--videos", shared_data / "videos",
              "--frames-per-video", 2, "--num-steps", 2, "--check-videos", 1,
              "--no-figures")  # fmt: skip
    with pytest.raises(UnusableVideosError, match=r"mp4p_chunk_out_of_range\.mp4"):
        run(*common, "--out", tmp_path / "a")
    result = run(*common, "--out", tmp_path / "b", "--short", "skip", "--on-error", "skip")
    assert result.exit_code == 0, result.output
    record = Record.load(tmp_path / "b" / "probe.json")
    assert record.samples.num_videos + len(record.samples.skipped) == 36
    assert record.samples.num_videos >= 25
    assert "mp4p_tiny_av1.mp4" in record.samples.skipped
    assert record.scores[0].recipe["size"] == "mixed"
    assert record.scores[0].recipe["frames"] == "16-bilinearantialias-crop"
