"""Configs: every mistake is named by its key, and what is written reads back."""

import json
from pathlib import Path

import pytest
import yaml

from pyoco_eval.errors import UsageError
from pyoco_eval.resources import resource_folder
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.config_file import (
    config_tree,
    differences,
    dump_config,
    find_config,
    flat,
    load_config,
    parse_config,
)
from pyoco_eval.training.outputs.run_folder import hindrances

SMALL = {"out": "runs/x", "model": {"preset": "test"}}


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_numbers_with_exponents_are_numbers(tmp_path: Path) -> None:
    path = written(
        tmp_path / "c.yaml",
        "out: runs/x\nmodel: {preset: test}\noptimizer: {lr: 1e-3, betas: [0.9, 0.99]}\n",
    )
    config = load_config(path, ["ema.halflife_samples=5e5", "prior=progressive:alpha=2"])
    assert config.optimizer.lr == 1e-3
    assert config.optimizer.betas == (0.9, 0.99)
    assert config.ema.halflife_samples == 5e5
    assert config.prior == "progressive:alpha=2"


def test_a_written_config_reads_back() -> None:
    config = parse_config(
        {**SMALL, "joint": {"per_video": 4}, "condition": {"encoders": ["shapes"]}}, "x"
    )
    assert parse_config(yaml.safe_load(dump_config(config)), "x") == config


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("optimzer.lr=1e-3", "optimzer: no such key; did you mean 'optimizer'"),
        ("optimizer.learning_rate=1", "optimizer.learning_rate: no such key; known are lr, "),
        ("data.num_frame=1", "data.num_frame: no such key; did you mean 'num_frames'"),
        ("joint.data.sizes=1", "joint.data.sizes: no such key; did you mean 'size'"),
        ("batch=2.5", "batch: must be a whole number (found 2.5)"),
        ("batch=true", "batch: must be a whole number (found true)"),
        ("data.flip=1", "data.flip: write true or false (found 1)"),
        ("prior=3", "prior: must be text; put it into quotes (found 3)"),
        ("condition.encoders=shapes", "condition.encoders: must be a list"),
        (
            "data.source=shape",
            "data.source: use 'shapes', 'ucf101', 'videos', 'images' or 'shards'",
        ),
        ("steps=0", "steps: must be at least 1, found 0"),
        ("loss.weighting=minsnr", "did you mean min-snr"),
        ("optimizer.lr=-1", "optimizer.lr: must be above 0, found -1"),
        ("optimizer.lr=.nan", "optimizer.lr: must be above 0, found nan"),
        ("condition.text_dropout=2", "condition.text_dropout: is a probability, found 2"),
        ("data.source=videos", "data.path: must be given for data.source=videos"),
        ("joint.data.num_frames=2", "joint.data.num_frames: must be 1"),
        ("steps", "expected KEY=VALUE"),
        ("steps.more=1", "steps: must be a whole number"),
        ("out.more=1", "out is a value, not a section"),
        ("data=[", "is not YAML"),
    ],
)
def test_every_mistake_is_named_by_its_key(tmp_path: Path, setting: str, message: str) -> None:
    path = written(tmp_path / "c.yaml", yaml.safe_dump({**SMALL, "joint": {"per_video": 1}}))
    with pytest.raises(UsageError) as caught:
        load_config(path, [setting])
    assert message in str(caught.value)


def test_what_must_be_given_is_named() -> None:
    with pytest.raises(UsageError, match=r"out: is required and not there"):
        parse_config({"model": {"preset": "test"}}, "c.yaml")
    with pytest.raises(UsageError, match=r"model.preset: must be given where there is no init"):
        parse_config({"out": "runs/x"}, "c.yaml")


def test_joint_images_have_the_size_of_the_videos() -> None:
    tree = {**SMALL, "data": {"size": 32}, "joint": {"per_video": 2}}
    joint = parse_config(tree, "x").joint.data
    assert (joint.size, joint.num_frames) == (32, 1)
    assert "joint" not in {**SMALL}, "the caller's tree stays as it is"


def test_a_run_may_go_on_with_other_hardware_but_not_as_another_run() -> None:
    before = parse_config({**SMALL, "steps": 10}, "x")

    def changed(**more: object) -> TrainConfig:
        return parse_config({**SMALL, "steps": 10, **more}, "x")

    assert not hindrances(before, changed(steps=20, hardware={"workers": 0}, log={"every": 3}))
    found = hindrances(before, changed(optimizer={"lr": 1e-3}, seed=1))
    assert found == {"seed": (0, 1), "optimizer.lr": (1e-4, 1e-3)}
    cosine = {"optimizer": {"decay": "cosine"}}
    assert list(hindrances(changed(**cosine), changed(**{**cosine, "steps": 20}))) == ["steps"]


def test_differences_go_into_sections() -> None:
    one = parse_config({**SMALL, "model": {"preset": "test", "overrides": {"dropout": 0.1}}}, "x")
    other = parse_config(SMALL, "x")
    assert differences(one, other) == {
        "model.overrides.dropout": (0.1, None),
        "model.overrides": (None, {}),
    }


@pytest.mark.parametrize(
    "path", sorted(resource_folder("configs").glob("*.yaml")), ids=lambda path: path.name
)
def test_shipped_configs_are_found_by_name_and_valid(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(Path(path.stem)) == path
    assert find_config(Path("configs") / path.name) == path
    load_config(path)


def test_an_unknown_config_lists_those_that_come_along() -> None:
    with pytest.raises(UsageError, match=r"nothing.yaml: no such file; .*shapes-image.yaml"):
        find_config(Path("nothing.yaml"))


def test_the_page_has_every_key_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    config = parse_config(SMALL, "x")
    for key, value in flat(config_tree(config)).items():
        if key.startswith(("joint.data.", "validation.data.")) or key in ("out", "model.preset"):
            continue
        assert f"| `{key}` | `{_shown(value)}` |" in page


def _shown(value: object) -> str:
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)
