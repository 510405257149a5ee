"""Frames prepared where they are: the same inputs as `prepare` gives, for every extractor."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from pyoco_eval.features.base import ExtractorSpec, FeatureExtractor, WeightsIdentity, divide
from pyoco_eval.features.c3d.extractor import C3DExtractor
from pyoco_eval.features.c3d.torchscript import TorchScriptC3DExtractor
from pyoco_eval.features.clip.extractor import ClipExtractor
from pyoco_eval.features.i3d.extractor import I3DExtractor
from pyoco_eval.features.i3d.torchscript import PortedI3DExtractor, TorchScriptI3DExtractor
from pyoco_eval.features.inception.extractor import InceptionExtractor
from pyoco_eval.features.tiny.extractor import load_tiny
from pyoco_eval.videos.resize import ResizeRule
from pyoco_eval.videos.resize_device import TOLERANCE

Build = Callable[..., FeatureExtractor]


def spec(resize: str, scaling: str = "2x/255-1") -> ExtractorSpec:
    weights = WeightsIdentity("00000000", "sha256:" + "0" * 64, published=False)
    return ExtractorSpec("x", "x", "x", 1, ResizeRule.parse(resize), scaling, weights)


def c3d(found: ExtractorSpec) -> C3DExtractor:
    mean = torch.rand(16, 3, 112, 112, generator=torch.Generator().manual_seed(0)) * 255
    return C3DExtractor(nn.Identity(), mean, found)  # type: ignore[arg-type]


def with_identity(kind: Build) -> Build:
    return lambda found: kind(nn.Identity(), found)


CASES = [
    (with_identity(I3DExtractor), spec("224-tf1bilinear-squash"), 0.0),
    (with_identity(I3DExtractor), spec("224-bilinear-crop"), TOLERANCE / 100),
    (with_identity(PortedI3DExtractor), spec("224-innetwork-squash"), TOLERANCE / 100),
    (with_identity(TorchScriptI3DExtractor), spec("224-tf1bilinear-squash"), 0.0),
    (c3d, spec("112-aligncornersbilinear-squash"), TOLERANCE),
    (c3d, spec("112-aligncornersbilinear-squash", "(x-128)/128"), TOLERANCE),
    (with_identity(InceptionExtractor), spec("299-pilbicubicfloat-squash", "(x-128)/128"), 2e-7),
    (with_identity(InceptionExtractor), spec("299-tf1bilinear-squash", "(x-128)/128"), 0.0),
    (with_identity(InceptionExtractor), spec("299-bilinear-squash"), TOLERANCE / 100),
    (with_identity(ClipExtractor), spec("224-pilbicubic-crop"), 0.0),
    (with_identity(ClipExtractor), spec("224-tf1bilinear-squash"), 0.0),
    (lambda _: load_tiny("tiny3d"), spec("64-bilinearantialias-squash"), TOLERANCE / 100),
    (lambda _: load_tiny("tiny2d"), spec("64-bilinearantialias-squash"), TOLERANCE / 100),
]


@pytest.mark.parametrize(("build", "found", "tolerance"), CASES)
def test_prepared_there_is_prepared_here(
    build: Build, found: ExtractorSpec, tolerance: float
) -> None:
    extractor = build(found)
    clips = np.random.default_rng(0).integers(0, 256, (2, 16, 45, 60, 3), dtype=np.uint8)
    assert extractor.prepares_there(clips[0])
    if extractor.kind == "image":
        here = extractor.prepare(clips[0])
        there = extractor.prepare_there(torch.from_numpy(clips[0]))
    else:
        here = torch.stack([extractor.prepare(frames) for frames in clips])
        there = extractor.prepare_there(torch.from_numpy(clips))
    assert there.shape == here.shape
    torch.testing.assert_close(there, here, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (TorchScriptI3DExtractor, "224-innetwork-squash"),
        (TorchScriptC3DExtractor, "112-innetwork-squash"),
        (I3DExtractor, "224-bilinear-crop-truncate"),
    ],
)
def test_what_the_device_cannot_do_alike_is_prepared_here(kind: Build, rule: str) -> None:
    frames = np.zeros((16, 45, 60, 3), np.uint8)
    assert not kind(nn.Identity(), spec(rule)).prepares_there(frames)


def test_division_is_division_and_not_a_product_with_the_reciprocal() -> None:
    values = torch.arange(256, dtype=torch.float32)
    assert torch.equal(divide(values.clone(), 255), torch.from_numpy(np.float32(values) / 255))
    assert not torch.equal(divide(values.clone(), 255), values * (1 / 255))
