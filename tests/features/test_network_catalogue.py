"""Every row of the catalogue of networks says what the loaded network is."""

import subprocess
import sys

import pytest

from pyoco_eval.catalogue import object_at
from pyoco_eval.extraction.networks import of_frames
from pyoco_eval.features.base import CaptionEncoder, FeatureExtractor, LoadRequest
from pyoco_eval.features.c3d.extractor import C3DExtractor
from pyoco_eval.features.c3d.network import LAYER_DIMS as C3D_LAYERS
from pyoco_eval.features.c3d.torchscript import NUM_CLASSES, TorchScriptC3DExtractor
from pyoco_eval.features.catalogue import EMBEDDED, NETWORKS
from pyoco_eval.features.clip.architectures import ARCHITECTURES
from pyoco_eval.features.clip.extractor import ClipExtractor
from pyoco_eval.features.i3d.extractor import I3DExtractor
from pyoco_eval.features.i3d.network import LAYER_DIMS as I3D_LAYERS
from pyoco_eval.features.i3d.torchscript import DIM, TorchScriptI3DExtractor
from pyoco_eval.features.inception.extractor import InceptionExtractor
from pyoco_eval.features.inception.network import LAYER_DIMS as INCEPTION_LAYERS
from pyoco_eval.features.tiny.extractor import (
    TinyFrameExtractor,
    TinyImageTextExtractor,
    TinyVideoExtractor,
    load_tiny,
)
from pyoco_eval.metrics.conventions import CONVENTIONS
from pyoco_eval.videos.resize import IN_NETWORK, ResizeRule
from pyoco_eval.weights import MANIFEST

CLASSES: dict[str, tuple[type[FeatureExtractor], dict[str, int]]] = {
    "i3d": (I3DExtractor, I3D_LAYERS),
    "c3d": (C3DExtractor, C3D_LAYERS),
    "inception": (InceptionExtractor, INCEPTION_LAYERS),
    **{name: (ClipExtractor, {"embedding": row.dim}) for name, row in ARCHITECTURES.items()},
    "i3d-torchscript": (TorchScriptI3DExtractor, {"logits": DIM}),
    "c3d-torchscript": (TorchScriptC3DExtractor, {"log-probs": NUM_CLASSES}),
    "tiny3d": (TinyVideoExtractor, TinyVideoExtractor.layers),
    "tiny2d": (TinyFrameExtractor, TinyFrameExtractor.layers),
    "tinyclip": (TinyImageTextExtractor, TinyImageTextExtractor.layers),
}


def test_catalogues_load_neither_numpy_nor_torch() -> None:
    code = (
        "import sys, pyoco_eval.features.catalogue, pyoco_eval.metrics.catalogue\n"
        "print([name for name in ('numpy', 'torch') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("name", NETWORKS.own)
def test_a_row_is_that_of_its_class(name: str) -> None:
    row, (kind, layers) = NETWORKS[name], CLASSES[name]
    assert row.kind == kind.kind
    assert dict(row.layers) == layers
    assert (row.min_frames, row.num_frames) == (kind.min_frames, kind.num_frames)
    assert callable(object_at(row.loader))
    assert set(row.weights) <= set(MANIFEST)


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_row_is_that_of_the_loaded_network(name: str) -> None:
    row = NETWORKS[name]
    for layer, dim in row.layers.items():
        loaded = object_at(row.loader)(LoadRequest(name, layer))
        assert isinstance(loaded, FeatureExtractor)
        assert (loaded.spec.name, loaded.spec.dim, loaded.kind) == (name, dim, row.kind)


def test_conventions_are_of_networks_that_can_follow_them() -> None:
    for rule in CONVENTIONS.own.values():
        row = NETWORKS[rule.extractor]
        assert rule.layer in row.layers
        if rule.resize and ResizeRule.parse(rule.resize).kernel == IN_NETWORK:
            assert row.resizes_inside
    for name, row in NETWORKS.own.items():
        assert CONVENTIONS[row.convention].extractor == name


def test_networks_with_text_encode_captions() -> None:
    assert [name for name, row in NETWORKS.own.items() if row.text] == [
        "clip",
        "clip-vitl14",
        "tinyclip",
    ]
    place = NETWORKS["tinyclip"].text
    assert place is not None
    encoder: CaptionEncoder = object_at(place)(LoadRequest("tinyclip", ""))
    assert encoder.encode(["a red circle"]).shape == (1, load_tiny("tinyclip").spec.dim)


def test_metrics_of_frames_are_those_whose_networks_see_frames() -> None:
    assert of_frames() == ["fid", "clip-fid", "kid", "clipsim"]
