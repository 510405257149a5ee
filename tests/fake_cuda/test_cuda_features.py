"""Every feature network on CUDA, in both precisions: devices, dtypes, shapes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from fake_device import Machine, hollow
from torch import nn

from pyoco_eval.features.base import ExtractorSpec, FeatureExtractor, Precision, WeightsIdentity
from pyoco_eval.features.c3d.extractor import RESIZE as C3D_RESIZE
from pyoco_eval.features.c3d.extractor import C3DExtractor
from pyoco_eval.features.c3d.network import LAYER_DIMS as C3D_LAYERS
from pyoco_eval.features.c3d.network import C3DNetwork
from pyoco_eval.features.c3d.torchscript import RESIZE as SCRIPT_RESIZE
from pyoco_eval.features.c3d.torchscript import TorchScriptC3DExtractor
from pyoco_eval.features.catalogue import NETWORKS
from pyoco_eval.features.clip.architectures import ARCHITECTURES, ClipArchitecture
from pyoco_eval.features.clip.extractor import CLEAN_FID_RESIZE, ClipExtractor
from pyoco_eval.features.i3d.extractor import REFERENCE_RESIZE, I3DExtractor
from pyoco_eval.features.i3d.network import LAYER_DIMS as I3D_LAYERS
from pyoco_eval.features.i3d.network import I3DNetwork
from pyoco_eval.features.i3d.torchscript import PortedI3DExtractor, TorchScriptI3DExtractor
from pyoco_eval.features.inception.extractor import CLEAN_RESIZE, InceptionExtractor
from pyoco_eval.features.inception.network import LAYER_DIMS as INCEPTION_LAYERS
from pyoco_eval.features.inception.network import InceptionNetwork
from pyoco_eval.features.tiny.extractor import load_tiny
from pyoco_eval.videos.resize import IN_NETWORK, ResizeRule


class Program(nn.Module):
    """Takes the place of a TorchScript program."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(3, outputs)

    def forward(self, clips: torch.Tensor, **arguments: bool) -> torch.Tensor:
        return self.layer(clips.float().mean((2, 3, 4)))


def spec(name: str, layer: str, dim: int, resize: ResizeRule, scaling: str) -> ExtractorSpec:
    nobodys = WeightsIdentity("0" * 8, "sha256:" + "0" * 64, published=False)
    return ExtractorSpec(name, "none", layer, dim, resize, scaling, nobodys)


def i3d(machine: Machine, layer: str = "logits", kind: Any = I3DExtractor) -> FeatureExtractor:
    network = hollow(I3DNetwork().eval(), machine)
    named = spec("i3d", layer, I3D_LAYERS[layer], REFERENCE_RESIZE, "2x/255-1")
    return kind(network.requires_grad_(False), named)


def c3d(machine: Machine, layer: str = "logits") -> FeatureExtractor:
    with torch.device("meta"):
        network = C3DNetwork().eval().requires_grad_(False)
    named = spec("c3d", layer, C3D_LAYERS[layer], C3D_RESIZE, "2x/255-1")
    return C3DExtractor(hollow(network, machine), torch.zeros(16, 3, 112, 112), named)


def inception(machine: Machine, layer: str = "pool3") -> FeatureExtractor:
    with torch.device("meta"):
        network = InceptionNetwork().eval().requires_grad_(False)
    named = spec("inception", layer, INCEPTION_LAYERS[layer], CLEAN_RESIZE, "(x-128)/128")
    return InceptionExtractor(hollow(network, machine), named)


def clip(machine: Machine, row: ClipArchitecture) -> FeatureExtractor:
    open_clip = pytest.importorskip("open_clip")
    with torch.device("meta"):
        network = open_clip.CLIP(**open_clip.get_model_config(row.open_clip)).visual
    named = spec(row.name, "embedding", row.dim, CLEAN_FID_RESIZE, "clip-mean-std")
    return ClipExtractor(hollow(network.eval().requires_grad_(False), machine), named)


def script_i3d(machine: Machine) -> FeatureExtractor:
    inside = ResizeRule(224, IN_NETWORK, "squash")
    named = spec("i3d-torchscript", "logits", 400, inside, "2x/255-1")
    return TorchScriptI3DExtractor(Program(400).requires_grad_(False), named)


def script_c3d(machine: Machine) -> FeatureExtractor:
    machine.value = 1 / 101  # probabilities that sum to 1
    named = spec("c3d-torchscript", "log-probs", 101, SCRIPT_RESIZE, "x")
    return TorchScriptC3DExtractor(Program(101).requires_grad_(False), named)


Make = Callable[[Machine], FeatureExtractor]
MADE: dict[str, Make] = {
    **{f"i3d {layer}": lambda m, layer=layer: i3d(m, layer) for layer in I3D_LAYERS},
    **{f"c3d {layer}": lambda m, layer=layer: c3d(m, layer) for layer in C3D_LAYERS},
    **{f"inception {layer}": lambda m, layer=layer: inception(m, layer)
       for layer in INCEPTION_LAYERS},
    **{f"{name} embedding": lambda m, row=row: clip(m, row)
       for name, row in ARCHITECTURES.items()},
    "i3d-torchscript port": lambda m: i3d(m, kind=PortedI3DExtractor),
    **{f"{name} {layer}": lambda _, name=name, layer=layer: load_tiny(name, layer=layer)
       for name in ("tiny3d", "tiny2d") for layer in ("embedding", "logits", "probs")},
    "tinyclip embedding": lambda _: load_tiny("tinyclip"),
}  # fmt: skip
PROGRAMS: dict[str, Make] = {"i3d-torchscript": script_i3d, "c3d-torchscript": script_c3d}


def on_cuda(extractor: FeatureExtractor, precision: Precision = "fp32") -> np.ndarray:
    """Two clips of 16 frames, or two frames, from uint8 to features."""
    extractor.set_precision(precision).to("cuda")
    assert extractor.device.type == "cuda"
    shape = (2, 16, 48, 64, 3) if extractor.kind == "video" else (2, 48, 64, 3)
    return extractor(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", MADE)
def test_features(cuda: Machine, name: str, precision: Precision) -> None:
    extractor = MADE[name](cuda)
    found = on_cuda(extractor, precision)
    assert found.dtype == np.float32
    assert found.shape == (2, extractor.spec.dim)
    assert cuda.written > 0
    assert extractor.arithmetic == precision


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(cuda: Machine, name: str) -> None:
    extractor = PROGRAMS[name](cuda)
    assert on_cuda(extractor).shape == (2, extractor.spec.dim)


def test_texts_of_tinyclip(cuda: Machine) -> None:
    encoder = load_tiny("tinyclip").to("cuda")
    captions = ["a small red circle slides left slowly over plain navy"] * 2
    assert encoder.encode(captions).shape == (2, 64)
    words, mask = encoder.encode_words(captions)
    assert words.shape == (*mask.shape, 64)


def test_all_extractors_are_here() -> None:
    names = {name.split()[0] for name in (*MADE, *PROGRAMS)}
    assert names == set(NETWORKS)
