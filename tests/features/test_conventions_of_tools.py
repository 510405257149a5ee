"""Whole scores against the tools themselves, on shared random weights and the same frames."""

import warnings
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torchvision
from cdfvd.fvd import cdfvd, get_i3d_logits
from cdfvd.third_party.i3d.pytorch_i3d import InceptionI3d
from golden_weights import i3d_tensors
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3

import pyoco_eval
from pyoco_eval.features.clip.text import load_clip_text
from pyoco_eval.features.i3d.checkpoint import read_i3d_tensors
from pyoco_eval.features.i3d.published_tensors import published_tensors
from pyoco_eval.metrics.frechet import frechet_distance


def clips(count: int, seed: int, num_frames: int = 10) -> np.ndarray:
    """(count, T, 36, 52, 3) uint8: smooth moving colours."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 3, 4, 4, 5), np.uint8)
    volume = torch.from_numpy(coarse).float()
    smooth = torch.nn.functional.interpolate(volume, (num_frames, 36, 52), mode="trilinear")
    return smooth.permute(0, 2, 3, 4, 1).round().to(torch.uint8).numpy()


@pytest.fixture(scope="module")
def i3d_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "i3d.data"
    tensors = dict(i3d_tensors())
    with path.open("wb") as checkpoint:
        for record in published_tensors():
            checkpoint.seek(record.offset)
            checkpoint.write(tensors[record.name].tobytes())
    return path


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = torchvision.models.inception_v3(
            weights=None, num_classes=1008, aux_logits=False, init_weights=False
        )
    torch.save(network.state_dict(), path)
    return path


@pytest.mark.slow
def test_cd_fvd(i3d_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its preprocessing, network, running sums and matrix square root."""
    network = InceptionI3d(400, in_channels=3)
    missing = network.load_state_dict(read_i3d_tensors(i3d_file), strict=False).missing_keys
    assert all(name.endswith("num_batches_tracked") for name in missing)
    monkeypatch.setattr("cdfvd.fvd.load_i3d_model", lambda *_: network.eval())
    tool = cdfvd("i3d", device="cpu")
    generated, real = clips(6, 1), clips(5, 2)
    get_i3d_logits(tool.fake_stats, tool.model, generated, device="cpu")
    get_i3d_logits(tool.real_stats, tool.model, real, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # scipy: sqrtm's argument `disp`
        expected = tool.compute_fvd_from_stats()
    found = pyoco_eval.fvd(
        generated,
        real,
        convention="cd-fvd",
        weights={"i3d": i3d_file},
        num_frames=10,
        allow_small=True,
    )
    assert found.value == pytest.approx(expected, rel=2e-4)
    assert found.signature.get("cov") == "n"
    others = [
        pyoco_eval.fvd(
            generated,
            real,
            convention=name,
            weights={"i3d": i3d_file},
            num_frames=10,
            allow_small=True,
        ).value
        for name in ("tats", "tf-fvd")
    ]
    assert all(abs(other - expected) > 20 * abs(found.value - expected) for other in others)


@pytest.mark.slow
def test_torchmetrics(inception_file: Path) -> None:
    generated, real = clips(2, 3, 5), clips(2, 4, 5)
    network = NoTrainInceptionV3(
        name="inception-v3-compat",
        features_list=["2048"],
        feature_extractor_weights_path=str(inception_file),
    )
    metric = FrechetInceptionDistance(feature=network)
    for frames, is_real in ((real, True), (generated, False)):
        images = torch.from_numpy(frames).flatten(end_dim=1).permute(0, 3, 1, 2)
        metric.update(images, real=is_real)
    expected = float(metric.compute())
    found = pyoco_eval.evaluate(
        generated,
        real,
        metrics=["fid"],
        conventions={"fid": "torchmetrics"},
        also_as=["clean", "legacy-tf"],
        weights={"inception": inception_file},
        num_frames=5,
        allow_small=True,
    )
    values = [score.value for score in found.scores]
    assert values[0] == pytest.approx(expected, rel=1e-3)
    assert all(abs(other - expected) > 10 * abs(values[0] - expected) for other in values[1:])


@pytest.mark.slow
def test_torch_fidelity_clip_and_the_text_tower(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = open_clip.create_model("ViT-B-32-quickgelu", pretrained=None).eval()
    torch.save(model.state_dict(), tmp_path / "clip.pt")
    generated, real = clips(2, 5, 4), clips(2, 6, 4)
    rows = []
    for frames in (generated, real):
        images = torch.from_numpy(frames).flatten(end_dim=1).permute(0, 3, 1, 2).float()
        resized = interpolate_bilinear_2d_like_tensorflow1x(images, (224, 224), align_corners=False)
        mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1) * 255
        std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1) * 255
        with torch.no_grad():
            rows.append(model.encode_image((resized - mean) / std).numpy())
    first, second = (np.asarray(part, np.float64) for part in rows)
    expected = frechet_distance(first, second).distance
    found = pyoco_eval.clip_fid(
        generated,
        real,
        convention="torch-fidelity-clip",
        weights={"clip": tmp_path / "clip.pt"},
        num_frames=4,
        allow_small=True,
    )
    assert found.value == pytest.approx(expected, rel=1e-4)

    captions = ["a red square slides", "Ünïcode and a very long text " * 20]
    encoder = load_clip_text(tmp_path / "clip.pt")
    with torch.no_grad():
        tokens = open_clip.get_tokenizer("ViT-B-32-quickgelu")(captions)
        texts = model.encode_text(tokens).numpy()
    np.testing.assert_allclose(encoder.encode(captions), texts, rtol=1e-4, atol=1e-4)
    assert encoder.truncated == 1
