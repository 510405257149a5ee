"""bfloat16 is explicit, close to float32, and never mixed with it."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_weights import c3d_arrays, i3d_tensors, mean_cube, relative_l2

import pyoco_eval
from pyoco_eval.devices import EMULATED, arithmetic, onednn_takes
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.extraction.networks import Network
from pyoco_eval.extraction.options import Options
from pyoco_eval.features.base import FeatureExtractor
from pyoco_eval.features.i3d.published_tensors import published_tensors
from pyoco_eval.shapes.dataset import MovingShapes

REFUSAL = "mkldnn_convolution: bf16 path needs the cpu support avx_ne_convert or avx512bw"
CLOSE = 2e-2  # relative L2; bfloat16 keeps 8 bits, measured 4e-3 to 1e-2


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    files = {"i3d": folder / "i3d.data", "c3d": folder / "c3d.npz", "c3d-mean": folder / "m.npz"}
    tensors = dict(i3d_tensors())
    with files["i3d"].open("wb") as checkpoint:
        for record in published_tensors():
            checkpoint.seek(record.offset)
            checkpoint.write(tensors[record.name].tobytes())
    np.savez(files["c3d"], **c3d_arrays())  # type: ignore[arg-type]
    np.savez(files["c3d-mean"], mean=mean_cube())
    return files


def features(
    name: str, precision: str, frames: np.ndarray, weights: dict[str, Path]
) -> tuple[np.ndarray, FeatureExtractor]:
    options = Options(weights=weights, precision=precision, device="cpu")  # type: ignore[arg-type]
    loaded = Network.named(name, options).load(options)
    return loaded(frames if loaded.kind == "image" else frames[None]), loaded


@pytest.fixture(params=["of this machine", "without bfloat16"])
def processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """This processor, and one whose oneDNN refuses bfloat16 as it does without AVX-512."""
    convolve = torch.mkldnn_convolution

    def refuse(x: torch.Tensor, *others: object) -> torch.Tensor:
        if x.dtype == torch.bfloat16:
            raise RuntimeError(REFUSAL)
        return convolve(x, *others)

    if request.param == "without bfloat16":
        monkeypatch.setattr(torch, "mkldnn_convolution", refuse)
    onednn_takes.cache_clear()
    yield request.param
    onednn_takes.cache_clear()


@pytest.mark.parametrize("name", ["tiny3d", "tiny2d", "tinyclip", "i3d", "c3d"])
def test_close_to_float32_and_float32_is_untouched(
    name: str, weights: dict[str, Path], processor: str
) -> None:
    frames = MovingShapes("test")[0].frames
    exact, loaded = features(name, "fp32", frames, weights)
    rounded, other = features(name, "bf16", frames, weights)
    assert (loaded.precision, other.precision) == ("fp32", "bf16")
    assert (loaded.arithmetic, other.arithmetic) == (
        "fp32",
        arithmetic("bf16", torch.device("cpu")),
    )
    if processor == "without bfloat16":
        assert other.arithmetic == EMULATED
    assert {p.dtype for p in loaded.network.parameters()} == {torch.float32}
    assert torch.bfloat16 in {p.dtype for p in other.network.parameters()}
    assert rounded.dtype == np.float32
    assert rounded.shape == exact.shape
    assert 0 < relative_l2(rounded, exact) < CLOSE


def test_the_signature_says_it_and_the_two_never_mix(tmp_path: Path, processor: str) -> None:
    signed = arithmetic("bf16", torch.device("cpu"))
    clips = [MovingShapes("val")[i].frames for i in range(8)]
    for precision in ("fp32", "bf16"):
        out = tmp_path / f"{precision}.npz"
        pyoco_eval.extract_features(clips, "tiny3d", precision=precision, out=out)
    choices = {"profile": "embedded", "allow_small": True}
    score = pyoco_eval.fvd(tmp_path / "bf16.npz", tmp_path / "bf16.npz", **choices)
    assert score.signature.get("prec") == signed
    with pytest.raises(PyocoEvalError, match=rf"prec \(here {signed}, there fp32\)"):
        pyoco_eval.fvd(tmp_path / "bf16.npz", tmp_path / "fp32.npz", **choices)
    with pytest.raises(PyocoEvalError, match="prec"):
        pyoco_eval.fvd(clips, tmp_path / "fp32.npz", precision="bf16", **choices)


def test_a_build_without_the_private_operator_uses_the_public_one(
    weights: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = MovingShapes("test")[0].frames
    usual, _ = features("tiny3d", "fp32", frames, weights)
    monkeypatch.delattr(torch, "mkldnn_convolution")
    onednn_takes.cache_clear()
    try:
        public, _ = features("tiny3d", "fp32", frames, weights)
    finally:
        onednn_takes.cache_clear()
    assert relative_l2(public, usual) < 1e-6


@pytest.mark.skipif(not hasattr(torch.backends.mkldnn, "conv"), reason="settings of PyTorch 2.9")
@pytest.mark.parametrize("operator", ["conv", "matmul"])
def test_a_caller_who_allows_bfloat16_products_changes_no_feature(
    operator: str, weights: dict[str, Path]
) -> None:
    frames = MovingShapes("test")[0].frames
    usual, _ = features("tiny3d", "fp32", frames, weights)
    setting = getattr(torch.backends.mkldnn, operator)
    before = setting.fp32_precision
    setting.fp32_precision = "bf16"
    try:
        loose, _ = features("tiny3d", "fp32", frames, weights)
        assert setting.fp32_precision == "bf16"
    finally:
        setting.fp32_precision = before
    np.testing.assert_array_equal(loose, usual)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="a setting of oneDNN x64")
def test_bfloat16_scores_where_onednn_has_no_instructions_for_it(tmp_path: Path) -> None:
    clips = np.stack([MovingShapes("val")[index].frames for index in range(4)])
    np.savez(tmp_path / "clips.npz", clips)
    words = ["fvd", "--profile", "embedded", "--samples", str(tmp_path / "clips.npz")]
    words += ["--reference", str(tmp_path / "clips.npz"), "--precision", "bf16", "--allow-small"]
    found = subprocess.run(
        [sys.executable, "-m", "pyoco_eval", *words],
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert f"prec:{EMULATED}" in found.stdout


def test_precisions_that_do_not_exist() -> None:
    with pytest.raises(UsageError, match="fp32 or bf16"):
        Options(precision="fp16")  # type: ignore[arg-type]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu() -> None:
    frames = MovingShapes("test")[0].frames
    rows = {}
    for precision in ("fp32", "bf16"):
        options = Options(precision=precision, device="cuda")  # type: ignore[arg-type]
        rows[precision] = Network.named("tiny3d", options).load(options)(frames[None])
    assert 0 < relative_l2(rows["bf16"], rows["fp32"]) < CLOSE
