"""What was given is looked at, recorded beside the recipe, and refused or noted if it differs."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from running import SHAPES, call, run_protocol

from pyoco_eval.cli.run_protocol import command
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.protocol.loader import load_protocol
from pyoco_eval.protocol_run.made_as import deviations_of, look_at, made_as, merged
from pyoco_eval.protocol_run.preflight import Hindrances
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.write import write_video

ONCE = ("--scale", "0.1", "--repeats", "1", "--allow-deviations")
SIXTEEN = 16


@pytest.fixture(autouse=True)
def toy_models_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def clips(
    folder: Path, count: int, suffix: str = ".npz", *, frames: int = 8, fps: float = 8
) -> Path:
    """Moving shapes of 32 x 32 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    source = MovingShapes("train", 32, frames)
    for number in range(count):
        write_video(folder / f"{number:03d}{suffix}", source.clip(number).frames, fps=fps)
    return folder


def found_of(folder: Path) -> list[tuple[str, str, bool]]:
    table = made_as(
        load_protocol("shapes-uncond").protocol, "samples", look_at(open_source(folder))
    )
    return [(row.fact, row.found_text(), row.agrees) for row in table]


def test_what_is_as_the_recipe_says_agrees(tmp_path: Path) -> None:
    assert found_of(clips(tmp_path, 2)) == [
        ("container", "npz raw", True),
        ("frames", "8", True),
        ("size", "32 x 32", True),
        ("rate", "not stated", True),
        ("pixels", "uint8", True),
    ]


def test_mp4_where_npz_is_asked_is_a_deviation_and_so_is_another_rate(tmp_path: Path) -> None:
    clips(tmp_path / "a", SIXTEEN, ".mp4", fps=25)
    results = run_protocol(
        "shapes-uncond", tmp_path / "run", "--samples", str(tmp_path / "a"), *ONCE
    )
    container, rate = results.deviations
    assert "stored as mov h264, not as npz" in container
    assert "state 25 fps, not 8 fps" in rate
    (entry, *_) = results.arms[0].scores
    assert "-deviates(container=movh264,rate=25fps)" in entry.signature
    facts = {row.fact: row for row in results.arms[0].made_as}
    assert facts["container"].found == {"mov h264": SIXTEEN}
    assert not facts["container"].agrees
    assert facts["frames"].found == {"8": SIXTEEN}
    assert facts["pixels"].found_text().startswith("yuv")


def test_videos_of_another_length_are_refused_before_anything_is_scored(tmp_path: Path) -> None:
    clips(tmp_path / "a", SIXTEEN, frames=12)
    with pytest.raises(UsageError, match="samples have 12 frames, not 8"):
        call("shapes-uncond", tmp_path / "run", "--samples", str(tmp_path / "a"), *ONCE[:-1])
    assert not (tmp_path / "run" / "records").exists()
    results = run_protocol(
        "shapes-uncond", tmp_path / "run", "--samples", str(tmp_path / "a"), *ONCE
    )
    assert "frames=12" in results.arms[0].scores[0].signature


def test_one_video_among_many_is_enough(tmp_path: Path) -> None:
    clips(tmp_path, 3)
    rng = np.random.default_rng(0)
    write_video(tmp_path / "z.npz", rng.integers(0, 256, (8, 16, 16, 3), np.uint8), fps=8)
    protocol = load_protocol("shapes-uncond").protocol
    table = made_as(protocol, "samples", look_at(open_source(tmp_path)))
    with pytest.raises(UsageError, match=r"32 x 32 \(3 videos\), 16 x 16 \(1 videos\)"):
        deviations_of("samples", table, allow=False)
    assert deviations_of("samples", table, allow=True)[0].word == "size=16x16+"
    both = merged(table, table)
    assert {row.fact: row.found for row in both}["size"] == {"32 x 32": 6, "16 x 16": 2}


def test_samples_that_cannot_be_read_are_named_at_once(tmp_path: Path) -> None:
    clips(tmp_path, 2)
    for name in ("x.mp4", "y.mp4"):
        (tmp_path / name).write_bytes(b"no video")
    with pytest.raises(PyocoEvalError, match=r"(?s)2 of 4 samples.*x\.mp4.*y\.mp4"):
        look_at(open_source(tmp_path))


def test_samples_for_all_repeats_are_counted_before_anything_is_scored(tmp_path: Path) -> None:
    folder = clips(tmp_path / "a", 30)
    words = ["--samples", str(folder), "--scale", "0.1", "--repeats", "2", "--dry-run"]
    with pytest.raises(UsageError, match="holds 30 videos, the protocol takes 32"):
        call("shapes-uncond", tmp_path / "run", *words)


def test_everything_that_hinders_is_told_at_once_and_nothing_is_read_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "cache"))
    words = [
        "ucf101-uncond", "--out", str(tmp_path / "run"), "--ckpt", str(tmp_path / "none"),
        "--data-root", str(tmp_path), "--prompts", "x.csv",
    ]  # fmt: skip
    found = CliRunner().invoke(command, words, standalone_mode=False)
    assert isinstance(found.exception, UsageError)
    text = str(found.exception)
    for said in (
        "has no prompts for classes", "the c3d weights", "the c3d-mean weights", "the i3d weights",
        "holds no model.json", f"{tmp_path}",
    ):  # fmt: skip
        assert said in text, said
    assert not list((tmp_path / "run").glob("*/*")), "at most a lock"


def test_what_is_missing_decides_the_exit_code_where_nothing_is_misused() -> None:
    found = Hindrances()
    for error in (MissingError("a"), PyocoEvalError("b"), MissingError("a")):
        with found.gathered():
            raise error
    with pytest.raises(MissingError, match=r"2 things.*\n- a\n- b"):
        found.refuse()


def test_a_dry_run_runs_no_network_unless_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("a network was loaded")

    monkeypatch.setattr("pyoco_eval.scoring.tasks.Networks.get", loaded)
    monkeypatch.setattr("pyoco_eval.protocol_run.sample.open_model", loaded)
    words = ("--generator", SHAPES, "--dry-run", "--scale", "0.05")
    text = call("shapes-msrvtt", tmp_path, *words)
    assert "scoring: not known; give --measure" in text
    with pytest.raises(AssertionError, match="a network was loaded"):
        call("shapes-msrvtt", tmp_path, *words, "--measure")
