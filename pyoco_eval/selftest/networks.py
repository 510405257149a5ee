"""Stage 3: networks give the features that float64 arithmetic gives, up to float32 rounding."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import torch

from pyoco_eval.errors import MissingError
from pyoco_eval.features.base import FeatureExtractor
from pyoco_eval.features.tiny.extractor import load_tiny
from pyoco_eval.selftest.check import Measurement, Skipped
from pyoco_eval.selftest.integers import sketch
from pyoco_eval.selftest.recipes import LOADERS
from pyoco_eval.shapes.dataset import MovingShapes

TOLERANCE: Final = 1e-5
"""Relative error of features. Float32 was seen within 2.1e-6 of the float64 truth, with the
instruction sets of 2008, 2013 and today, one thread or several, in either memory layout; TF32 and
bf16 lose 3e-4 and more."""

EMBEDDED: Final = (
    ("tiny3d", "embedding"),
    ("tiny3d", "logits"),
    ("tiny2d", "embedding"),
    ("tiny2d", "logits"),
    ("tinyclip", "embedding"),
)
QUICK: Final = ("i3d",)
"""Of the published architectures, the one that the quick test builds."""

Features = Callable[[FeatureExtractor, torch.Tensor], np.ndarray]


def measure_networks(
    devices: Sequence[str], *, quick: bool, features: Features | None = None
) -> Iterator[Measurement | Skipped]:
    """Embedded networks, then the published architectures, on every device.

    The caller's settings for speed are turned on meanwhile: they must not reach the networks.

    Args:
        devices: as PyTorch names them.
        quick: leave out the larger architectures.
        features: how a prepared batch becomes features, `extractor.extract` by default.
    """
    features = features or _extract
    with fast_and_loose():
        for name, layer in EMBEDDED:
            extractor = load_tiny(name, layer=layer)
            yield from _on_devices(f"{name} {layer}", extractor, devices, features)
        for name in QUICK if quick else LOADERS:
            with TemporaryDirectory() as folder:
                try:
                    extractor = LOADERS[name](Path(folder))
                except MissingError as error:
                    yield Skipped("networks", name, str(error))
                    continue
                yield from _on_devices(name, extractor, devices, features)


@contextmanager
def fast_and_loose() -> Iterator[None]:
    """PyTorch as a careless caller sets it: TF32 and bf16 in matrix products."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def prepared(extractor: FeatureExtractor) -> torch.Tensor:
    """A clip of moving shapes, or two frames of it, as the network takes them."""
    frames = MovingShapes("val")[0].frames
    if extractor.kind == "image":
        return extractor.prepare(frames[[0, 8]])
    return extractor.prepare(frames)[None]


def _extract(extractor: FeatureExtractor, batch: torch.Tensor) -> np.ndarray:
    return extractor.extract(batch).numpy()


def _on_devices(
    name: str, extractor: FeatureExtractor, devices: Sequence[str], features: Features
) -> Iterator[Measurement]:
    batch = prepared(extractor)
    for device in devices:
        found = features(extractor.to(device), batch)
        yield Measurement("networks", f"{name} on {device}", sketch(found), TOLERANCE, key=name)
