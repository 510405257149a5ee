"""TorchScript networks of other tools: ported where they are known, run only if asked to."""

import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from i3d_program import I3DProgram

import pyoco_eval
from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.features.c3d.torchscript import load_c3d_torchscript
from pyoco_eval.features.i3d import archive as i3d_archive
from pyoco_eval.features.i3d.torchscript import load_i3d_torchscript
from pyoco_eval.features.loading.state_dict import WeightsError
from pyoco_eval.features.loading.torchscript_text import (
    MAX_FILE_BYTES,
    batch_norm_constants,
    read_program_text,
    resizes,
)
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.inception_score import SplitRule, inception_score
from pyoco_eval.selftest.check import check
from pyoco_eval.selftest.programs import measure_programs
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


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive in the shape of StyleGAN-V's, which the port reads."""
    return script(I3DProgram(), tmp_path_factory.mktemp("program") / "i3d_torchscript.pt")


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize(("rule", "size"), [(INSIDE, (60, 80)), (OUTSIDE, (260, 230))])
def test_the_port_gives_the_numbers_of_the_program(
    program: Path, rule: ResizeRule, size: tuple[int, int]
) -> None:
    """As close to each other as each of them is to the program in float64."""
    clip = videos(1, *size)
    found = load_i3d_torchscript(weight_file(program), resize=rule)(clip)
    executed = load_i3d_torchscript(weight_file(program), resize=rule, trusted=True)
    expected = executed(clip)
    assert found.shape == (1, 400)
    assert relative(found, expected) < 2e-6
    if rule == INSIDE:
        exact = I3DProgram().double()
        frames = torch.from_numpy(clip).permute(0, 4, 1, 2, 3)
        with torch.no_grad():
            truth = _in_float64(exact, frames).numpy()
        assert relative(found, truth) < 2e-6
        assert relative(expected, truth) < 2e-6


def _in_float64(program: I3DProgram, frames: torch.Tensor) -> torch.Tensor:
    """The program begins with `x.float()`, so its input is made here and its flags are off."""
    resized = F.interpolate(
        frames.double(), [frames.shape[2], 224, 224], mode="trilinear", align_corners=False
    )
    x = resized / 255 * 2 - 1
    for name in (
        "conv3d_1a_7x7", "maxPool3d_2a_3x3", "conv3d_2b_1x1", "conv3d_2c_3x3",
        "maxPool3d_3a_3x3", "mixed_3b", "mixed_3c", "maxPool3d_4a_3x3", "mixed_4b", "mixed_4c",
        "mixed_4d", "mixed_4e", "mixed_4f", "maxPool3d_5a_2x2", "mixed_5b", "mixed_5c",
    ):  # fmt: skip
        x = getattr(program, name)(x)
    return program.conv3d_0c_1x1(F.avg_pool3d(x, [2, 7, 7], [1, 1, 1])).mean((2, 3, 4))


def test_eps_is_the_one_in_the_text_of_the_program(tmp_path: Path, program: Path) -> None:
    """Weights alone do not tell it, and it moves every feature."""
    other = script(I3DProgram(eps=1e-5), tmp_path / "other.pt")
    text = read_program_text(other)
    assert batch_norm_constants(text) == {1e-5}
    assert batch_norm_constants(read_program_text(program)) == {1e-3}
    assert resizes(text) == {"trilinear"}
    clip = videos(1, 32, 32)[:, :12]
    found = load_i3d_torchscript(weight_file(other), resize=INSIDE)(clip)
    expected = load_i3d_torchscript(weight_file(other), resize=INSIDE, trusted=True)(clip)
    assert relative(found, expected) < 2e-6
    assert relative(load_i3d_torchscript(weight_file(program), resize=INSIDE)(clip), found) > 1e-4


