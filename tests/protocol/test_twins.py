"""The embedded twins run offline by one command each, with models trained on the spot."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from running import SHAPES, call, run_protocol, scores

from pyoco_eval.cli.run_protocol import command
from pyoco_eval.datasets.class_lists import class_names
from pyoco_eval.errors import UsageError
from pyoco_eval.protocol.prompts import own_list
from pyoco_eval.protocol_run.gallery import per_class
from pyoco_eval.shapes.dataset import MovingShapes

CLASSES = "python:toy_models:classes"
QUICK = (
    "--set", "steps=2", "--set", "batch=2", "--set", "model.preset=test",
    "--set", "log.sampler=deis:order=1,num_steps=2",
)  # fmt: skip


def test_zeroshot_asks_for_every_class_in_turn_and_shows_how_each_fares(tmp_path: Path) -> None:
    results = run_protocol(
        "shapes-zeroshot", tmp_path, "--generator", CLASSES, "--tell", "labels", "--scale", "0.6"
    )
    (arm,) = results.arms
    assert any("are told labels" in sentence for sentence in results.deviations)
    assert len(arm.class_scores) == 48
    accuracy = np.mean([found.values["accuracy"] for found in arm.class_scores])
    assert accuracy > 0.5, "the classifier knows shapes of the class asked for"
    rows = next((tmp_path / "samples").rglob("manifest.jsonl")).read_text().splitlines()
    assert [json.loads(row)["label"] for row in rows[:49]] == [*range(48), 0]


def test_prompts_reach_the_model_and_may_be_the_users(tmp_path: Path) -> None:
    names = class_names("shapes")
    run_protocol("shapes-zeroshot", tmp_path / "a", "--generator", SHAPES, "--scale", "0.02")
    rows = next((tmp_path / "a" / "samples").rglob("manifest.jsonl")).read_text().splitlines()
    own = own_list("shapes", names)
    assert [json.loads(row)["caption"] for row in rows] == [own.prompt(n, 0) for n in names[:4]]
    mine = tmp_path / "mine.txt"
    mine.write_text("".join(f"a small red {name.split('-')[0]} zooms\n" for name in names))
    results = run_protocol(
        "shapes-zeroshot", tmp_path / "b", "--generator", SHAPES, "--scale", "0.02",
        "--prompts", str(mine),
    )  # fmt: skip
    assert any("mine.txt" in sentence for sentence in results.deviations)
    rows = next((tmp_path / "b" / "samples").rglob("manifest.jsonl")).read_text().splitlines()
    assert json.loads(rows[0])["caption"] == "a small red circle zooms"


def test_msrvtt_twin_writes_mp4_for_captions_and_scores_agreement(tmp_path: Path) -> None:
    results = run_protocol("shapes-msrvtt", tmp_path, "--generator", SHAPES, "--scale", "0.05")
    (arm,) = results.arms
    assert {entry.key for entry in arm.scores} == {"clip-fid", "fid", "clipsim"}
    folder = next((tmp_path / "samples").rglob("manifest.jsonl")).parent
    rows = [json.loads(row) for row in (folder / "manifest.jsonl").read_text().splitlines()]
    shapes = MovingShapes("test", 8, 1)
    assert [row["caption"] for row in rows] == [shapes.clip(i).caption for i in range(8)]
    assert all(row["id"].endswith(".mp4") for row in rows)


@pytest.mark.slow
def test_training_strategies_train_in_order_from_the_image_model(tmp_path: Path) -> None:
    results = run_protocol(
        "shapes-training-strategies", tmp_path, "--arms", "image,mixed", *QUICK, "--scale", "0.02"
    )
    assert [arm.key for arm in results.arms] == ["image", "mixed"]
    stages = [(stage.stage, stage.arm) for stage in results.stages if stage.stage == "train"]
    assert stages == [("train", "image"), ("train", "image"), ("train", "mixed")]
    (mixed,) = (tmp_path / "training" / "mixed").iterdir()
    (image,) = (tmp_path / "training" / "image").iterdir()
    config = (mixed / "config.yaml").read_text()
    assert "mixed:alpha=1" in config
    assert str(image / "model") in config
    assert [entry.key for entry in results.arms[0].scores] == ["frame-fid"]
    assert results.arms[0].scores[0].num_samples == 26
    assert results.arms[1].generator["prior"] == "mixed:alpha=1"
    given = run_protocol(
        "shapes-training-strategies", tmp_path / "given", "--arms", "image,mixed",
        "--ckpt", f"image={image}", "--ckpt", f"mixed={mixed / 'model'}", "--scale", "0.02",
    )  # fmt: skip
    values = [[(e.key, e.value) for arm in r.arms for e in arm.scores] for r in (results, given)]
    assert values[0] == values[1], "a model scores the same, trained here or given"
    trained, own = (scores(r)["mixed"][0]["signature"] for r in (results, given))
    assert "-deviates(set=" in trained, "the shortened training is a change of the protocol"
    assert "-deviates(" not in own, "of a model that is given nothing is known to be changed"
    assert not any(stage.stage == "train" for stage in given.stages)


@pytest.mark.slow
def test_repeats_of_the_training_train_models_of_other_seeds(tmp_path: Path) -> None:
    results = run_protocol(
        "shapes-alpha", tmp_path, "--arms", "scratch,progressive-2", "--repeats", "2", *QUICK,
        "--scale", "0.03",
    )  # fmt: skip
    scratch, progressive = results.arms
    assert (scratch.parameters["alpha"], progressive.parameters["alpha"]) == (0, 2)
    folders = [
        folder
        for name in ("scratch", "progressive-2")
        for folder in (tmp_path / "training" / name).iterdir()
    ]
    weights = {(folder / "model" / "model.safetensors").read_bytes() for folder in folders}
    assert len(folders) == len(weights) == 4
    assert len(list((tmp_path / "training" / "image").iterdir())) == 1
    fvd = scratch.score("fvd")
    assert fvd is not None
    assert len(set(fvd.repeats)) == 2
    assert results.figure is not None
    assert (results.figure.x, results.figure.series) == ("alpha", "series")


def test_a_setting_that_is_none_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="stepps"):
        call("shapes-uncond", tmp_path, "--set", "stepps=3")
    with pytest.raises(UsageError, match="write KEY=VALUE"):
        call("shapes-uncond", tmp_path, "--set", "steps")
    assert not (tmp_path / "training").exists()


def test_per_class_values_are_counted_by_label() -> None:
    probabilities = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.3, 0.7, 0], [0.1, 0.1, 0.8]])
    found = per_class(probabilities, np.array([0, 0, 1, 1]), ("a", "b", "c"))
    assert [(f.name, f.num_videos) for f in found] == [("a", 2), ("b", 2)]
    assert [f.values["accuracy"] for f in found] == [0.5, 0.5]
    assert [f.values["probability"] for f in found] == pytest.approx([0.55, 0.4])


def test_dry_run_checks_and_counts_and_makes_nothing(tmp_path: Path) -> None:
    text = " ".join(
        call(
            "shapes-uncond", tmp_path, "--dry-run", "--gpus", "4", "--seconds-per-video", "9",
            "--seconds-per-step", "2",
        ).split()
    )  # fmt: skip
    assert "300 480 960" in text
    assert f"{480 * 8 * 32 * 32 * 3 / 1e6:.3g} MB" in text
    assert f"training: {300 * 2 // 60} min on one process" in text
    assert f"generation: {480 * 9 // 4 // 60} min on 4 processes" in text
    assert "real videos through networks: 512" in text
    assert not (tmp_path / "samples").exists()
    measured = call(
        "shapes-msrvtt", tmp_path, "--generator", SHAPES, "--dry-run", "--measure", "--scale", "0.1"
    )
    assert "one video took" in measured


def test_a_dry_run_says_what_it_can_before_it_says_what_is_missing(tmp_path: Path) -> None:
    words = ["ucf101-uncond", "--out", str(tmp_path / "run"), "--generator", SHAPES, "--dry-run"]
    found = CliRunner().invoke(command, words, standalone_mode=False)
    assert isinstance(found.exception, UsageError)
    assert "give --data-root" in str(found.exception)
    text = " ".join(found.output.split())
    assert "20,480 40,960" in text
    assert "real videos through networks: 2,048" in text
    assert "generation: not known; give --seconds-per-video" in text


def test_arms_along_alpha_show_the_same_seeds_and_given_videos_claim_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_SIZE", "16")
    monkeypatch.setenv("TOY_FRAMES", "8")
    noise, few = "python:toy_models:noise", ("--scale", "0.1", "--repeats", "1", "--gallery", "3")
    results = run_protocol(
        "shapes-alpha", tmp_path / "made", "--arms", "independent,mixed-1,mixed-10", *few,
        *(f"--generator={arm}={noise}" for arm in ("independent", "mixed-1", "mixed-10")),
    )  # fmt: skip
    drawn = [[(e.index, e.seed) for e in arm.gallery if e.role == "random"] for arm in results.arms]
    assert drawn[0] == drawn[1] == drawn[2]
    assert len(drawn[0]) == 3
    assert all(isinstance(seed, int) for _, seed in drawn[0])
    page = (tmp_path / "made" / "report.html").read_text(encoding="utf-8")
    assert "<h2>The same samples along α</h2>" in page
    assert page.count('<div class="stills">') == 9
    folder = next((tmp_path / "made" / "samples").rglob("manifest.jsonl")).parent
    given = run_protocol(
        "shapes-alpha", tmp_path / "given", "--arms", "independent", *few,
        f"--samples=independent={folder}",
    )  # fmt: skip
    (arm,) = given.arms
    assert all(entry.index is not None and entry.seed is None for entry in arm.gallery)


CONFIGS_QUICK = tuple(
    word
    for stage in ("base", "interpolation", "sr32")
    for key in ("train", "experts")
    for word in ("--set", f"stages.{stage}.{key}.steps=2")
)


def test_configs_train_a_cascade_once_and_score_it_with_more_and_more_experts(
    tmp_path: Path,
) -> None:
    words = ["shapes-configs", tmp_path, "--scale", "0.05", *CONFIGS_QUICK]
    words += ["--set", "shared.log.sampler=deis:order=1,num_steps=2"]
    results = run_protocol(*words)
    assert [arm.key for arm in results.arms] == ["config-a", "config-b", "config-c", "config-d"]
    (folder,) = (tmp_path / "training").iterdir()
    assert len(list(folder.glob("*-expert-*/model/model.json"))) == 6
    assert {path.name for path in folder.glob("*.yaml")} == {
        f"config-{letter}.yaml" for letter in "abcd"
    }
    models = [arm.generator for arm in results.arms]
    stages = [(m["from:base:model"], m["from:interpolation:model"], m["model"]) for m in models]
    for before, after, changed in zip(stages, stages[1:], (2, 1, 0), strict=False):
        differ = [place for place in range(3) if before[place] != after[place]]
        assert differ == [changed], "each configuration gives one more stage experts"
    again = run_protocol(*words)
    assert all(stage.reused for stage in again.stages if stage.stage in ("train", "generate"))
    with pytest.raises(UsageError, match="stages of the cascade"):
        call("shapes-configs", tmp_path / "b", "--ckpt", f"config-a={folder / 'config-a.yaml'}",
             "--arms", "config-a", "--scale", "0.05", "--guidance-scale", "2")  # fmt: skip
