"""TorchScript networks of other tools: run only if pinned or trusted, called as they are."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import pyoco_eval
from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.features.c3d_torchscript import load_c3d_torchscript
from pyoco_eval.features.i3d_torchscript import load_i3d_torchscript
from pyoco_eval.features.state_dict import WeightsError
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.inception_score import SplitRule, inception_score
from pyoco_eval.videos.resize import ResizeRule
from pyoco_eval.weights import WeightFile

INSIDE = ResizeRule(224, "in-network")
OUTSIDE = ResizeRule(224, "bilinear", "crop-ceil")


class Lookalike(torch.nn.Module):
    """Takes what StyleGAN-V's I3D takes: (B, 3, T, H, W), 0..255 if told to rescale."""

    def __init__(self, dim: int = 400) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.weight = torch.nn.Parameter(torch.randn(dim, 3 * 4 * 4))

    def forward(
        self,
        x: torch.Tensor,
        rescale: bool = False,
        resize: bool = False,
        return_features: bool = False,
    ) -> torch.Tensor:
        x = x.float()
        if resize:
            b, c, t, h, w = x.shape
            frames = x.transpose(1, 2).reshape(b * t, c, h, w)
            frames = F.interpolate(frames, size=[224, 224], mode="bilinear", align_corners=False)
            x = frames.view(b, t, c, 224, 224).transpose(1, 2)
        if rescale:
            x = x / 255 * 2 - 1
        pooled = F.adaptive_avg_pool3d(x, [1, 4, 4]).flatten(1)
        logits = pooled @ self.weight.t()
        return logits if return_features else logits.softmax(1)


