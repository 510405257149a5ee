"""The FID Inception against pytorch-fid, clean-fid and torch-fidelity on shared random weights."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cleanfid.resize
import numpy as np
import pytest
import pytorch_fid.inception
import torch
import torchvision
from safetensors.torch import save_file
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.features.inception.extractor import InceptionExtractor, load_inception
from pyoco_eval.features.inception.network import LAYER_DIMS
from pyoco_eval.features.loading.state_dict import WeightsError
from pyoco_eval.videos.resize import ResizeRule
from pyoco_eval.weights import WeightFile

PYTORCH_FID = ResizeRule(299, "bilinear")
CLEAN = ResizeRule(299, "pil-bicubic-float")
LEGACY_TF = ResizeRule(299, "tf1-bilinear")
SIZES = [(64, 64), (299, 299), (240, 320), (350, 123)]  # (H, W)
TOLERANCE = 3e-6  # relative L2 in float32; measured at most 1.2e-6

StateDict = dict[str, torch.Tensor]


def weight_file(path: Path, *, published: bool = False) -> WeightFile:
    return WeightFile("inception", path, "sha256:" + "0a" * 32, published)


def images(height: int, width: int, *, count: int = 2, seed: int = 0) -> np.ndarray:
    """(count, height, width, 3) uint8: waves of several lengths plus noise."""
    generator = np.random.Generator(np.random.PCG64(seed))
    rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
    pictures = generator.normal(0, 20, (count, height, width, 3)) + 128
    for _ in range(6):
        angle, phase = generator.uniform(0, 2 * np.pi, (2, count, 1, 1, 3))
        length = 2 * np.pi * generator.uniform(1, 20, (count, 1, 1, 3))
        wave = np.cos(angle) * rows[None, :, :, None] + np.sin(angle) * columns[None, :, :, None]
        pictures += 30 * np.sin(length * wave + phase)
    return pictures.clip(0, 255).astype(np.uint8)


def relative_error(found: np.ndarray, expected: torch.Tensor) -> float:
    truth = expected.detach().double().numpy()
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def peer_network(state: StateDict, monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    """pytorch-fid's network with `state` in place of its download."""
    monkeypatch.setattr(pytorch_fid.inception, "load_state_dict_from_url", lambda *_, **__: state)
    return pytorch_fid.inception.fid_inception_v3()


@pytest.fixture(scope="module")
def published_state() -> StateDict:
    """Random tensors in the published format, with activations of ordinary size everywhere.

    Batch statistics are measured on images, then moved, so that no normalisation is an identity.
    """
    with pytest.MonkeyPatch.context() as monkeypatch, torch.random.fork_rng():
        torch.manual_seed(0)
        blank = torchvision.models.inception_v3(
            weights=None, num_classes=1008, aux_logits=False, init_weights=False
        )
        network = peer_network(blank.state_dict(), monkeypatch)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight)
        with torch.no_grad():
            network.train()(
                torch.from_numpy(images(299, 299, count=4)).permute(0, 3, 1, 2) / 127.5 - 1
            )
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                for tensor in (module.weight, module.running_var):
                    tensor.data *= torch.empty_like(tensor).uniform_(0.8, 1.25)
                for tensor in (module.bias, module.running_mean):
                    tensor.data += torch.empty_like(tensor).normal_(0, 0.1)
        return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@pytest.fixture(scope="module")
