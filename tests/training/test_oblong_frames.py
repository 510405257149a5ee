"""Frames that are no squares, from videos to videos: training, sheet, model, sampling, probe."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from small_runs import small_config

from pyoco_eval.cli.main import cli
from pyoco_eval.errors import UsageError
from pyoco_eval.models.checkpoint import load_model
from pyoco_eval.training.config import DataConfig
from pyoco_eval.training.data.examples import open_examples
from pyoco_eval.training.memory import plan_memory
from pyoco_eval.training.run import train
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.write import write_video


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Four videos of 24 x 40 pixels, brighter to the right."""
    frame = np.broadcast_to(np.linspace(0, 240, 40).astype(np.uint8)[:, None], (24, 40, 3))
    for number in range(4):
        clip = np.stack([frame // (number + 1)] * 6)
        write_video(tmp_path / "videos" / f"{number}.mp4", clip, fps=8)
    return tmp_path / "videos"


def oblong(videos: Path, num_frames: int = 3, **more: Any) -> dict[str, Any]:
    return {
        "condition": {},
        "data": {
            "source": "videos",
            "path": str(videos),
            "size": [12, 20],
            "num_frames": num_frames,
            **more,
        },
        "batch": 2,
        "steps": 2,
    }


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_oblong_videos_are_trained_on_and_sampled(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    log = {"samples_every": 2, "num_samples": 2, "sampler": "deis:order=1,num_steps=2"}
    train(small_config(out, **oblong(videos), log=log))
    assert json.loads((out / "model" / "model.json").read_text())["size"] == [12, 20]
    with Image.open(out / "samples" / "step-00000002.png", formats=["PNG"]) as sheet:
        assert sheet.width > 3 * 20
    made = tmp_path / "made"
    run("sample", "--ckpt", str(out), "--num", "1", "--format", "npz", "--out", str(made))
    assert next(open_source(str(made))[0].walk())().shape == (12, 20, 3)
    assert '"size": "12x20"' in (made / "recipe.json").read_text()


def test_another_size_is_sampled_with_a_note(videos: Path, tmp_path: Path) -> None:
    train(small_config(tmp_path / "run", **oblong(videos)))
    made = tmp_path / "made"
    sample = ["sample", "--ckpt", str(tmp_path / "run"), "--num", "1", "--format", "npz"]
    said = run(*sample, "--size", "16x8", "--out", str(made))
    assert "note: frames of 16x8 are asked for, the model was trained on 12x20" in said
    assert next(open_source(str(made))[0].walk())().shape == (16, 8, 3)
    with pytest.raises(UsageError, match=r"--size 16x9: the levels of .* need multiples of 2"):
        run(*sample, "--size", "16x9", "--out", str(tmp_path / "none"))


def test_the_probe_inverts_oblong_frames(videos: Path, tmp_path: Path) -> None:
    train(small_config(tmp_path / "run", **oblong(videos, num_frames=1)))
    assert load_model(tmp_path / "run").info.size == (12, 20)
    record = run(
        "invert-noise", "--model", str(tmp_path / "run"), "--videos", str(videos),
        "--out", str(tmp_path / "noise"), "--num-frames", "2", "--num-steps", "2",
        "--check-videos", "1", "--no-figures", "--json",
    )  # fmt: skip
    assert "12x20-bilinearantialias-crop" in record


def test_oblong_pictures_join_oblong_videos(videos: Path, tmp_path: Path) -> None:
    pictures = {"source": "videos", "path": str(videos)}
    joint = {"per_video": 1, "data": pictures}
    train(small_config(tmp_path / "run", **oblong(videos), joint=joint))
    joint = {"per_video": 1, "data": {**pictures, "size": 12}}
    with pytest.raises(UsageError, match=r"joint.data.size: must be data.size"):
        small_config(tmp_path / "other", **oblong(videos), joint=joint)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ([12, 17], r"data.size: 12x17 is no multiple of 2"),
        ([12, 4], r"data.size: must be at least 8, found 4"),
        ([12], r"data.size: "),
        ("12x20", r"data.size: "),
    ],
)
def test_sizes_that_cannot_be(videos: Path, tmp_path: Path, size: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        train(small_config(tmp_path / "run", **oblong(videos, size=size)))


def test_the_cache_tells_sizes_apart(videos: Path, tmp_path: Path) -> None:
    for size in ((12, 20), (20, 12), 12):
        config = DataConfig(
            "videos", str(videos), size=size, num_frames=2, cache=str(tmp_path / "cache")
        )
        frames = open_examples(config).read(0, np.random.default_rng(0)).frames
        assert frames.shape[1:3] == (size if isinstance(size, tuple) else (size, size))


def test_the_memory_of_oblong_frames_is_that_of_their_pixels(videos: Path) -> None:
    """`train --check` of 12 x 20 lies between the squares of either side."""

    def activations(size: Any) -> int:
        config = small_config(videos, **oblong(videos, size=size))
        return plan_memory(config).memory.activations

    assert activations(12) < activations([12, 20]) < activations(20)
    assert activations([12, 12]) == activations(12)
