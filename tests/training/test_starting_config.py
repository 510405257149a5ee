"""A config written for a folder of clips trains as it is."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pyoco_eval.cli.main import cli
from pyoco_eval.training.config_file import load_config


def call(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made = call("shapes", "--num", 5, "--size", 24, "--num-frames", 7, "--out", "my-clips")
    assert made.exit_code == 0, made.output
    return tmp_path / "my-clips"


def test_it_fits_and_trains(clips: Path) -> None:
    written = call("train", "--init-config", "my-clips/")
    assert written.exit_code == 0, written.output
    config = load_config(Path("my-clips.yaml"))
    assert (config.data.num_frames, config.data.size, config.data.path) == (7, 24, "my-clips/")
    assert "5 videos in my-clips/" in written.output
    quick = ["--set", "steps=1", "--set", "batch=1", "--set", "log.samples_every=0",
             "--set", "hardware.workers=0"]  # fmt: skip
    trained = call("train", "my-clips.yaml", *quick)
    assert trained.exit_code == 0, trained.output
    assert (clips.parent / "runs" / "my-clips" / "model" / "model.json").is_file()


def test_what_it_does_not_do(clips: Path) -> None:
    assert call("train", "--init-config", clips).exit_code == 0
    again = call("train", "--init-config", clips)
    assert "is there already" in str(again.exception)
    assert call("train", "other.yaml", "--init-config", clips).exit_code == 0
    (clips.parent / "empty").mkdir()
    assert call("train", "--init-config", "empty").exit_code != 0
    assert "CONFIG, or --init-config" in call("train").output
    pictures = call("shapes", "--num", 2, "--size", 16, "--num-frames", 1, "--out", "single")
    assert pictures.exit_code == 0
    single = call("train", "--init-config", "single")
    assert "single pictures" in str(single.exception) or "holds pictures" in str(single.exception)


def test_shapes_with_a_path_say_what_to_set(clips: Path) -> None:
    found = call("train", "shapes-video.yaml", "--set", f"data.path={clips}", "--set", "out=x",
                 "--set", "init=embedded:shapes-image")  # fmt: skip
    assert "data.source=videos" in str(found.exception)
