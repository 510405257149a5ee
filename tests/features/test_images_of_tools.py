"""Folders and arrays of images beside clean-fid, pytorch-fid and torch-fidelity.

The same files and the same random weights go into both; rows are equal in number and order, and
distances agree. Shallow features keep the covariances of few images regular, for the tools' matrix
square roots are inexact where they are not.
"""

import warnings
from pathlib import Path

import cleanfid.fid
import numpy as np
import pytest
import pytorch_fid.fid_score
import pytorch_fid.inception
import torch
import torch_fidelity
import torchvision
from PIL import Image

import pyoco_eval
from pyoco_eval.features.inception.extractor import load_inception
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.videos.resize import ResizeRule
from pyoco_eval.weights import WeightFile

LAYER = "64"
COUNT = 72


def pictures(seed: int, count: int = COUNT, size: int = 40) -> np.ndarray:
    """(count, size, size, 3) uint8: smooth colours with noise."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.integers(0, 256, (count, 3, 5, 5), np.uint8)).float()
    smooth = torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic")
    noisy = smooth.permute(0, 2, 3, 1).numpy() + rng.normal(0, 8, (count, size, size, 3))
    return noisy.clip(0, 255).astype(np.uint8)


def save(folder: Path, images: np.ndarray, *, classes: int = 0, varied: bool = False) -> Path:
    """PNG and JPEG files, in class folders if asked, of varied sizes if asked."""
    for number, image in enumerate(images):
        own = folder / f"class{number % classes}" if classes else folder
        own.mkdir(parents=True, exist_ok=True)
        shown = image[: 24 + number % 17, : 24 + number % 13] if varied else image
        suffix = "jpg" if number % 3 == 0 else "png"
        Image.fromarray(shown).save(own / f"{number:05d}.{suffix}", quality=95)
    return folder


@pytest.fixture(scope="module")
def inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = torchvision.models.inception_v3(
            weights=None, num_classes=1008, aux_logits=False, init_weights=False
        )
    torch.save(network.state_dict(), path)
    return path


def rows(place: object, convention: str, inception: Path) -> np.ndarray:
    found = pyoco_eval.extract_features(
        place,  # type: ignore[arg-type]
        "inception",
        convention=convention,
        layer=LAYER,
        weights={"inception": inception},
    )
    return found.features.astype(np.float64)


def test_pytorch_fid(inception: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [save(tmp_path / name, pictures(seed)) for seed, name in enumerate("ab")]
    state = torch.load(inception, weights_only=True)
    monkeypatch.setattr(pytorch_fid.inception, "load_state_dict_from_url", lambda *_, **__: state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # scipy: sqrtm's argument `disp`
        expected = pytorch_fid.fid_score.calculate_fid_given_paths(
            [str(folder) for folder in folders], 8, "cpu", 64, num_workers=0
        )
    found = [rows(str(folder), "pytorch-fid", inception) for folder in folders]
    assert [len(side) for side in found] == [COUNT, COUNT]
    assert frechet_distance(*found).distance == pytest.approx(expected, rel=1e-6)


def test_torch_fidelity(inception: Path, tmp_path: Path) -> None:
    folders = [save(tmp_path / name, pictures(seed), classes=3) for seed, name in enumerate("ab")]
    expected = torch_fidelity.calculate_metrics(
        input1=str(folders[0]),
        input2=str(folders[1]),
        fid=True,
        cuda=False,
        feature_extractor_weights_path=str(inception),
        feature_layer_fid=LAYER,
        samples_find_deep=True,
        batch_size=8,
        cache=False,
        verbose=False,
        save_cpu_ram=True,
    )["frechet_inception_distance"]
    found = [rows(str(folder), "legacy-tf", inception) for folder in folders]
    assert [len(side) for side in found] == [COUNT, COUNT]
    assert frechet_distance(*found).distance == pytest.approx(expected, rel=1e-6)


def test_clean_fid(inception: Path, tmp_path: Path) -> None:
    folders = [
        save(tmp_path / name, pictures(seed), classes=3, varied=True)
        for seed, name in enumerate("ab")
    ]
    extractor = load_inception(
        WeightFile("inception", inception, "sha256:" + "0a" * 32, published=False),
        layer=LAYER,
        resize=ResizeRule(299, "pil-bicubic-float"),
        scaling="(x-128)/128",
    )
    theirs = [
        cleanfid.fid.get_folder_features(
            str(folder),
            lambda batch: extractor.extract((batch - 128) / 128),
            num_workers=0,
            batch_size=4,
            device=torch.device("cpu"),
            mode="clean",
            verbose=False,
        )
        for folder in folders
    ]
    moments = [(side.mean(axis=0), np.cov(side, rowvar=False)) for side in theirs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # scipy: sqrtm's argument `disp`
        expected = cleanfid.fid.frechet_distance(*moments[0], *moments[1])
    found = [rows(str(folder), "clean", inception) for folder in folders]
    assert [len(side) for side in found] == [len(side) for side in theirs] == [COUNT, COUNT]
    np.testing.assert_allclose(found[0], theirs[0], rtol=1e-4, atol=1e-5)
    assert frechet_distance(*found).distance == pytest.approx(expected, rel=1e-6)


def test_npz_files_as_guided_diffusion_writes_them(inception: Path, tmp_path: Path) -> None:
    """`arr_0` and labels, or reference batches with statistics beside `arr_0`."""
    images = pictures(0)
    folder = tmp_path / "png"
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:06d}.png")
    np.savez(tmp_path / "samples_72x40x40x3.npz", images, np.zeros(COUNT, int))
    np.savez(tmp_path / "virtual.npz", arr_0=images, mu=np.zeros(2048), sigma=np.eye(2048))
    expected = rows(str(folder), "legacy-tf", inception)
    assert len(expected) == COUNT
    for name in ("samples_72x40x40x3.npz", "virtual.npz"):
        np.testing.assert_array_equal(rows(str(tmp_path / name), "legacy-tf", inception), expected)