class LookalikeC3D(torch.nn.Module):
    """Takes uint8 (B, 3, 16, H, W) and returns probabilities."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.weight = torch.nn.Parameter(torch.randn(101, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.float().mean([2, 3, 4]) @ self.weight.t() / 30).softmax(1)


def script(module: torch.nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(module).save(str(path))
    return path


@pytest.fixture(scope="module")
def i3d(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return script(Lookalike(), tmp_path_factory.mktemp("i3d") / "i3d_torchscript.pt")


@pytest.fixture(scope="module")
def c3d(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return script(LookalikeC3D(), tmp_path_factory.mktemp("c3d") / "c3d_ucf101.pt")


def weight_file(path: Path, key: str = "i3d-torchscript", *, published: bool = False) -> WeightFile:
    return WeightFile(key, path, "sha256:" + "0b" * 32, published)


def videos(count: int, height: int = 40, width: int = 56) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, 16, height, width, 3), np.uint8)


def test_a_program_that_is_not_the_known_one_is_not_executed(i3d: Path, c3d: Path) -> None:
    with pytest.raises(UsageError, match="--trust i3d-torchscript") as raised:
        load_i3d_torchscript(weight_file(i3d), resize=INSIDE)
    assert str(i3d) in str(raised.value)
    assert "0b0b" in str(raised.value)
    assert "bec6519f66ea534e" in str(raised.value)
    with pytest.raises(UsageError, match="no hash of it was ever published"):
        load_c3d_torchscript(weight_file(c3d, "c3d-torchscript"))
    load_i3d_torchscript(weight_file(i3d, published=True), resize=INSIDE)
    load_i3d_torchscript(weight_file(i3d), resize=INSIDE, trusted=True)


@pytest.mark.parametrize("size", [(40, 56), (224, 224), (61, 33)])
def test_the_script_is_called_as_its_users_call_it(i3d: Path, size: tuple[int, int]) -> None:
    clips = videos(3, *size)
    module = Lookalike()
    channels_first = torch.from_numpy(clips).permute(0, 4, 1, 2, 3)
    inside = load_i3d_torchscript(weight_file(i3d, published=True), resize=INSIDE)
    expected = module(channels_first, rescale=True, resize=True, return_features=True)
    np.testing.assert_allclose(inside(clips), expected.detach().numpy(), rtol=1e-5, atol=1e-5)

    outside = load_i3d_torchscript(weight_file(i3d, published=True), resize=OUTSIDE)
    prepared = torch.stack([outside.prepare(frames) for frames in clips])
    assert prepared.shape == (3, 16, 3, 224, 224)
    assert prepared.abs().max() == pytest.approx(1, abs=0.05)
    expected = module(prepared.transpose(1, 2), return_features=True)
    np.testing.assert_allclose(outside(clips), expected.detach().numpy(), rtol=1e-5, atol=1e-5)


def test_probabilities_become_logits_whose_softmax_they_are(c3d: Path) -> None:
    clips = videos(4)
    loaded = load_c3d_torchscript(weight_file(c3d, "c3d-torchscript"), trusted=True)
    expected = LookalikeC3D()(torch.from_numpy(clips).permute(0, 4, 1, 2, 3)).detach().numpy()
    np.testing.assert_allclose(np.exp(loaded(clips)), expected, rtol=1e-5)


def test_another_network_is_told_by_its_output(tmp_path: Path, i3d: Path) -> None:
    other = script(Lookalike(dim=7), tmp_path / "other.pt")
    loaded = load_i3d_torchscript(weight_file(other, published=True), resize=INSIDE)
    with pytest.raises(WeightsError, match="another network"):
        loaded(videos(1))
    as_c3d = load_c3d_torchscript(weight_file(i3d, "c3d-torchscript"), trusted=True)
    with pytest.raises(WeightsError, match="not probabilities of 101 classes"):
        as_c3d(videos(1))


def test_files_that_are_no_programs(tmp_path: Path) -> None:
    damaged = tmp_path / "x.pt"
    damaged.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(WeightsError, match="not a TorchScript archive"):
        load_i3d_torchscript(weight_file(damaged, published=True), resize=INSIDE)
    with pytest.raises(MissingError, match="no such file"):
        load_i3d_torchscript(weight_file(tmp_path / "none.pt", published=True), resize=INSIDE)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"layer": "pool"}, "is not one of logits"),
        ({"resize": ResizeRule(112, "bilinear")}, "frames of 224 pixels"),
    ],
)
def test_impossible_choices(i3d: Path, choice: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_i3d_torchscript(weight_file(i3d, published=True), **{"resize": INSIDE, **choice})


def test_both_conventions_from_one_decoding(i3d: Path) -> None:
    """Videos of two sizes: the script resizes inside, one clip after the other."""
    clips = [*videos(3, 40, 56), *videos(3, 64, 48)]
    others = list(videos(6, 48, 48))
    choices = {"weights": {"i3d-torchscript": i3d}, "allow_small": True}
    with pytest.raises(UsageError, match="--trust i3d-torchscript"):
        pyoco_eval.fvd(clips, others, convention="stylegan-v", **choices)
    found = pyoco_eval.evaluate(
        clips,
        others,
        metrics=["fvd"],
        conventions={"fvd": "stylegan-v"},
        also_as=["common-metrics"],
        trust=["i3d-torchscript"],
        **choices,
    )
    module = Lookalike()

    def features(frames: list[np.ndarray]) -> np.ndarray:
        parts = [torch.from_numpy(f).permute(3, 0, 1, 2)[None] for f in frames]
        with torch.no_grad():
            rows = [module(p, rescale=True, resize=True, return_features=True) for p in parts]
        return torch.cat(rows).numpy()

    first, second = found.scores
    expected = frechet_distance(features(clips), features(others), ddof=0).distance
    assert first.value == pytest.approx(expected, rel=1e-5)
    assert first.signature.get("conv") == "stylegan-v"
    assert first.signature.get("frames") == "224-innetwork-squash"
    assert "-unverified" in (first.signature.get("net") or "")
    assert second.signature.get("conv") == "common-metrics"
    assert second.signature.get("cov") == "n-1"
    assert first.value != second.value


def test_inception_score_of_the_script(c3d: Path) -> None:
    clips = videos(20) // 4 + np.arange(20, dtype=np.uint8)[:, None, None, None, None] * 9
    score = pyoco_eval.inception_score(
        clips,
        convention="stylegan-v-is",
        weights={"c3d-torchscript": c3d},
        trust=["c3d-torchscript"],
    )
    probabilities = LookalikeC3D()(torch.from_numpy(clips).permute(0, 4, 1, 2, 3))
    logits = probabilities.detach().double().log().numpy()
    expected = inception_score(logits, SplitRule.parse("10-shuffle42"))
    assert score.value == pytest.approx(expected.mean, rel=1e-6)
    assert score.signature.get("splits") == "10-shuffle42"
