"""Model folders: what is written is read, and nothing else is taken for a model."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from networks import perturbed, text
from safetensors.torch import load_file, save_file

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.models.checkpoint import INFO, WEIGHTS, ModelInfo, load_model, save_model
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import VideoUNet

TEST = PRESETS["test"]
ABOUT = ModelInfo(
    TEST,
    "video",
    num_frames=5,
    fps=8.0,
    size=(16, 16),
    prior="progressive:alpha=2",
    text_encoders=("shapes",),
    sampler="deis:order=3",
    step=12,
    provenance={"data": {"name": "shapes", "videos": 3}},
)


@pytest.fixture
def network() -> VideoUNet:
    return perturbed(VideoUNet(TEST)).eval()


@pytest.fixture
def folder(tmp_path: Path, network: VideoUNet) -> Path:
    save_model(tmp_path / "run" / "model", network, ABOUT)
    return tmp_path / "run" / "model"


def test_a_model_is_read_as_it_was_written(folder: Path, network: VideoUNet) -> None:
    model = load_model(folder)
    assert model.info == ABOUT
    assert not model.network.training
    x, c_noise, cond = torch.randn(1, 3, 3, 8, 8), torch.tensor([0.2]), text(2)
    assert torch.equal(model.network(x, c_noise, cond), network(x, c_noise, cond))
    assert model.denoiser(x, torch.tensor([1.0]), cond).shape == x.shape


def test_a_training_run_stands_for_its_model(folder: Path) -> None:
    assert load_model(folder.parent).sha256 == load_model(folder).sha256


def test_the_same_weights_are_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    model = load_model(folder)
    assert save_model(tmp_path / "again", model.network, model.info) == model.sha256
    for name in (WEIGHTS, INFO):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_loading_draws_no_random_number(folder: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    load_model(folder)
    assert torch.equal(torch.rand(1), expected)


def test_info_of_another_network_is_not_written(tmp_path: Path, network: VideoUNet) -> None:
    with pytest.raises(UsageError, match="another U-Net"):
        save_model(tmp_path / "m", network, replace(ABOUT, unet=replace(TEST, channels=16)))
    assert not (tmp_path / "m").exists()


def flip_a_weight(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)


def cut(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def edit(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        values = json.loads((folder / INFO).read_text())
        (folder / INFO).write_text(json.dumps({**values, **changes}))

    return change


def drop_json(folder: Path) -> None:
    (folder / INFO).unlink()


def drop_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def cut_json(folder: Path) -> None:
    (folder / INFO).write_text((folder / INFO).read_text()[:200])


def _with_hash(folder: Path) -> None:
    import hashlib

    edit(sha256=hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest())(folder)


def foreign_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"PK\x03\x04 a zip archive, as torch.save writes")
    _with_hash(folder)


def other_tensors(folder: Path) -> None:
    state = load_file(folder / WEIGHTS)
    state["extra"] = state.pop("input.bias")
    save_file(state, folder / WEIGHTS)
    _with_hash(folder)


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (flip_a_weight, PyocoEvalError, rf"{WEIGHTS}: sha256 .* copy both files"),
        (cut, PyocoEvalError, rf"{WEIGHTS}: sha256 .* copy both files"),
        (foreign_weights, PyocoEvalError, rf"{WEIGHTS}: is no safetensors file"),
        (other_tensors, PyocoEvalError, r"input.bias: missing\n  extra: the network has no such"),
        (drop_json, MissingError, rf"holds no {INFO}.*pyoco-eval train"),
        (drop_weights, MissingError, rf"has no {WEIGHTS}"),
        (cut_json, PyocoEvalError, rf"{INFO}: is not JSON"),
        (edit(format="other"), PyocoEvalError, rf"{INFO}: does not say it is a"),
        (edit(sha256=None), PyocoEvalError, rf"{INFO}: states no sha256"),
        (edit(step="many"), PyocoEvalError, rf"{INFO}: model.step: must be a whole number"),
        (edit(colour="red"), PyocoEvalError, rf"{INFO}: model.colour: no such key"),
        (edit(kind="image"), PyocoEvalError, "kind image does not fit a U-Net of temporal=True"),
        (edit(labels=["a"]), PyocoEvalError, "1 labels are named, the network has 0"),
    ],
)
def test_damaged_and_foreign_files(
    folder: Path, damage: Callable[[Path], None], error: type[Exception], message: str
) -> None:
    damage(folder)
    with pytest.raises(error, match=message):
        load_model(folder)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="there is no such folder"):
        load_model(tmp_path / "nothing")


@pytest.fixture
def described(tmp_path, network):
    """A model folder, and a way to write another description of it."""
    save_model(tmp_path, network, ABOUT)

    def describe(**changes):
        values = json.loads((tmp_path / "model.json").read_text())
        values.pop("description_sha256", None)
        unet = changes.pop("unet", {})
        values |= changes
        values["unet"] |= unet
        (tmp_path / "model.json").write_text(json.dumps(values))
        return tmp_path

    return describe


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"sigma_data": value}
            for value in (math.nan, -0.5, 0, math.inf, 1e30, "0.5", None, True)
        ),
        *({"fps": value} for value in (math.nan, 0, -8, 1e9)),
        *({"size": value} for value in ([0, 8], [8], [8.5, 8], [1 << 40, 8], "8x8")),
        *({"num_frames": value} for value in (0, -1, 1 << 40, 2.5)),
        {"unet": {"channels": 1 << 40}},
        {"unet": {"channels": 4096}},
        {"unet": {"channels": 0}},
        {"unet": {"head_channels": 0}},
        {"unet": {"multipliers": [], "num_blocks": []}},
        {"unet": {"dropout": math.nan}},
        {"unet": {"num_classes": -1}},
        {"unet": {"max_frame_distance": 0}},
        {"surplus": 1},
        {"kind": "film"},
        {"labels": "cat"},
    ],
    ids=str,
)
def test_a_description_that_makes_no_sense_is_refused(described, change):
    with pytest.raises(PyocoEvalError, match=r"model\.(json|safetensors)"):
        load_model(described(**change))


@pytest.mark.parametrize(
    ("preset", "digest"),
    [
        ("test", "3faba5439b98e0f2813395e14e0f9abb160eac4cfdcfab82c8ccc9c5702da0ed"),
        ("test-superres", "5ba495ef748850c771c75affc58bf5bfe06cb6fa3cb5ff7e42387fc388af3121"),
    ],
)
def test_descriptions_written_before_a_key_existed_keep_their_digest(preset, digest):
    assert ModelInfo(PRESETS[preset], "video", 4, 8.0, (16, 16)).digest() == digest


def test_a_changed_description_is_noticed_and_another_recipe(described, tmp_path):
    path = tmp_path / "model.json"
    text = path.read_text()
    changed = json.loads(text) | {"sigma_data": 0.25}
    path.write_text(json.dumps(changed))
    with pytest.raises(PyocoEvalError, match="was changed after it was written"):
        load_model(tmp_path)
    path.write_text(text)
    before = load_model(tmp_path).info
    after = load_model(described(sigma_data=0.25)).info
    assert before.digest() != after.digest()
    assert before.digest() == load_model(described(sigma_data=before.sigma_data)).info.digest()
    assert before.digest() == replace(before, step=7, provenance={"x": 1}).digest()
