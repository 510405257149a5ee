"""Inception Score features of video clips: C3D trained on UCF-101, with TGANv2's preprocessing.

Axes: B batch, T frames, C channels (RGB), H, W, D features.

TGANv2 brings frames to [-1, 1], multiplies them by 128, resizes them and subtracts (mean - 128).
How whole numbers reach [-1, 1] differs by side: generated frames as 2x/255-1, which makes the
network see pixels 256/255 brighter, and real frames as (x-128)/128, which restores the pixels.
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
)
from pyoco_eval.features.c3d.checkpoint import load_c3d_network, load_mean
from pyoco_eval.features.c3d.network import INPUT_SIZE, LAYER_DIMS, NUM_FRAMES, C3DNetwork
from pyoco_eval.features.layers.exact_inference import exact_inference
from pyoco_eval.videos.resize import ResizeRule, resize_frames
from pyoco_eval.weights import WeightFile, remember

Scaling = Literal["2x/255-1", "(x-128)/128"]

RESIZE: Final = ResizeRule(INPUT_SIZE, "align-corners-bilinear", "squash")
_GAINS: Final[dict[str, float]] = {"2x/255-1": 256 / 255, "(x-128)/128": 1.0}


class C3DExtractor(FeatureExtractor):
    """C3D features, one row per clip of exactly sixteen frames."""

    kind = "video"
    num_frames = NUM_FRAMES
    min_frames = NUM_FRAMES

    network: C3DNetwork

    def __init__(self, network: C3DNetwork, mean: torch.Tensor, spec: ExtractorSpec) -> None:
        """Args: mean: float32 (16, 3, 112, 112), RGB, in 0..255."""
        self.network = network
        self.spec = spec
        self._means = {mean.device: mean}
        self._gain = _GAINS[spec.scaling]

    def prepare(self, frames: np.ndarray) -> torch.Tensor:
        _check_length(len(frames))
        return self.scale(resize_frames(frames, self.spec.resize))

    def scale(self, resized: torch.Tensor) -> torch.Tensor:
        device = resized.device
        if device not in self._means:
            self._means[device] = next(iter(self._means.values())).to(device)
        return resized.mul_(self._gain).sub_(self._means[device])

    def launch(self, batch: torch.Tensor) -> torch.Tensor:
        _check_length(batch.shape[1])
        clips = batch.to(self.device, self.dtype).transpose(1, 2)
        with exact_inference():
            inputs = clips.contiguous(memory_format=torch.channels_last_3d)
            features: torch.Tensor = self.network(inputs, self.spec.layer)
            return features

    def rounded_parts(self) -> Sequence[nn.Module]:
        return [self.network.convolutions]


def load_c3d(
    weight_file: WeightFile,
    mean_file: WeightFile,
    *,
    layer: str = "logits",
    scaling: Scaling = "2x/255-1",
) -> C3DExtractor:
    """C3D on the CPU, as an extractor.

    Args:
        weight_file: `conv3d_deepnetA_ucf.npz`.
        mean_file: `mean2.npz`; its identity is the variant of the spec, for it moves scores too.
        layer: `logits` or `probs` (101), `fc6` or `fc7` (4096).
        scaling: how 0..255 becomes [-1, 1]; the default is for generated frames.

    Raises:
        UsageError: unknown layer or scaling.
        MissingError, WeightsError: see `load_c3d_network` and `load_mean`.
    """
    for name, value, choices in (("layer", layer, LAYER_DIMS), ("scaling", scaling, _GAINS)):
        if value not in choices:
            raise UsageError(f"c3d {name} {value!r} is not one of {', '.join(choices)}")
    published = weight_file.published and mean_file.published
    spec = ExtractorSpec(
        name="c3d",
        network="ucf101",
        layer=layer,
        dim=LAYER_DIMS[layer],
        resize=RESIZE,
        scaling=scaling,
        weights=WeightsIdentity(weight_file.short, weight_file.digest, published),
        variant=f"mean{mean_file.short}",
    )
    return C3DExtractor(load_c3d_network(weight_file.path), load_mean(mean_file.path), spec)


def open_c3d(request: LoadRequest) -> C3DExtractor:
    """`load_c3d` for the catalogue of networks."""
    weights, mean = (request.weight_file(key) for key in ("c3d", "c3d-mean"))
    scaling = cast("Scaling", request.scaling)
    extractor = load_c3d(weights, mean, layer=request.layer, scaling=scaling)
    for file in (weights, mean):
        remember(file)
    return extractor


def _check_length(num_frames: int) -> None:
    if num_frames != NUM_FRAMES:
        raise UsageError(f"c3d needs clips of exactly {NUM_FRAMES} frames, found {num_frames}")
