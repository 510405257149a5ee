"""A protocol runs from a model to a table, once, and again from wherever it was stopped."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import NOISE, SHAPES, call, run_protocol, scores

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.evaluation.evaluate import evaluate
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.protocol.loader import load_protocol
from pyoco_eval.records.record import Record
from pyoco_eval.videos.source import open_source

SMALL = ("--scale", "0.1")
FOLDER = Path(__file__).parent


@pytest.fixture(autouse=True)
def toy_models_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.mark.slow
def test_the_whole_uncond_twin_runs_and_its_record_says_how(tmp_path: Path) -> None:
    results = run_protocol("shapes-uncond", tmp_path, "--generator", SHAPES)
    (arm,) = results.arms
    protocol = load_protocol("shapes-uncond")
    assert results.protocol.sha256 == protocol.sha256
    assert results.reduced is None
    assert results.embedded
    assert not results.comparable
    assert arm.num_videos == 3 * 160
    fvd, inception = arm.score("fvd"), arm.score("is")
    assert fvd is not None
    assert inception is not None
    assert len(fvd.repeats) == 3
    assert fvd.value == pytest.approx(np.mean(fvd.repeats))
    assert fvd.std == pytest.approx(np.std(fvd.repeats))
    assert (fvd.spread_of, fvd.num_samples, fvd.num_reference) == ("repeats", 160, 512)
    signature = Signature.parse(fvd.signature)
    assert signature.get("protocol") == protocol.label
    assert signature.get("label") == "embedded"
    (curve,) = arm.curves
    assert curve.key == "fvd"
    assert curve.points[-1].num_rows <= 160
    assert {entry.role for entry in arm.gallery} == {"nearest", "farthest", "random"}
    assert all((tmp_path / entry.file).is_file() for entry in arm.gallery)
    beside = [entry.neighbour_file for entry in arm.gallery if entry.role == "nearest"]
    assert all(name and (tmp_path / name).is_file() for name in beside)
    assert [stage.stage for stage in results.stages] == ["generate", "look", "score"] * 3
    for name in ("report.html", "report.md", "report.tex"):
        assert (tmp_path / name).stat().st_size > 0
    assert len(arm.records) == 3
    record = Record.load(tmp_path / arm.records[0])
    assert [found.value for found in record.scores if found.metric == "fvd"] == [fvd.repeats[0]]


def test_scores_are_those_of_evaluate_on_the_same_folders(tmp_path: Path) -> None:
    results = run_protocol(
        "shapes-uncond", tmp_path, "--generator", NOISE, "--repeats", "1", "--scale", "0.1"
    )
    (folder,) = (tmp_path / "samples" / "samples").iterdir()
    from pyoco_eval.protocol_run.real_videos import DataPlace, ProtocolVideos

    protocol = load_protocol("shapes-uncond").protocol
    rule = protocol.scores["fvd"].reference
    assert rule is not None
    reference = ProtocolVideos(protocol, DataPlace()).reference(rule, 52)
    alone = evaluate(
        open_source(folder),
        reference,
        metrics=["is", "fvd"],
        profile="embedded",
        options=_options(8),
    )
    for key in ("is", "fvd"):
        entry = results.arms[0].score(key)
        assert entry is not None
        assert entry.value == alone[key].value


def _options(num_frames: int) -> object:
    from pyoco_eval.extraction.options import Options
    from pyoco_eval.videos.clip_rule import ClipRule

    return Options(clip=ClipRule(num_frames), device="cpu", allow_small=True)


def test_better_samples_score_better(tmp_path: Path) -> None:
    options = ("--repeats", "1", "--scale", "0.2")
    good = run_protocol("shapes-uncond", tmp_path / "a", "--generator", SHAPES, *options)
    bad = run_protocol("shapes-uncond", tmp_path / "b", "--generator", NOISE, *options)
    first, second = good.arms[0].score("fvd"), bad.arms[0].score("fvd")
    assert first is not None
    assert second is not None
    assert first.value < second.value / 5
    assert good.reduced == "scale=0.2,repeats=1"
    assert "reduced(scale=0.2,repeats=1)" in first.signature


def test_a_second_start_does_nothing_again_and_finds_the_same(tmp_path: Path) -> None:
    first = run_protocol("shapes-uncond", tmp_path, "--generator", SHAPES, *SMALL)
    again = run_protocol("shapes-uncond", tmp_path, "--generator", SHAPES, *SMALL)
    assert all(stage.reused for stage in again.stages)
    assert not any(stage.reused for stage in first.stages)
    assert scores(again) == scores(first)


def test_what_changed_is_done_again_and_nothing_else(tmp_path: Path) -> None:
    run_protocol("shapes-uncond", tmp_path, "--generator", SHAPES, *SMALL)
    before = scores(run_protocol("shapes-uncond", tmp_path, "--generator", SHAPES, *SMALL))
    (folder,) = (tmp_path / "samples" / "samples").glob("r1-*")
    (folder / "000003.npz").unlink()
    again = run_protocol("shapes-uncond", tmp_path, "--generator", SHAPES, *SMALL)
    redone = [(s.stage, place // 2) for place, s in enumerate(again.stages) if not s.reused]
    assert redone == [("generate", 1)]
    assert scores(again) == before


class _Stop(BaseException):
    """As a kill: nothing of ours catches it."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        return scores(run_protocol("shapes-uncond", folder, "--generator", SHAPES, *SMALL))


