"""Seeded weight files in the published formats, as the golden outputs were made with.

The recipe of every number stands in `golden/README.md` of the test data.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pyoco_eval.features.c3d.network import CONVOLUTIONS
from pyoco_eval.features.i3d.published_tensors import published_tensors
from pyoco_eval.weights import WeightFile

C3D_SHAPES = {
    **{name: (out, into, 3, 3, 3) for name, (into, out) in CONVOLUTIONS.items()},
    "fc6": (4096, 8192),
    "fc7": (4096, 4096),
    "fc8": (101, 4096),
}


def golden_rng(name: str) -> np.random.RandomState:
    digest = hashlib.sha256(f"dev:{name}".encode()).digest()
    return np.random.RandomState(int.from_bytes(digest[:4], "little"))


def i3d_tensors() -> Iterator[tuple[str, np.ndarray]]:
    """TensorFlow name and float32 array of every tensor, in the order of the data file."""
    for record in published_tensors():
        rng, shape = golden_rng(record.name), record.shape
        if record.name.endswith("conv_3d/w"):
            values = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))
        elif record.name.endswith("moving_variance"):
            values = rng.uniform(0.5, 1.5, shape)
        else:
            values = 0.1 * rng.standard_normal(shape)
        yield record.name, values.astype("<f4")


def c3d_arrays() -> dict[str, np.ndarray]:
    """Chainer name and float32 array of every parameter."""
    arrays = {}
    for layer, shape in C3D_SHAPES.items():
        kernel = golden_rng(f"{layer}/W").standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        arrays[f"{layer}/W"] = kernel.astype(np.float32)
        bias = 0.1 * golden_rng(f"{layer}/b").standard_normal(shape[0])
        arrays[f"{layer}/b"] = bias.astype(np.float32)
    return arrays


def mean_cube() -> np.ndarray:
    return golden_rng("mean").uniform(60, 140, (3, 16, 128, 171)).astype(np.float32)


def weight_file(path: Path, key: str = "i3d", *, published: bool = False) -> WeightFile:
    digest = f"sha256:{hashlib.sha256(str(path.name).encode()).hexdigest()}"
    return WeightFile(key=key, path=path, digest=digest, published=published)


def relative_l2(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
