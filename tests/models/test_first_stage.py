"""The VAE in front of a latent model: diffusers' own numbers, its hash, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers")
from small_vaes import save_vae, small_vae

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.models.checkpoint import ModelInfo
from pyoco_eval.models.config import UNetConfig
from pyoco_eval.models.first_stage import FirstStage, find_first_stage, open_first_stage, read_space
from pyoco_eval.models.latent_space import LatentSpace


def pictures(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def opened(folder: Path, **options: float) -> FirstStage:
    return open_first_stage(str(folder), "cpu", "latent.vae: x", **options)  # type: ignore[arg-type]


def test_latents_are_those_of_diffusers_shifted_and_scaled(tmp_path: Path) -> None:
    vae, stage = small_vae(), opened(save_vae(tmp_path))
    x = pictures(3)
    with torch.no_grad():
        posterior = vae.encode(x).latent_dist
    moments = stage.moments(x)
    assert moments.shape == (3, 2, 4, 8, 8)
    torch.testing.assert_close(moments[:, 0], (posterior.mean - 0.1) * 2, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(moments[:, 1], posterior.std * 2, rtol=1e-5, atol=1e-5)
    assert torch.equal(stage.encode(x), moments[:, 0])


def test_decoding_undoes_shift_and_scale_for_frames_and_videos(tmp_path: Path) -> None:
    vae, stage = small_vae(), opened(save_vae(tmp_path))
    latents = torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = vae.decode(latents / 2 + 0.1).sample
    frames = stage.decode(latents.double())
    torch.testing.assert_close(frames, expected, rtol=1e-5, atol=1e-5)
    videos = stage.decode(latents.reshape(2, 3, 4, 8, 8))
    assert torch.equal(videos, frames.reshape(2, 3, 3, 16, 16))


def test_on_a_cpu_a_frame_has_the_same_bits_whatever_goes_with_it(tmp_path: Path) -> None:
    stage = opened(save_vae(tmp_path))
    x = pictures(5)
    assert torch.equal(stage.moments(x)[3:4], stage.moments(x[3:4]))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(stage.moments(x[3:4]), stage.moments(x)[3:4]), "never in half"


def test_the_space_says_what_the_files_are(tmp_path: Path) -> None:
    folder = save_vae(tmp_path / "a")
    space = opened(folder).space
    assert (space.channels, space.downscale) == (4, 2)
    assert (space.scaling_factor, space.shift_factor) == (2.0, 0.1)
    assert space.vae == str(folder.resolve())
    assert opened(folder, scaling_factor=3.0).space == replace(space, scaling_factor=3.0)
    copy = opened(save_vae(tmp_path / "pipeline" / "vae").parent).space
    assert copy.decisive() == space.decisive(), "the folder of a pipeline, at another place"
    assert opened(save_vae(tmp_path / "b", seed=1)).space.sha256 != space.sha256
    assert opened(save_vae(tmp_path / "c", shift_factor=0.0)).space.sha256 != space.sha256


def test_what_a_config_leaves_out_is_as_in_diffusers(tmp_path: Path) -> None:
    space = opened(save_vae(tmp_path, scaling_factor=0.18215, shift_factor=None)).space
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    for key in ("scaling_factor", "shift_factor", "latent_channels"):
        del config[key]
    path.write_text(json.dumps(config))
    found, _ = read_space(str(tmp_path), "x")
    assert replace(found, sha256="") == replace(space, sha256="")
    config["block_out_channels"] = 3
    path.write_text(json.dumps(config))
    with pytest.raises(PyocoEvalError, match=r"latent.vae: x: .*config.json"):
        opened(tmp_path)


def damage_class(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"_class_name": "VQModel"}))


def damage_weights(folder: Path) -> None:
    weights = folder / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def pickle_alone(folder: Path) -> None:
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    torch.save(small_vae().state_dict(), folder / "diffusion_pytorch_model.bin")


def damage_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (damage_class, UsageError, "latent.vae: x: .*is of VQModel; .* must be AutoencoderKL"),
        (damage_weights, PyocoEvalError, "latent.vae: x cannot be read"),
        (pickle_alone, PyocoEvalError, "latent.vae: x cannot be read.*must be safetensors"),
        (damage_json, PyocoEvalError, "is not JSON"),
    ],
)
def test_what_is_no_vae_is_named(
    tmp_path: Path, damage: object, error: type[Exception], message: str
) -> None:
    folder = save_vae(tmp_path)
    damage(folder)  # type: ignore[operator]
    with pytest.raises(error, match=message):
        opened(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"latent.vae: x: no folder"):
        opened(tmp_path / "nothing")
    with pytest.raises(MissingError, match=r"config.json cannot be read"):
        opened(tmp_path)


def test_a_vae_is_found_where_it_was_or_beside_the_model(tmp_path: Path) -> None:
    space = opened(save_vae(tmp_path / "vae-of-mine")).space
    model = tmp_path / "run" / "model"
    model.mkdir(parents=True)
    assert find_first_stage(space, model, "cpu").space == space
    (tmp_path / "vae-of-mine").rename(tmp_path / "moved")
    with pytest.raises(MissingError, match=r"no folder .*vae-of-mine.*Put its folder, or a link"):
        find_first_stage(space, model, "cpu")
    for place in (tmp_path / "run" / "vae", model / "vae"):
        place.symlink_to(tmp_path / "moved")
        checkpoint = tmp_path / "run" / "checkpoints" / "step-1"
        folders = (model, checkpoint) if place.parent != model else (model,)
        for folder in folders:
            assert find_first_stage(space, folder, "cpu").space.sha256 == space.sha256
        place.unlink()
    save_vae(model / "vae", seed=1)
    with pytest.raises(PyocoEvalError, match=r"the model was trained with .*Put the right one"):
        find_first_stage(space, model, "cpu")


def test_another_scaling_factor_is_kept(tmp_path: Path) -> None:
    space = opened(save_vae(tmp_path / "vae"), scaling_factor=0.5).space
    assert find_first_stage(space, tmp_path, "cpu").space.scaling_factor == 0.5


SPACE = LatentSpace("x/y", "0" * 64, channels=4, downscale=2, scaling_factor=2.0)
UNET = UNetConfig(16, (1, 2), (1, 1), frame_channels=4, head_channels=16)


def described(**changes: object) -> ModelInfo:
    values: dict[str, object] = {
        "unet": UNET, "kind": "video", "num_frames": 4, "fps": 8, "size": (16, 24), "latent": SPACE,
    }  # fmt: skip
    return ModelInfo(**values | changes)  # type: ignore[arg-type]


def test_a_description_holds_the_space() -> None:
    info = described()
    assert ModelInfo.from_json(info.to_json()) == described(fps=8.0)
    assert info.frame_shape() == (4, 8, 12)
    assert info.size_multiple == 4
    assert info.frame_shape((32, 16)) == (4, 16, 8)
    assert described(latent=None).frame_shape() == (4, 16, 24)
    assert "latent" not in described(latent=None).to_json(), "older versions read it"


def test_the_place_of_the_vae_decides_nothing_and_its_hash_does() -> None:
    digest = described().digest()
    assert described(latent=replace(SPACE, vae="/elsewhere")).digest() == digest
    assert described(latent=replace(SPACE, sha256="1" * 64)).digest() != digest
    assert described(latent=replace(SPACE, scaling_factor=1.0)).digest() != digest
    assert described(latent=None).digest() != digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": (18, 16)}, "no multiple of 4"),
        ({"latent": replace(SPACE, channels=3)}, "latents of 3 channels do not fit a U-Net of 4"),
    ],
)
def test_a_space_that_does_not_fit_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        described(**changes)


def test_numbers_that_cannot_be_meant_are_refused() -> None:
    for changes in ({"scaling_factor": 0.0}, {"scaling_factor": float("nan")}, {"downscale": 0}):
        with pytest.raises(UsageError):
            replace(SPACE, **changes)
