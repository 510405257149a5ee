"""CLIP features against clean-fid's rule and torch-fidelity, on shared random weights."""

import copy
import dataclasses
import subprocess
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch_fidelity.feature_extractor_clip import FeatureExtractorCLIP

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.features.clip.extractor import CLEAN_FID_RESIZE, ClipExtractor, load_clip
from pyoco_eval.features.loading.state_dict import WeightsError
from pyoco_eval.videos.resize import ResizeRule
from pyoco_eval.weights import WeightFile

TORCH_FIDELITY = ResizeRule(224, "tf1-bilinear")
SIZES = [(64, 64), (224, 224), (240, 320), (333, 227)]  # (H, W)
TOLERANCE = 2e-6  # relative L2 in float32; measured at most 6.2e-7

StateDict = dict[str, torch.Tensor]


def weight_file(path: Path, *, published: bool = False) -> WeightFile:
    return WeightFile("clip", path, "sha256:" + "0b" * 32, published)


def images(height: int, width: int, *, count: int = 2) -> np.ndarray:
    """(count, height, width, 3) uint8: steps of several sizes, hard edges included."""
    generator = np.random.Generator(np.random.PCG64(0))
    pictures = np.zeros((count, height, width, 3))
    for step in (1, 5, 31):
        coarse = generator.uniform(0, 85, (count, height // step + 1, width // step + 1, 3))
        pictures += coarse.repeat(step, axis=1).repeat(step, axis=2)[:, :height, :width]
    return pictures.astype(np.uint8)


def relative_error(found: np.ndarray, expected: torch.Tensor) -> float:
    truth = expected.detach().double().numpy()
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


@pytest.fixture(scope="module")
def clip_model() -> nn.Module:
    """ViT-B/32 in float32 with random weights that float16 holds, and a small text tower."""
    config = open_clip.get_model_config("ViT-B-32-quickgelu")
    config["text_cfg"] |= {"layers": 1, "vocab_size": 1000}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: nn.Module = open_clip.CLIP(**config).eval().requires_grad_(False)
        for parameter in model.visual.parameters():
            if parameter.ndim == 1:
                parameter += torch.empty_like(parameter).normal_(0, 0.1)
    open_clip.convert_weights_to_fp16(model)
    model.float()
    del model.attn_mask, model.context_length, model.vocab_size
    for name, value in {"input_resolution": 224, "context_length": 77, "vocab_size": 1000}.items():
        model.register_buffer(name, torch.tensor(value))
    return model


@pytest.fixture(scope="module")
def openai_archive(clip_model: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TorchScript archive like OpenAI's `ViT-B-32.pt`, float16 but for norms and embeddings."""
    path = tmp_path_factory.mktemp("clip") / "ViT-B-32.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inputs = {"encode_image": torch.zeros(1, 3, 224, 224)}
        traced = torch.jit.trace_module(copy.deepcopy(clip_model), inputs, check_trace=False)
        for name, parameter in traced.named_parameters():
            if not any(part in name for part in ("ln_", "embedding", "logit_scale")):
                parameter.data = parameter.data.half()
        traced.save(str(path))
    return path


@pytest.fixture(scope="module")
def loaded(openai_archive: Path) -> ClipExtractor:
    return load_clip(weight_file(openai_archive))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_clean_fid_features(
    height: int,
    width: int,
    clip_model: nn.Module,
    loaded: ClipExtractor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """clean-fid's own code, with the shared weights in place of `clip.load`."""
    stand_in = types.ModuleType("clip")
    stand_in.load = lambda *_, **__: (clip_model, None)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "clip", stand_in)
    from cleanfid.clip_features import CLIP_fx, img_preprocess_clip

    frames = images(height, width)
    pixels = np.stack([img_preprocess_clip(frame) for frame in frames])
    expected = CLIP_fx(device="cpu")(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())
    found = loaded(frames)
    assert found.shape == (2, 512)
    assert found.dtype == np.float32
    assert relative_error(found, expected) < TOLERANCE


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_torch_fidelity_features(
    height: int, width: int, openai_archive: Path, loaded: ClipExtractor
) -> None:
    """torch-fidelity's own network, loaded by executing the archive that we only read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        peer = FeatureExtractorCLIP("clip-vit-b-32", ["clip"], str(openai_archive))
    frames = images(height, width)
    with torch.no_grad():
        (expected,) = peer(torch.from_numpy(frames).permute(0, 3, 1, 2))
    found = with_resize(loaded, TORCH_FIDELITY)(frames)
    assert relative_error(found, expected) < TOLERANCE


def with_resize(extractor: ClipExtractor, resize: ResizeRule) -> ClipExtractor:
    return ClipExtractor(extractor.network, dataclasses.replace(extractor.spec, resize=resize))


def test_the_input_paths_are_told_apart(loaded: ClipExtractor) -> None:
    frames = images(240, 320)
    other = with_resize(loaded, TORCH_FIDELITY)(frames)
    assert relative_error(loaded(frames), torch.from_numpy(other)) > 1000 * TOLERANCE


def test_embeddings_are_not_normalised(loaded: ClipExtractor) -> None:
    lengths = np.linalg.norm(loaded(images(50, 60, count=3)), axis=1)
    assert np.ptp(lengths) > 1e-3


def test_spec_tells_what_was_loaded(openai_archive: Path) -> None:
    found = load_clip(weight_file(openai_archive, published=True))
    assert found.kind == "image"
    assert (found.spec.name, found.spec.network) == ("clip", "vitb32-openai")
    assert (found.spec.layer, found.spec.dim) == ("embedding", 512)
    assert (found.spec.resize, found.spec.scaling) == (CLEAN_FID_RESIZE, "clip-mean-std")
    assert (found.spec.weights.short, found.spec.weights.published) == ("0b0b0b0b", True)
    assert {p.dtype for p in found.network.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in found.network.parameters())


def test_every_file_form_gives_the_same_features(
    clip_model: nn.Module, loaded: ClipExtractor, tmp_path: Path
) -> None:
    state = clip_model.state_dict()
    plain = {k: v for k, v in state.items() if v.ndim or k == "logit_scale"}
    torch.save(state, tmp_path / "openai_state_dict.pth")
    torch.save(
        {"epoch": 1, "state_dict": {f"module.{k}": v for k, v in plain.items()}},
        tmp_path / "open_clip_checkpoint.pt",
    )
    save_file(plain, tmp_path / "open_clip_model.safetensors")
    frames = images(90, 70)
    for path in sorted(tmp_path.iterdir()):
        np.testing.assert_array_equal(load_clip(weight_file(path))(frames), loaded(frames))


def state_like(**changes: torch.Tensor | None) -> StateDict:
    with torch.device("meta"):
        tower = open_clip.CLIP(**open_clip.get_model_config("ViT-B-32-quickgelu")).visual
    state = {
        f"visual.{name}": torch.zeros(1).expand(t.shape) for name, t in tower.state_dict().items()
    }
    changed = {name.replace("__", "."): value for name, value in changes.items()}
    return {k: v for k, v in (state | changed).items() if v is not None}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            state_like(visual__conv1__weight=torch.zeros(768, 3, 16, 16)),
            r"visual\.conv1\.weight \(768, 3, 16, 16\) instead of \(768, 3, 32, 32\)",
        ),
        (state_like(visual__proj=None), r"152 tensors: 1 missing \(visual\.proj\)"),
        (
            state_like(visual__transformer__resblocks__12__ln_1__bias=torch.zeros(768)),
            r"1 not part of it \(visual\.transformer\.resblocks\.12\.ln_1\.bias\)",
        ),
        (
            state_like(visual__proj=torch.full((768, 512), torch.inf)),
            r"1 not finite floating-point numbers \(visual\.proj\)",
        ),
        (
            {"vision_model.embeddings.class_embedding": torch.zeros(768)},
            r"but holds vision_model\.embeddings\.class_embedding\. .*not the layout of transf",
        ),
        (
            {"visual.layer1.0.conv1.weight": torch.zeros(64, 64, 1, 1)},
            r"but holds visual\.layer1\.0\.conv1\.weight",
        ),
    ],
    ids=["patch16", "missing", "deeper", "infinite", "transformers", "resnet"],
)
def test_other_weights_are_refused_by_tensor(
    state: StateDict, message: str, tmp_path: Path
) -> None:
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match=message) as caught:
        load_clip(weight_file(tmp_path / "other.pt"))
    assert "other.pt: " in str(caught.value)
    assert "Expected OpenAI's ViT-B-32.pt" in str(caught.value)


def test_options_that_cannot_be_meant(openai_archive: Path) -> None:
    with pytest.raises(UsageError, match="layer 'pool3' is not one of embedding"):
        load_clip(weight_file(openai_archive), layer="pool3")
    with pytest.raises(UsageError, match="frames of 224 pixels, not 299-bilinear-squash"):
        load_clip(weight_file(openai_archive), resize=ResizeRule(299, "bilinear"))


@pytest.mark.parametrize("package", ["torchvision", "open_clip"])
def test_a_missing_package_is_named_with_its_remedy(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingError, match=rf"{package} cannot .*'pyoco-eval\[clip\]'") as caught:
        load_clip(weight_file(tmp_path / "any.pt"))
    assert caught.value.exit_code == 3


def test_another_fault_of_torchvision_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::roi')")
    monkeypatch.delitem(sys.modules, "torchvision")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingError, match=r"torchvision fails to import .*torchvision::roi"):
        load_clip(weight_file(tmp_path / "any.pt"))


def test_loading_in_a_fresh_process_is_silent(openai_archive: Path) -> None:
    """Without the declarations of the tests: torchvision imports beside a CPU-only torch too."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pyoco_eval.features.clip.extractor import load_clip\n"
        "from pyoco_eval.weights import WeightFile\n"
        "assert 'open_clip' not in sys.modules and 'torchvision' not in sys.modules\n"
        "file = WeightFile('clip', Path(sys.argv[1]), 'sha256:' + '0' * 64, False)\n"
        "print(load_clip(file).spec.dim)\n"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(openai_archive)],
        capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False,
    )  # fmt: skip
    assert (result.returncode, result.stdout, result.stderr) == (0, "512\n", "")
