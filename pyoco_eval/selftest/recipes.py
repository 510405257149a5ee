"""Weight files of the published architectures, filled with numbers that mean nothing.

The published weights cannot be shipped. These have the published shapes and formats, go through the
same loaders, and every value comes from integer arithmetic, so the features are known.
"""

from collections.abc import Callable, Iterator, Mapping
from math import prod, sqrt
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.numpy import save_file

from pyoco_eval.features.base import FeatureExtractor
from pyoco_eval.features.c3d.checkpoint import MEAN_SHAPE
from pyoco_eval.features.c3d.network import CONVOLUTIONS
from pyoco_eval.features.c3d.network import LAYER_DIMS as C3D_DIMS
from pyoco_eval.features.i3d.published_tensors import published_shapes
from pyoco_eval.features.inception.network import ConvReLU, InceptionNetwork
from pyoco_eval.selftest.integers import uniform
from pyoco_eval.weights import WeightFile

_CLIP_WIDTH: Final = 768
_CLIP_BLOCKS: Final = 12


def load_i3d(folder: Path) -> FeatureExtractor:
    """I3D with made-up weights in the published format, written to `folder`."""
    from pyoco_eval.features.i3d.extractor import load_i3d as load

    return load(_write(folder / "i3d", "i3d", _network_values(published_shapes())))


def load_inception(folder: Path) -> FeatureExtractor:
    """Inception with made-up weights in the published format, written to `folder`."""
    from pyoco_eval.features.inception.extractor import load_inception as load

    return load(_write(folder / "inception", "inception", _network_values(_inception_shapes())))


def load_clip(folder: Path) -> FeatureExtractor:
    """Raises MissingError where open_clip is not installed."""
    from pyoco_eval.features.clip.extractor import load_clip as load

    shapes = {f"visual.{name}": shape for name, shape in _clip_shapes()}
    return load(_write(folder / "clip", "clip", _network_values(shapes)))


def load_c3d(folder: Path) -> FeatureExtractor:
    """C3D with made-up weights in the published format, written to `folder`."""
    from pyoco_eval.features.c3d.extractor import load_c3d as load

    shapes: dict[str, tuple[int, ...]] = {
        **{f"{name}/W": (out, into, 3, 3, 3) for name, (into, out) in CONVOLUTIONS.items()},
        "fc6/W": (4096, 8192),
        "fc7/W": (4096, 4096),
        "fc8/W": (C3D_DIMS["logits"], 4096),
    }
    shapes |= {name.replace("/W", "/b"): shape[:1] for name, shape in shapes.items()}
    mean = 100 + uniform("c3d/mean", MEAN_SHAPE, 40)
    np.savez(folder / "mean.npz", mean=mean)
    np.savez(folder / "c3d.npz", **_network_values(shapes))  # type: ignore[arg-type]
    files = [_weight_file(key, folder / f"{name}.npz") for key, name in _C3D_FILES]
    return load(*files)


LOADERS: Final[Mapping[str, Callable[[Path], FeatureExtractor]]] = {
    "i3d": load_i3d,
    "inception": load_inception,
    "c3d": load_c3d,
    "clip": load_clip,
}
"""Each writes its weights into a folder and loads them, on the CPU."""

_C3D_FILES: Final = (("c3d", "c3d"), ("c3d-mean", "mean"))


def _network_values(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    return {name: _values(name, shape) for name, shape in shapes.items()}


def _values(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Kernels that keep the variance under ReLU, scales and variances about 1, small shifts."""
    if len(shape) > 1:
        return uniform(name, shape, sqrt(6 / prod(shape[1:])))
    is_scale = name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1)
    return uniform(name, shape, 0.1) + np.float32(is_scale)


def _inception_shapes() -> dict[str, tuple[int, ...]]:
    """Published names, with batch normalisation beside its convolution."""
    with torch.device("meta"):
        network = InceptionNetwork()
    shapes: dict[str, tuple[int, ...]] = {"fc.weight": (1008, 2048), "fc.bias": (1008,)}
    for name, module in network.named_modules():
        if isinstance(module, ConvReLU):
            shapes[f"{name}.conv.weight"] = tuple(module.weight.shape)
            for part in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"{name}.bn.{part}"] = (module.out_channels,)
    return shapes


def _clip_shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """The image tower of ViT-B/32: 49 patches and a class token through 12 blocks."""
    width = _CLIP_WIDTH
    yield from (("class_embedding", (width,)), ("positional_embedding", (50, width)))
    yield from (("proj", (width, 512)), ("conv1.weight", (width, 3, 32, 32)))
    norms = ["ln_pre", "ln_post"]
    for block in range(_CLIP_BLOCKS):
        prefix = f"transformer.resblocks.{block}"
        norms += [f"{prefix}.ln_1", f"{prefix}.ln_2"]
        yield from ((f"{prefix}.attn.in_proj_weight", (3 * width, width)),)
        yield from ((f"{prefix}.attn.in_proj_bias", (3 * width,)),)
        linear = (("attn.out_proj", width, width), ("mlp.c_fc", 4 * width, width))
        for name, out, into in (*linear, ("mlp.c_proj", width, 4 * width)):
            yield f"{prefix}.{name}.weight", (out, into)
            yield f"{prefix}.{name}.bias", (out,)
    for name in norms:
        yield from ((f"{name}.weight", (width,)), (f"{name}.bias", (width,)))


def _write(path: Path, key: str, values: dict[str, np.ndarray]) -> WeightFile:
    save_file(values, path)
    return _weight_file(key, path)


def _weight_file(key: str, path: Path) -> WeightFile:
    return WeightFile(key, path, "sha256:" + "0" * 64, published=False)