def published_path(published_state: StateDict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "inception.pth"
    torch.save(published_state, path)
    return path


@pytest.fixture(scope="module")
def loaded(published_path: Path) -> InceptionExtractor:
    return load_inception(weight_file(published_path))


@pytest.fixture
def extractor(loaded: InceptionExtractor) -> Callable[..., InceptionExtractor]:
    """The loaded network read at another layer or fed through another input path."""

    def with_spec(**changes: Any) -> InceptionExtractor:
        return InceptionExtractor(loaded.network, dataclasses.replace(loaded.spec, **changes))

    return with_spec


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_every_layer_equals_torch_fidelity_from_uint8(
    height: int,
    width: int,
    published_path: Path,
    extractor: Callable[..., InceptionExtractor],
) -> None:
    names = {"pool3": "2048", "logits-unbiased": "logits_unbiased"}
    layers = [layer for layer in LAYER_DIMS if layer != "probs"]
    peer = FeatureExtractorInceptionV3(
        "peer", [names.get(layer, layer) for layer in layers], str(published_path)
    )
    frames = images(height, width)
    with torch.no_grad():
        expected = peer(torch.from_numpy(frames).permute(0, 3, 1, 2))
    for layer, truth in zip(layers, expected, strict=True):
        features = extractor(layer=layer, resize=LEGACY_TF, scaling="(x-128)/128")(frames)
        assert features.shape == (2, LAYER_DIMS[layer])
        assert features.dtype == np.float32
        assert relative_error(features, truth) < TOLERANCE, layer


@pytest.mark.parametrize("dim", [64, 192, 768, 2048])
@pytest.mark.parametrize(("height", "width"), SIZES[2:])
def test_pytorch_fid_input_path_and_dims(
    height: int,
    width: int,
    dim: int,
    published_state: StateDict,
    extractor: Callable[..., InceptionExtractor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peer_network(published_state, monkeypatch)
    block = pytorch_fid.inception.InceptionV3.BLOCK_INDEX_BY_DIM[dim]
    peer = pytorch_fid.inception.InceptionV3([block], resize_input=True).eval()
    frames = images(height, width)
    with torch.no_grad():
        expected = peer(torch.from_numpy(frames).permute(0, 3, 1, 2) / 255)[0].mean(dim=(2, 3))
    layer = "pool3" if dim == 2048 else str(dim)
    found = extractor(layer=layer, resize=PYTORCH_FID, scaling="2x/255-1")(frames)
    assert relative_error(found, expected) < TOLERANCE


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_clean_fid_input_path(
    height: int,
    width: int,
    published_state: StateDict,
    loaded: InceptionExtractor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peer_network(published_state, monkeypatch)
    peer = pytorch_fid.inception.InceptionV3([3], resize_input=False, normalize_input=False).eval()
    frames = images(height, width)
    resize = cleanfid.resize.build_resizer("clean")
    resized = np.stack([resize(frame) for frame in frames])
    with torch.no_grad():
        expected = peer((torch.from_numpy(resized).permute(0, 3, 1, 2) - 128) / 128)[0]
    assert relative_error(loaded(frames), expected.flatten(1)) < TOLERANCE


def test_the_input_paths_are_told_apart(extractor: Callable[..., InceptionExtractor]) -> None:
    frames = images(240, 320)
    paths = [(CLEAN, "(x-128)/128"), (PYTORCH_FID, "2x/255-1"), (LEGACY_TF, "(x-128)/128")]
    features = [extractor(resize=rule, scaling=scaling)(frames) for rule, scaling in paths]
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        assert relative_error(features[i], torch.from_numpy(features[j])) > 100 * TOLERANCE


def test_folding_is_as_exact_as_the_unfolded_network(
    published_state: StateDict, loaded: InceptionExtractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = peer_network(published_state, monkeypatch).double().eval()
    frames = images(299, 299)
    with torch.no_grad():
        logits = peer((torch.from_numpy(frames).permute(0, 3, 1, 2).double() - 128) / 128)
        probs = logits.softmax(dim=1)
    batch = loaded.prepare(frames)
    for layer, truth in {"logits": logits, "probs": probs}.items():
        found = loaded.network(batch, layer).numpy()
        assert relative_error(found, truth) < TOLERANCE


def test_features_do_not_depend_on_the_batch(loaded: InceptionExtractor) -> None:
    frames = images(100, 80, count=5)
    alone = np.concatenate([loaded(frame[None]) for frame in frames])
    np.testing.assert_allclose(loaded(frames), alone, rtol=1e-4, atol=1e-5 * np.abs(alone).max())


def test_spec_tells_what_was_loaded(published_path: Path) -> None:
    found = load_inception(weight_file(published_path, published=True))
    assert found.kind == "image"
    assert (found.spec.name, found.spec.network) == ("inception", "fid2015")
    assert (found.spec.layer, found.spec.dim) == ("pool3", 2048)
    assert (found.spec.resize, found.spec.scaling) == (CLEAN, "(x-128)/128")
    assert (found.spec.weights.short, found.spec.weights.published) == ("0a0a0a0a", True)
    assert found.prepare(images(20, 30)).shape == (2, 3, 299, 299)
    assert not any(parameter.requires_grad for parameter in found.network.parameters())


def test_safetensors_and_training_wrappers_give_the_same_features(
    published_state: StateDict, loaded: InceptionExtractor, tmp_path: Path
) -> None:
    frames = images(64, 48)
    save_file(published_state, tmp_path / "model.bin")
    wrapped = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in published_state.items()}}
    torch.save(wrapped, tmp_path / "wrapped.pt")
    for name in ("model.bin", "wrapped.pt"):
        again = load_inception(weight_file(tmp_path / name))
        np.testing.assert_array_equal(again(frames), loaded(frames))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "pool4"}, r"layer 'pool4' is not one of 64, 192, 768, pool3, logits"),
        ({"scaling": "x/255"}, r"scaling 'x/255' is not one of 2x/255-1, \(x-128\)/128"),
        ({"resize": ResizeRule(224, "bilinear")}, r"frames of 299 pixels, not 224-bilinear"),
    ],
)
def test_options_that_cannot_be_meant(
    options: dict[str, Any], message: str, published_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        load_inception(weight_file(published_path), **options)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("fc.bias", None, r"472 tensors: 1 missing \(fc\.bias\)"),
        ("fc.bias", torch.zeros(1000), r"fc\.bias \(1000,\) instead of \(1008,\)"),
        ("AuxLogits.fc.bias", torch.zeros(8), r"1 not part of it \(AuxLogits\.fc\.bias\)"),
        ("fc.bias", torch.full((1008,), torch.nan), r"1 not finite .* \(fc\.bias\)"),
        ("Mixed_6a.branch3x3.bn.running_var", -torch.ones(384), r"6a.*running_var .* negative"),
    ],
)
def test_other_weights_are_refused_by_tensor(
    name: str,
    change: torch.Tensor | None,
    message: str,
    published_state: StateDict,
    tmp_path: Path,
) -> None:
    state = {key: value for key, value in published_state.items() if key != name}
    torch.save(state if change is None else state | {name: change}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=message) as caught:
        load_inception(weight_file(tmp_path / "other.pth"))
    assert "other.pth" in str(caught.value)
    assert "pt_inception-2015-12-05-6726825d.pth" in str(caught.value)


def test_files_that_are_no_weights(published_path: Path, tmp_path: Path) -> None:
    content = published_path.read_bytes()
    files = {
        "cut.pth": (content[: len(content) // 2], "truncated or damaged zip"),
        "text.pth": (b"<html>404 Not Found</html>", "not a readable weight file"),
        "empty.pth": (b"", "not a readable weight file"),
    }
    for name, (body, message) in files.items():
        (tmp_path / name).write_bytes(body)
        with pytest.raises(WeightsError, match=f"{name}: .*{message}.*Get the file again"):
            load_inception(weight_file(tmp_path / name))
    torch.save([torch.zeros(3)], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="holds a list, not a state dict"):
        load_inception(weight_file(tmp_path / "list.pth"))
    with pytest.raises(MissingError, match=r"absent\.pth: cannot be read"):
        load_inception(weight_file(tmp_path / "absent.pth"))


def test_pickled_code_is_refused(tmp_path: Path) -> None:
    torch.save({"fc.weight": Path("/")}, tmp_path / "code.pth")
    with pytest.raises(WeightsError, match="not a readable weight file"):
        load_inception(weight_file(tmp_path / "code.pth"))
