"""FVD features of video clips: the I3D of the TF-Hub module, loaded without TensorFlow.

Axes: B batch, T frames, C channels (RGB), H, W, D features.

References: google-research/google-research frechet_video_distance (the reference of FVD).
"""

import math
from collections.abc import Sequence
from typing import Final

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
from pyoco_eval.features.i3d.checkpoint import load_i3d_network
from pyoco_eval.features.i3d.network import INPUT_SIZE, LAYER_DIMS, MIN_FRAMES, I3DNetwork
from pyoco_eval.features.layers.exact_inference import exact_inference
from pyoco_eval.videos.resize import ResizeRule, resize_frames
from pyoco_eval.weights import WeightFile

REFERENCE_RESIZE: Final = ResizeRule(INPUT_SIZE, "tf1-bilinear", "squash")
REFERENCE_BN_EPS: Final = 1e-3
PUBLISHED: Final = WeightsIdentity(
    "fa7df956", "gitblob:fa7df95674dbf3579e7fccd954e51e706b4734c1", published=True
)


class I3DExtractor(FeatureExtractor):
    """I3D features, one row per clip of at least nine frames."""

    kind = "video"
    min_frames = MIN_FRAMES

    network: I3DNetwork

    def __init__(self, network: I3DNetwork, spec: ExtractorSpec) -> None:
        self.network = network
        self.spec = spec

    def prepare(self, frames: np.ndarray) -> torch.Tensor:
        _check_length(len(frames))
        return self.scale(resize_frames(frames, self.spec.resize))

    def scale(self, resized: torch.Tensor) -> torch.Tensor:
        return divide(resized.mul_(2), 255).sub_(1)

    def launch(self, batch: torch.Tensor) -> torch.Tensor:
        _check_length(batch.shape[1])
        clips = batch.transpose(1, 2)
        with exact_inference():
            if self.device.type == "cpu":  # one clip at a time stays in memory already mapped
                return torch.cat([self._features(clip[None]) for clip in clips])
            return self._features(clips)

    def rounded_parts(self) -> Sequence[nn.Module]:
        return [self.network.stages]

    def _features(self, clips: torch.Tensor) -> torch.Tensor:
        inputs = clips.to(self.device, self.dtype)
        inputs = inputs.contiguous(memory_format=torch.channels_last_3d)
        features: torch.Tensor = self.network(inputs, self.spec.layer)
        return features


def load_i3d(
    weight_file: WeightFile,
    *,
    layer: str = "logits",
    resize: ResizeRule | None = None,
    bn_eps: float = REFERENCE_BN_EPS,
) -> I3DExtractor:
    """I3D on the CPU. The defaults are those of the TF-Hub graph that defines FVD.

    Args:
        weight_file: DeepMind's checkpoint, `i3d_pretrained_400.pt`, or safetensors of either.
        layer: `logits` (400), `probs` (softmax of the logits) or `pool` (1024), each from the mean
            over time.
        resize: rule of size 224; None is TF1's bilinear without regard to the aspect.
        bn_eps: 1e-3 in the graph; most PyTorch ports use 1e-5, which is named in the spec.

    Raises:
        UsageError: unknown layer, a size other than 224, an eps that is not positive.
        MissingError, WeightsError: see `load_i3d_network`.
    """
    resize = resize or REFERENCE_RESIZE
    if layer not in LAYER_DIMS:
        raise UsageError(f"i3d layer {layer!r} is not one of {', '.join(LAYER_DIMS)}")
    if resize.size != INPUT_SIZE:
        raise UsageError(f"i3d takes frames of {INPUT_SIZE} pixels, not {resize.spec()}")
    if not (math.isfinite(bn_eps) and bn_eps > 0):
        raise UsageError(f"i3d bn_eps {bn_eps} is not a positive number")
    network, verified = load_i3d_network(weight_file.path, bn_eps)
    given = WeightsIdentity(weight_file.short, weight_file.digest, weight_file.published)
    spec = ExtractorSpec(
        name="i3d",
        network="k400",
        layer=layer,
        dim=LAYER_DIMS[layer],
        resize=resize,
        scaling="2x/255-1",
        weights=PUBLISHED if verified else given,
        variant="" if bn_eps == REFERENCE_BN_EPS else _variant(bn_eps),
    )
    return I3DExtractor(network, spec)


def open_i3d(request: LoadRequest) -> I3DExtractor:
    """`load_i3d` for the catalogue of networks."""
    return load_i3d(
        request.weight_file("i3d"),
        layer=request.layer,
        resize=request.resize,
        bn_eps=REFERENCE_BN_EPS if request.bn_eps is None else request.bn_eps,
    )


def _variant(bn_eps: float) -> str:
    return "bn" + np.format_float_scientific(bn_eps, trim="-", exp_digits=1)


def _check_length(num_frames: int) -> None:
    if num_frames < MIN_FRAMES:
        raise UsageError(
            f"i3d needs clips of at least {MIN_FRAMES} frames, found {num_frames}: "
            "its last pool spans two time steps of eight frames each"
        )
