"""The four published networks, with made-up weights, from real clips to signed scores."""

import shutil
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torchvision
from golden_weights import c3d_arrays, golden_rng, i3d_tensors, mean_cube, relative_l2

import pyoco_eval
from pyoco_eval.features.i3d.published_tensors import published_tensors

CLIPS = ("mma_test.avi", "iio_newtonscradle.gif", "tc_h264_10bits.mp4", "skv_carphone_pristine.mp4")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A made-up file in each published format."""
    folder = tmp_path_factory.mktemp("weights")
    files = {
        key: folder / name
        for key, name in {
            "i3d": "i3d.data",
            "c3d": "c3d.npz",
            "c3d-mean": "mean.npz",
            "inception": "inception.pth",
            "clip": "clip.pth",
        }.items()
    }
    tensors = dict(i3d_tensors())
    with files["i3d"].open("wb") as checkpoint:
        for record in published_tensors():
            checkpoint.seek(record.offset)
            checkpoint.write(tensors[record.name].tobytes())
    np.savez(files["c3d"], **c3d_arrays())  # type: ignore[arg-type]
    np.savez(files["c3d-mean"], mean=mean_cube())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        inception = torchvision.models.inception_v3(
            weights=None, num_classes=1008, aux_logits=False, init_weights=False
        )
        torch.save(inception.state_dict(), files["inception"])
        clip = open_clip.create_model("ViT-B-32-quickgelu", pretrained=None)
        torch.save(clip.state_dict(), files["clip"])
    return files


@pytest.fixture
def clips(shared_data: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in CLIPS:
        shutil.copy(shared_data / "videos" / name, folder / name)
    return folder


@pytest.mark.slow
def test_every_metric_scores_real_clips(weights: dict[str, Path], clips: Path) -> None:
    evaluation = pyoco_eval.evaluate(
        clips,
        clips / "mma_test.avi",
        weights=weights,
        allow_small=True,
        metrics=["is"],
    )
    score = evaluation["is"]
    assert 1 <= score.value <= 4
    assert "c3d-ucf101" in str(score.signature)
    evaluation = pyoco_eval.evaluate(
        clips,
        clips,
        frames="middle",
        clip="center",
        metrics=["fvd", "fid", "clip-fid"],
        weights=weights,
        allow_small=True,
    )
    for found in evaluation.scores:
        assert found.num_samples == found.num_reference == 4
        scale = max(abs(float(found.value)), 1e-12)
        assert scale < 1e-6, "identical sets are at distance zero"
        assert "-unverified" in str(found.signature)
        assert any("not the published file" in warning for warning in found.warnings)
        assert any("same videos" in warning for warning in found.warnings)


@pytest.mark.parametrize("num_frames", [13, 16])
def test_stored_i3d_features_are_the_logits_of_the_tensorflow_graph(
    weights: dict[str, Path], shared_data: Path, tmp_path: Path, num_frames: int
) -> None:
    clip = golden_rng(f"clip{num_frames}").randint(0, 256, (1, num_frames, 64, 64, 3))
    np.save(tmp_path / "clip.npy", clip.astype(np.uint8))
    out = tmp_path / "features.npz"
    pyoco_eval.extract_features(
        tmp_path / "clip.npy",
        "i3d",
        convention="tf-fvd",
        num_frames=num_frames,
        weights=weights,
        out=str(out),
    )
    with np.load(out) as found, np.load(shared_data / "golden" / "i3d_tf.npz") as golden:
        assert found["features"].shape == (1, 400)
        assert relative_l2(found["features"][0], golden[f"logits_T{num_frames}"].ravel()) <= 1e-5


@pytest.mark.parametrize("size", ["64x64", "240x320"])
def test_stored_c3d_features_are_the_logits_of_the_chainer_graph(
    weights: dict[str, Path], shared_data: Path, size: str
) -> None:
    height, width = map(int, size.split("x"))
    clip = golden_rng(f"x{size}").randint(0, 256, (1, 3, 16, height, width))
    clip = clip[:, :, ::4].repeat(4, axis=2).transpose(0, 2, 3, 4, 1).astype(np.uint8)
    found = pyoco_eval.extract_features(
        clip, "c3d", convention="tgan2", layer="logits", weights=weights
    )
    with np.load(shared_data / "golden" / "c3d_chainer.npz") as golden:
        assert relative_l2(found.features[0], golden[size].ravel()) <= 1e-5
