"""FID and Inception Score features of single frames.

Axes: T frames, B batch, C channels (RGB), H, W, D features.

Three tools, three input paths to the same network: pytorch-fid resizes with half-pixel bilinear
and scales by 2x/255-1; clean-fid resizes with Pillow's bicubic in float, TTUR and torch-fidelity
with TF1's bilinear, and both scale by (x-128)/128.
"""

from collections.abc import Sequence
from typing import Final, Literal, cast

import numpy as np
import torch
from torch import nn

from pyoco_eval.errors import UsageError
from pyoco_eval.features.base import (
    ExtractorSpec,
    FeatureExtractor,
    LoadRequest,
    WeightsIdentity,
    divide,
)
from pyoco_eval.features.inception.checkpoint import load_inception_network
from pyoco_eval.features.inception.network import LAYER_DIMS, InceptionNetwork
from pyoco_eval.features.layers.exact_inference import exact_inference
from pyoco_eval.videos.resize import ResizeRule, resize_frames
from pyoco_eval.weights import WeightFile

Scaling = Literal["2x/255-1", "(x-128)/128"]

INPUT_SIZE: Final = 299
CLEAN_RESIZE: Final = ResizeRule(INPUT_SIZE, "pil-bicubic-float", "squash")
_SCALINGS: Final[dict[str, tuple[float, float]]] = {
    "2x/255-1": (127.5, 127.5),
    "(x-128)/128": (128.0, 128.0),
}


class InceptionExtractor(FeatureExtractor):
    """Features of the FID Inception, one row per frame."""

    kind = "image"

    def __init__(self, network: InceptionNetwork, spec: ExtractorSpec) -> None:
        self.network = network
        self.spec = spec
        self._centre, self._width = _SCALINGS[spec.scaling]

    def prepare(self, frames: np.ndarray) -> torch.Tensor:
        return self.scale(resize_frames(frames, self.spec.resize))

    def scale(self, resized: torch.Tensor) -> torch.Tensor:
        return divide(resized.sub_(self._centre), self._width)

    def launch(self, batch: torch.Tensor) -> torch.Tensor:
        with exact_inference():
            inputs = batch.to(self.device, self.dtype, memory_format=torch.channels_last)
            features: torch.Tensor = self.network(inputs, self.spec.layer)
            return features

    def rounded_parts(self) -> Sequence[nn.Module]:
        return [part for name, part in self.network.named_children() if name != "fc"]


def load_inception(
    weight_file: WeightFile,
    *,
    layer: str = "pool3",
    resize: ResizeRule = CLEAN_RESIZE,
    scaling: Scaling = "(x-128)/128",
) -> InceptionExtractor:
    """The FID Inception of 2015-12-05 as an extractor on the CPU.

    Args:
        weight_file: `pt_inception-2015-12-05-6726825d.pth` or a safetensors file of the same names.
        layer: `pool3` (2048, FID), `logits`, `logits-unbiased` (Inception Score), `probs` (1008
            each), or the spatial means `64`, `192`, `768`.
        resize: rule of size 299; the default is clean-fid's.
        scaling: how 0..255 becomes network input; the default is clean-fid's.

    Raises:
        UsageError: unknown layer or scaling, or a size other than 299.
        MissingError, WeightsError: see `load_inception_network`.
    """
    for name, value, choices in (("layer", layer, LAYER_DIMS), ("scaling", scaling, _SCALINGS)):
        if value not in choices:
            raise UsageError(f"inception {name} {value!r} is not one of {', '.join(choices)}")
    if resize.size != INPUT_SIZE:
        raise UsageError(f"inception takes frames of {INPUT_SIZE} pixels, not {resize.spec()}")
    spec = ExtractorSpec(
        name="inception",
        network="fid2015",
        layer=layer,
        dim=LAYER_DIMS[layer],
        resize=resize,
        scaling=scaling,
        weights=WeightsIdentity(weight_file.short, weight_file.digest, weight_file.published),
    )
    return InceptionExtractor(load_inception_network(weight_file.path), spec)


def open_inception(request: LoadRequest) -> InceptionExtractor:
    """`load_inception` for the catalogue of networks."""
    assert request.resize is not None
    return load_inception(
        request.weight_file("inception"),
        layer=request.layer,
        resize=request.resize,
        scaling=cast("Scaling", request.scaling),
    )
