"""Every container of the I3D weights, and every way in which one can be wrong."""

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_weights import i3d_tensors, weight_file
from safetensors.torch import save_file

from pyoco_eval.errors import MissingError
from pyoco_eval.features.i3d import checkpoint as i3d_checkpoint
from pyoco_eval.features.i3d import published_tensors as table
from pyoco_eval.features.i3d.checkpoint import load_i3d_network
from pyoco_eval.features.i3d.extractor import PUBLISHED, load_i3d
from pyoco_eval.features.i3d.published_tensors import (
    CHECKPOINT_BYTES,
    masked_crc32c,
    port_name,
    published_shapes,
    published_tensors,
)
from pyoco_eval.features.loading.state_dict import WeightsError

Tensors = dict[str, torch.Tensor]
STEM = "Conv3d_1a_7x7"


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return dict(i3d_tensors())


@pytest.fixture(scope="module")
def content(arrays: dict[str, np.ndarray]) -> bytes:
    return b"".join(array.tobytes() for array in arrays.values())


@pytest.fixture(scope="module")
def checkpoint(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("i3d") / "checkpoint.bin"
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def port(arrays: dict[str, np.ndarray]) -> Tensors:
    """The same numbers as the PyTorch ports store them."""
    state = {}
    for name, array in arrays.items():
        tensor = torch.from_numpy(array)
        state[port_name(name)] = tensor.permute(4, 3, 0, 1, 2) if tensor.ndim == 5 else tensor
    for name in [name for name in state if name.endswith("bn.bias")]:
        prefix = name.removesuffix("bias")
        state[f"{prefix}weight"] = torch.ones_like(state[name])
        state[f"{prefix}num_batches_tracked"] = torch.tensor(0)
    return {name: tensor.contiguous() for name, tensor in state.items()}


@pytest.fixture
def published_by_us(arrays: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the checksums of the table be those of the seeded weights."""
    records = tuple(
        replace(record, checksum=masked_crc32c(arrays[record.name].tobytes()))
        for record in published_tensors()
    )
    for module in (table, i3d_checkpoint):
        monkeypatch.setattr(module, "published_tensors", lambda: records)


def write_state_dict(path: Path, state: Tensors) -> None:
    torch.save(state, path)


def write_safetensors(path: Path, state: Tensors) -> None:
    save_file(state, path)


def write_old_state_dict(path: Path, state: Tensors) -> None:
    """The container of PyTorch before 1.6, which is no zip."""
    torch.save(state, path, _use_new_zipfile_serialization=False)


def parameters(path: Path) -> Tensors:
    return load_i3d_network(path, 1e-3)[0].state_dict()


def assert_same(found: Tensors, expected: Tensors) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("write", [write_state_dict, write_safetensors, write_old_state_dict])
def test_ports_hold_the_same_network(
    write: Callable[[Path, Tensors], None], port: Tensors, checkpoint: Path, tmp_path: Path
) -> None:
    write(tmp_path / "weights", port)
    assert_same(parameters(tmp_path / "weights"), parameters(checkpoint))


@pytest.mark.parametrize("hub_shapes", [True, False])
def test_tensorflow_names_in_safetensors(
    hub_shapes: bool, arrays: dict[str, np.ndarray], checkpoint: Path, tmp_path: Path
) -> None:
    """TF-Hub keeps batch normalisation as 1x1x1x1xC, GitHub as C."""
    state = {
        name: torch.from_numpy(array.reshape(1, 1, 1, 1, -1) if lengthen else array)
        for name, array in arrays.items()
        for lengthen in [hub_shapes and "batch_norm" in name]
    }
    save_file(state, tmp_path / "hub.safetensors")
    assert_same(parameters(tmp_path / "hub.safetensors"), parameters(checkpoint))


def test_scale_of_batch_normalisation_is_used(port: Tensors, tmp_path: Path) -> None:
    scaled = port | {f"{STEM}.bn.weight": torch.full((64,), 2.0)}
    write_state_dict(tmp_path / "plain.pt", port)
    write_state_dict(tmp_path / "scaled.pt", scaled)
    name = f"stages.{STEM}.weight"
    plain, doubled = (parameters(tmp_path / file)[name] for file in ("plain.pt", "scaled.pt"))
    torch.testing.assert_close(doubled, 2 * plain)


def test_own_weights_keep_the_identity_of_their_file(checkpoint: Path) -> None:
    file = weight_file(checkpoint)
    identity = load_i3d(file).spec.weights
    assert (identity.short, identity.digest) == (file.short, file.digest)
    assert not identity.published


@pytest.mark.usefixtures("published_by_us")
def test_published_numbers_are_recognised_in_any_container(
    checkpoint: Path, port: Tensors, tmp_path: Path
) -> None:
    write_state_dict(tmp_path / "port.pt", port)
    for path in (checkpoint, tmp_path / "port.pt"):
        assert load_i3d(weight_file(path)).spec.weights == PUBLISHED
    assert PUBLISHED.digest.removeprefix("gitblob:").startswith(PUBLISHED.short)


@pytest.mark.usefixtures("published_by_us")
@pytest.mark.parametrize("name", [f"{STEM}.bn.weight", "logits.conv3d.bias"])
def test_altered_port_is_not_the_published_one(port: Tensors, name: str, tmp_path: Path) -> None:
    write_state_dict(tmp_path / "port.pt", port | {name: port[name] * 1.5})
    assert not load_i3d(weight_file(tmp_path / "port.pt")).spec.weights.published


@pytest.mark.usefixtures("published_by_us")
def test_damaged_checkpoint_names_tensor_and_offset(content: bytes, tmp_path: Path) -> None:
    record = published_tensors()[100]
    broken = bytearray(content)
    broken[record.offset + record.num_bytes - 1] ^= 1
    path = tmp_path / "model.ckpt"
    path.write_bytes(broken)
    with pytest.raises(WeightsError, match="damaged: 229 of 230 tensors") as error:
        load_i3d(weight_file(path))
    assert f"{record.name} at byte {record.offset}" in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "change",
    [lambda c: c[:-4], lambda c: c + b"\0", lambda c: b"<!DOCTYPE html>", lambda c: b""],
    ids=["cut", "longer", "page", "empty"],
)
def test_other_sizes_are_refused(
    change: Callable[[bytes], bytes], content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(change(content))
    with pytest.raises(WeightsError, match=f"{path.stat().st_size} bytes.*{CHECKPOINT_BYTES}"):
        load_i3d_network(path, 1e-3)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="nowhere"):
        load_i3d_network(tmp_path / "nowhere.pt", 1e-3)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("Mixed_5b.b2b.conv3d.weight", None, "Mixed_5b.b2b.conv3d.weight"),
        ("logits.conv3d.bias", torch.zeros(600), "(600,) instead of (400,)"),
        ("Mixed_3b.b0.bn.bias", torch.full((64,), torch.nan), "Mixed_3b.b0.bn.bias"),
        ("head.weight", torch.zeros(3), "head.weight"),
        (f"{STEM}.bn.running_var", torch.full((64,), -0.5), "running_var holds -0.5"),
    ],
)
def test_wrong_tensors_are_named(
    name: str, value: torch.Tensor | None, message: str, port: Tensors, tmp_path: Path
) -> None:
    state = {key: tensor for key, tensor in port.items() if key != name}
    write_state_dict(tmp_path / "port.pt", state if value is None else state | {name: value})
    with pytest.raises(WeightsError) as error:
        load_i3d_network(tmp_path / "port.pt", 1e-3)
    assert message in str(error.value)
    assert "Readable: " in str(error.value)


def test_torchscript_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "i3d_torchscript.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py", "version"):
            archive.writestr(f"i3d_torchscript/{name}", b"")
    with pytest.raises(WeightsError, match="TorchScript port of I3D, which is not read"):
        load_i3d_network(path, 1e-3)


def test_imagenet_network_is_refused(
    port: Tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rgb_imagenet.pt"
    write_state_dict(path, port)
    stored = path.read_bytes()
    blob = hashlib.sha1(f"blob {len(stored)}\0".encode() + stored).hexdigest()
    monkeypatch.setattr(i3d_checkpoint, "IMAGENET_BLOBS", {blob: "that file"})
    with pytest.raises(WeightsError, match="this is that file, pre-trained on ImageNet"):
        load_i3d_network(path, 1e-3)


def test_names_of_both_worlds_pair_up() -> None:
    names = {record.port_name for record in published_tensors()}
    assert len(names) == 230
    assert len(published_shapes()) == 287
    assert sum(record.num_bytes for record in published_tensors()) == CHECKPOINT_BYTES
    scope = "RGB/inception_i3d"
    for letter in "ab":
        name = f"{scope}/Mixed_5b/Branch_2/Conv3d_0{letter}_3x3/conv_3d/w"
        assert port_name(name) == "Mixed_5b.b2b.conv3d.weight"
    assert port_name(f"{scope}/Mixed_5b/Branch_2/Conv3d_0a_5x5/conv_3d/w") is None
    assert port_name(f"{scope}/{STEM}/batch_norm/gamma") is None
    assert port_name("global_step") is None


def test_mask_of_checksums() -> None:
    """CRC-32C of these nine digits is 0xe3069283 (RFC 3720); rotated by 15 bits and shifted."""
    crc = 0xE3069283
    rotated = int(f"{crc:032b}"[-15:] + f"{crc:032b}"[:-15], 2)
    assert masked_crc32c(b"123456789") == (rotated + 0xA282EAD8) % 2**32