def test_no_program_runs_unasked(
    program: Path, i3d: Path, c3d: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Be its hash the pinned one or not."""

    def run(*_: object, **__: object) -> None:
        raise AssertionError("a program was run")

    monkeypatch.setattr(torch.jit, "load", run)
    for published in (False, True):
        with pytest.raises(UsageError, match="--trust c3d-torchscript") as raised:
            load_c3d_torchscript(weight_file(c3d, "c3d-torchscript", published=published))
        assert "no hash of it was ever published" in str(raised.value)
        with pytest.raises(WeightsError, match="not the weights of StyleGAN-V's I3D") as other:
            load_i3d_torchscript(weight_file(i3d, published=published), resize=INSIDE)
        assert "--trust i3d-torchscript runs the program" in str(other.value)
        found = load_i3d_torchscript(weight_file(program, published=published), resize=INSIDE)
        assert found.spec.variant == ""
        assert found.spec.weights.digest == "sha256:" + "0b" * 32
    monkeypatch.delattr(torch.jit, "load")
    load_i3d_torchscript(weight_file(program), resize=INSIDE)
    with pytest.raises(MissingError, match="has no TorchScript any more"):
        load_i3d_torchscript(weight_file(program), resize=INSIDE, trusted=True)


def test_a_program_that_runs_on_request_is_signed_and_silent(i3d: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        executed = load_i3d_torchscript(weight_file(i3d), resize=INSIDE, trusted=True)
        executed(videos(1))
    assert executed.spec.variant == "executed"


@pytest.mark.parametrize("num_frames", [9, 10, 14, 15, 18, 30])
def test_lengths_whose_padding_is_not_known_are_refused(program: Path, num_frames: int) -> None:
    ported = load_i3d_torchscript(weight_file(program), resize=INSIDE)
    with pytest.raises(UsageError, match="--trust i3d-torchscript runs the program itself"):
        ported.prepare(np.zeros((num_frames, 8, 8, 3), np.uint8))
    with pytest.raises(UsageError, match=r"multiple of 4|at least 12"):
        pyoco_eval.fvd(
            list(videos(2)),
            list(videos(2)),
            convention="stylegan-v",
            num_frames=num_frames,
            weights={"i3d-torchscript": program},
        )


@pytest.mark.parametrize(
    ("mode", "message"), [("nearest", "found nearest"), ("corners", "found trilinear True")]
)
def test_a_program_that_resizes_otherwise_is_not_stood_in_for(
    tmp_path: Path, mode: str, message: str
) -> None:
    other = script(I3DProgram(mode=mode), tmp_path / "other.pt")
    with pytest.raises(WeightsError, match=message) as raised:
        load_i3d_torchscript(weight_file(other), resize=INSIDE)
    assert "--trust i3d-torchscript" in str(raised.value)
    load_i3d_torchscript(weight_file(other), resize=OUTSIDE)


def test_a_program_without_text_is_not_stood_in_for(tmp_path: Path, program: Path) -> None:
    bare = tmp_path / "bare.pt"
    with zipfile.ZipFile(program) as source, zipfile.ZipFile(bare, "w") as target:
        for entry in source.infolist():
            if "/code/" not in entry.filename:
                target.writestr(entry, source.read(entry))
    with pytest.raises(WeightsError, match="one eps of batch normalisation, found none"):
        load_i3d_torchscript(weight_file(bare), resize=OUTSIDE)


def test_text_of_any_size_is_not_read(tmp_path: Path, program: Path) -> None:
    """Compressed, it is a few kilobytes."""
    bomb = tmp_path / "bomb.pt"
    with zipfile.ZipFile(program) as source, zipfile.ZipFile(bomb, "w") as target:
        for entry in source.infolist():
            target.writestr(entry, source.read(entry))
        content = b"#" * (MAX_FILE_BYTES + 1)
        root = source.namelist()[0].split("/")[0]
        target.writestr(f"{root}/code/__torch__/more.py", content, zipfile.ZIP_DEFLATED)
    with pytest.raises(WeightsError, match="longer than a program is"):
        load_i3d_torchscript(weight_file(bomb), resize=INSIDE)


def test_features_of_a_folder_of_videos_need_no_program(program: Path) -> None:
    """Arrays in, signed features out; the program's own differ by rounding alone."""
    clips = [*videos(1, 40, 56), *videos(1, 64, 48)]
    choices = {"weights": {"i3d-torchscript": program}}
    found = pyoco_eval.extract_features(clips, "i3d-torchscript", **choices)
    expected = pyoco_eval.extract_features(
        clips, "i3d-torchscript", trust=["i3d-torchscript"], **choices
    )
    assert relative(found.features, expected.features) < 2e-6


@pytest.mark.parametrize("size", [(40, 56), (224, 224), (61, 33)])
def test_the_script_is_called_as_its_users_call_it(i3d: Path, size: tuple[int, int]) -> None:
    clips = videos(3, *size)
    module = Lookalike()
    channels_first = torch.from_numpy(clips).permute(0, 4, 1, 2, 3)
    inside = load_i3d_torchscript(weight_file(i3d, published=True), resize=INSIDE, trusted=True)
    expected = module(channels_first, rescale=True, resize=True, return_features=True)
    np.testing.assert_allclose(inside(clips), expected.detach().numpy(), rtol=1e-5, atol=1e-5)

    outside = load_i3d_torchscript(weight_file(i3d, published=True), resize=OUTSIDE, trusted=True)
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
    loaded = load_i3d_torchscript(weight_file(other, published=True), resize=INSIDE, trusted=True)
    with pytest.raises(WeightsError, match="another network"):
        loaded(videos(1))
    as_c3d = load_c3d_torchscript(weight_file(i3d, "c3d-torchscript"), trusted=True)
    with pytest.raises(WeightsError, match="not probabilities of 101 classes"):
        as_c3d(videos(1))


def test_files_that_are_no_programs(tmp_path: Path) -> None:
    damaged = tmp_path / "x.pt"
    damaged.write_bytes(b"PK\x03\x04 nothing")
    text = tmp_path / "text.pt"
    text.write_bytes(b"no archive")
    for trusted in (False, True):
        for path in (damaged, text):
            with pytest.raises(WeightsError, match="not a TorchScript archive"):
                load_i3d_torchscript(weight_file(path), resize=INSIDE, trusted=trusted)
        with pytest.raises(MissingError, match="no such file"):
            load_i3d_torchscript(weight_file(tmp_path / "none.pt"), resize=INSIDE, trusted=trusted)


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
    with pytest.raises(WeightsError, match="--trust i3d-torchscript"):
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
    assert "k400-executed-logits" in (first.signature.get("net") or "")
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


def test_the_selftest_compares_the_port_with_the_program_it_is_given(
    program: Path, c3d: Path
) -> None:
    checks = [check(found) for found in measure_programs([weight_file(program)])]
    assert [found.status for found in checks] == ["ok", "ok"]
    assert all(found.difference is not None and 0 < found.difference < 1e-5 for found in checks)
    assert all("port against program" in found.name for found in checks)
    with pytest.raises(UsageError, match="only i3d-torchscript has a port"):
        list(measure_programs([weight_file(c3d, "c3d-torchscript")]))


def test_the_selftest_notices_a_port_of_another_program(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(i3d_archive, "batch_norm_constants", lambda _: {3e-3})
    checks = [check(found) for found in measure_programs([weight_file(program)])]
    assert [found.status for found in checks] == ["failed", "failed"]


def test_videos_shorter_than_the_window_are_told_and_signed(i3d: Path) -> None:
    """Nine frames at stride two: 17 frames hold a clip, StyleGAN-V asks for 18."""
    long = np.concatenate([videos(4), videos(4)], axis=1)
    clips = [video[: 17 if index == 1 else 18] for index, video in enumerate(long)]
    found = pyoco_eval.evaluate(
        clips,
        list(long),
        metrics=["fvd"],
        conventions={"fvd": "stylegan-v"},
        weights={"i3d-torchscript": i3d},
        trust=["i3d-torchscript"],
        num_frames=9,
        stride=2,
        short="window",
        allow_small=True,
    )
    (score,) = found.scores
    assert score.signature.get("skip") == "1of4/-"
    assert score.signature.get("clip") == "9f-s2-first-window"
    (reason,) = found.record.samples.skipped.values()
    assert "needs 18 frames, the video has 17" in reason