@pytest.mark.parametrize("advances", [2, 17, 30, 60, 85])
def test_a_run_stopped_anywhere_goes_on_to_identical_scores(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: dict[str, Any],
    advances: int,
) -> None:
    from pyoco_eval.cli import progress

    left = advances

    class _Stage:
        def advance(self) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise _Stop

    class _Progress:
        @contextmanager
        def stage(self, title: str, total: int, unit: str = "videos") -> Iterator[_Stage]:
            yield _Stage()

    monkeypatch.setattr(progress, "TerminalProgress", _Progress)
    with pytest.raises(_Stop):
        call("shapes-uncond", tmp_path / "cut", "--generator", SHAPES, *SMALL)
    assert not (tmp_path / "cut" / "results.json").exists()
    resumed = run_protocol("shapes-uncond", tmp_path / "cut", "--generator", SHAPES, *SMALL)
    assert scores(resumed) == undisturbed


def test_samples_of_another_run_give_its_scores(tmp_path: Path) -> None:
    made = run_protocol("shapes-uncond", tmp_path / "a", "--generator", SHAPES, *SMALL)
    folders = sorted((tmp_path / "a" / "samples" / "samples").iterdir())
    given = [word for folder in folders for word in ("--samples", str(folder))]
    found = run_protocol("shapes-uncond", tmp_path / "b", *given, *SMALL)
    for key in ("is", "fvd"):
        ours, theirs = found.arms[0].score(key), made.arms[0].score(key)
        assert ours is not None
        assert theirs is not None
        assert ours.repeats == theirs.repeats
    assert found.arms[0].generator == {"told by": "order"}


def test_one_folder_with_enough_videos_serves_all_repeats(tmp_path: Path) -> None:
    made = run_protocol("shapes-uncond", tmp_path / "a", "--generator", SHAPES, *SMALL)
    whole = tmp_path / "whole"
    whole.mkdir()
    for number, folder in enumerate(sorted((tmp_path / "a" / "samples" / "samples").iterdir())):
        for path in sorted(folder.glob("*.npz")):
            shutil.copy(path, whole / f"{number}{path.name}")
    found = run_protocol("shapes-uncond", tmp_path / "b", "--samples", str(whole), *SMALL)
    ours, theirs = found.arms[0].score("fvd"), made.arms[0].score("fvd")
    assert ours is not None
    assert theirs is not None
    assert ours.repeats == theirs.repeats
    with pytest.raises(UsageError, match=r"holds 48 videos, the protocol takes 480"):
        call("shapes-uncond", tmp_path / "c", "--samples", str(whole))


def test_samples_of_another_size_are_refused_or_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_SIZE", "16")
    with pytest.raises(UsageError, match="16 x 16 pixels, not 32 x 32"):
        call("shapes-uncond", tmp_path, "--generator", NOISE, *SMALL)
    results = run_protocol(
        "shapes-uncond", tmp_path, "--generator", NOISE, *SMALL, "--allow-deviations"
    )
    assert any("16 x 16" in sentence for sentence in results.deviations)


def test_what_cannot_run_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no model is given"):
        call("ucf101-uncond", tmp_path)
    with pytest.raises(UsageError, match="give --data-root"):
        call("ucf101-uncond", tmp_path, "--generator", NOISE)
    with pytest.raises(MissingError, match=r"holds no model\.json"):
        call("shapes-uncond", tmp_path, "--ckpt", str(FOLDER))
    with pytest.raises(UsageError, match="ARM=VALUE"):
        call("shapes-alpha", tmp_path, "--ckpt", "x")
    with pytest.raises(UsageError, match="nothing is trained"):
        call("shapes-uncond", tmp_path, "--generator", NOISE, "--set", "steps=1")
    with pytest.raises(UsageError, match="has no prompts for classes"):
        call("shapes-uncond", tmp_path, "--generator", NOISE, "--prompts", str(FOLDER / "x.csv"))
    with pytest.raises(UsageError, match="above 0"):
        call("shapes-uncond", tmp_path, "--generator", NOISE, "--scale", "0")
    assert not (tmp_path / "samples").exists()


def test_a_folder_of_another_protocol_is_left_alone(tmp_path: Path) -> None:
    run_protocol("shapes-uncond", tmp_path, "--generator", SHAPES, *SMALL)
    with pytest.raises(UsageError, match="holds a run of shapes-uncond"):
        call("shapes-msrvtt", tmp_path, "--generator", SHAPES, *SMALL)


def test_json_is_the_results_file(tmp_path: Path) -> None:
    text = call("shapes-uncond", tmp_path, "--generator", SHAPES, *SMALL, "--json")
    start = text.index("{")
    assert json.loads(text[start:]) == json.loads((tmp_path / "results.json").read_text())
