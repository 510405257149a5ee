"""C3D against Chainer's own outputs, and the ways in which its two files can be wrong."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from golden_weights import c3d_arrays, golden_rng, mean_cube, relative_l2, weight_file

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.features.c3d import extractor as features_c3d
from pyoco_eval.features.c3d.checkpoint import load_c3d_network, load_mean
from pyoco_eval.features.c3d.extractor import C3DExtractor, load_c3d
from pyoco_eval.features.loading.state_dict import WeightsError


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("c3d") / "conv3d_deepnetA_ucf.npz"
    np.savez(path, **c3d_arrays())
    return path


@pytest.fixture(scope="module")
def mean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("c3d") / "mean2.npz"
    np.savez(path, mean=mean_cube())
    return path


@pytest.fixture(scope="module")
def c3d(weights: Path, mean: Path) -> C3DExtractor:
    return load_c3d(weight_file(weights, "c3d"), weight_file(mean, "c3d-mean"))


def with_choices(c3d: C3DExtractor, mean: Path, **choices: str) -> C3DExtractor:
    """The same network under other choices, without loading 300 MB again."""
    return C3DExtractor(c3d.network, load_mean(mean), replace(c3d.spec, **choices))


def golden_clip(height: int, width: int) -> np.ndarray:
    pixels = golden_rng(f"x{height}x{width}").randint(0, 256, (1, 3, 16, height, width))
    slow = pixels[:, :, ::4].repeat(4, axis=2)
    return slow.transpose(0, 2, 3, 4, 1).astype(np.uint8)


@pytest.mark.parametrize("size", [(64, 64), (112, 112), (128, 128), (240, 320)])
def test_equals_the_chainer_graph(
    c3d: C3DExtractor, shared_data: Path, size: tuple[int, int]
) -> None:
    golden = np.load(shared_data / "golden" / "c3d_chainer.npz")
    expected = golden["{}x{}".format(*size)].reshape(-1)
    assert relative_l2(c3d(golden_clip(*size))[0], expected) < 1e-5


def test_prepare_is_pixel_less_mean(c3d: C3DExtractor, mean: Path) -> None:
    """At 112 x 112 nothing is interpolated; the cube is BGR and cut at 8..119, not centred."""
    frames = golden_clip(112, 112)[0]
    cube = mean_cube()[:, :, 8:120, 8:120]
    pixels = frames[..., ::-1].transpose(3, 0, 1, 2).astype(np.float64)
    for scaling, unit in (
        ("2x/255-1", pixels / 255 * 2 - 1),
        ("(x-128)/128", (pixels - 128) / 128),
    ):
        expected = (unit * 128 + (128 - cube))[::-1].transpose(1, 0, 2, 3)
        found = with_choices(c3d, mean, scaling=scaling).prepare(frames)
        assert found.is_contiguous()
        np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-4)


def test_layers_follow_from_each_other(c3d: C3DExtractor, mean: Path) -> None:
    clip = golden_clip(64, 64)
    found = {
        layer: torch.from_numpy(with_choices(c3d, mean, layer=layer)(clip))
        for layer in ("fc6", "fc7", "logits", "probs")
    }
    net = c3d.network
    with torch.no_grad():
        fc7 = torch.relu(found["fc6"] @ net.fc7.weight.T + net.fc7.bias)
        logits = found["fc7"] @ net.fc8.weight.T + net.fc8.bias
    torch.testing.assert_close(found["fc7"], fc7)
    torch.testing.assert_close(found["logits"], logits)
    torch.testing.assert_close(found["probs"], logits.softmax(1))
    assert found["fc6"].min() == 0
    assert found["probs"].sum().item() == pytest.approx(1, abs=1e-5)


def test_pools_cut_windows_at_the_end_only(c3d: C3DExtractor) -> None:
    """Explicit padding: nothing at the start, minus infinity at the end, as 7 -> 4 at pool5."""
    x = torch.from_numpy(golden_rng("pools").uniform(-120, 140, (1, 3, 16, 112, 112))).float()
    expected, pooled = x, ("conv1a", "conv2a", "conv3b", "conv4b", "conv5b")
    with torch.inference_mode():
        found = c3d.network.convolve(x)
        for name, layer in c3d.network.convolutions.items():
            expected = F.relu(F.conv3d(expected, layer.weight, layer.bias, padding=1))
            if name in pooled:
                ends = [n for size in expected.shape[:1:-1] for n in (0, size % 2)]
                expected = F.pad(expected, ends, value=-torch.inf)
                expected = F.max_pool3d(expected, (1 if name == "conv1a" else 2, 2, 2))
    assert found.shape == (1, 512, 1, 4, 4)
    assert relative_l2(found.numpy(), expected.numpy()) < 1e-5


def test_spec(c3d: C3DExtractor, weights: Path, mean: Path) -> None:
    spec = c3d.spec
    assert (spec.name, spec.network, spec.layer, spec.dim) == ("c3d", "ucf101", "logits", 101)
    assert spec.resize.spec() == "112-aligncornersbilinear-squash"
    assert spec.scaling == "2x/255-1"
    assert spec.weights.short == weight_file(weights, "c3d").short
    assert spec.variant == f"mean{weight_file(mean, 'c3d-mean').short}"
    assert not spec.weights.published


@pytest.mark.parametrize("network", [True, False])
@pytest.mark.parametrize("cube", [True, False])
def test_published_needs_both_files(
    network: bool, cube: bool, c3d: C3DExtractor, mean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features_c3d, "load_c3d_network", lambda path: c3d.network)
    extractor = load_c3d(
        weight_file(Path("weights.npz"), "c3d", published=network),
        weight_file(mean, "c3d-mean", published=cube),
    )
    assert extractor.spec.weights.published == (network and cube)


@pytest.mark.parametrize("num_frames", [15, 17])
def test_other_lengths_are_refused(c3d: C3DExtractor, num_frames: int) -> None:
    with pytest.raises(UsageError, match=f"exactly 16 frames, found {num_frames}"):
        c3d.prepare(np.zeros((num_frames, 16, 16, 3), np.uint8))
    with pytest.raises(UsageError, match=f"exactly 16 frames, found {num_frames}"):
        c3d.extract(torch.zeros(1, num_frames, 3, 112, 112))


@pytest.mark.parametrize("choice", [{"layer": "fc8"}, {"scaling": "x/255"}])
def test_impossible_choices(weights: Path, mean: Path, choice: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="is not one of"):
        load_c3d(weight_file(weights), weight_file(mean), **choice)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(3, 16, 128, 171), (1, 3, 16, 128, 171), (3, 1, 16, 128, 171)])
def test_mean_cube_with_extra_axes(shape: tuple[int, ...], mean: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "mean.npz", mean=mean_cube().reshape(shape).astype(np.float64))
    torch.testing.assert_close(load_mean(tmp_path / "mean.npz"), load_mean(mean), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"average": np.zeros(3)}, "has no array `mean`, only average"),
        ({"mean": np.zeros((3, 16, 171, 128))}, r"expected floating-point \(3, 16, 128, 171\)"),
        ({"mean": np.zeros((3, 16, 128, 171), np.uint8)}, "is uint8"),
        ({"mean": np.full((3, 16, 128, 171), np.nan)}, r"outside 0\.\.255"),
        ({"mean": np.full((3, 16, 128, 171), -0.5)}, r"outside 0\.\.255"),
    ],
)
def test_wrong_mean(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "mean.npz", **arrays)
    with pytest.raises(WeightsError, match=message):
        load_mean(tmp_path / "mean.npz")


def test_wrong_weights(mean: Path, tmp_path: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"not the weights of C3D with 101 classes.*mean.*conv3d_deepnetA"
    ):
        load_c3d_network(mean)
    with pytest.raises(MissingError, match="nowhere"):
        load_c3d_network(tmp_path / "nowhere.npz")
    page = tmp_path / "page.npz"
    page.write_bytes(b"<html>")
    with pytest.raises(WeightsError, match="not a NumPy archive: starts with b'<htm'"):
        load_c3d_network(page)
    with zipfile.ZipFile(tmp_path / "c3d_ucf101.pt", "w") as archive:
        archive.writestr("c3d/data.pkl", b"")
    with pytest.raises(WeightsError, match="a zip, but not a NumPy archive"):
        load_c3d_network(tmp_path / "c3d_ucf101.pt")
    np.savez(tmp_path / "objects.npz", mean=np.array([{}], dtype=object))
    with pytest.raises(WeightsError, match="not plain arrays"):
        load_mean(tmp_path / "objects.npz")


def test_cut_off_archive(mean: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.npz").write_bytes(mean.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="damaged"):
        load_mean(tmp_path / "cut.npz")
