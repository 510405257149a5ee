"""CLIP features of single frames: the image embedding of CLIP ViT-B/32 or ViT-L/14.

Axes: T frames, B batch, C channels (RGB), H, W, D features.

For CLIP-FID two tools, two input paths: clean-fid resizes the shorter side with Pillow's bicubic on
whole numbers and crops the centre; torch-fidelity squashes with TF1's bilinear. Both use the
embedding as it is, not normalised to unit length. clean-fid computes in float16 on CUDA and in
float32 on the CPU; here it is float32 everywhere.
"""

from functools import cache
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
from pyoco_eval.features.clip.architectures import ARCHITECTURES, VIT_B_32, ClipArchitecture
from pyoco_eval.features.clip.checkpoint import load_image_tower
from pyoco_eval.features.layers.exact_inference import exact_inference
from pyoco_eval.videos.resize import ResizeRule, resize_frames
from pyoco_eval.weights import WeightFile

INPUT_SIZE: Final = 224
CLEAN_FID_RESIZE: Final = ResizeRule(INPUT_SIZE, "pil-bicubic", "crop")
MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
STD: Final = (0.26862954, 0.26130258, 0.27577711)
"""Of the RGB channels in 0..1, as CLIP was trained."""


class ClipExtractor(FeatureExtractor):
    """Image embeddings of CLIP, one row per frame."""

    kind = "image"

    def __init__(self, tower: nn.Module, spec: ExtractorSpec) -> None:
        self.network = tower
        self.spec = spec

    def prepare(self, frames: np.ndarray) -> torch.Tensor:
        return self.scale(resize_frames(frames, self.spec.resize))

    def scale(self, resized: torch.Tensor) -> torch.Tensor:
        mean, std = _of_channels(resized.device)
        return divide(resized, 255).sub_(mean).div_(std)

    def launch(self, batch: torch.Tensor) -> torch.Tensor:
        with exact_inference():
            embedding: torch.Tensor = self.network(batch.to(self.device, self.dtype))
            return embedding.float()


def load_clip(
    weight_file: WeightFile,
    *,
    layer: str = "embedding",
    resize: ResizeRule = CLEAN_FID_RESIZE,
    architecture: ClipArchitecture = VIT_B_32,
) -> ClipExtractor:
    """A CLIP's image tower as an extractor on the CPU.

    The architecture is OpenAI's, with QuickGELU. Weights that were trained with the ordinary GELU
    have the same shapes and cannot be told apart by content; they are labelled unverified because
    their hash is not the published one.

    Args:
        weight_file: see `clip_checkpoint`.
        layer: `embedding` (D), the only one.
        resize: rule of size 224; the default is clean-fid's, `ResizeRule(224, "tf1-bilinear")` is
            torch-fidelity's.
        architecture: which CLIP it is.

    Raises:
        UsageError: another layer, or a size other than 224.
        MissingError, WeightsError: see `load_image_tower`.
    """
    if layer != "embedding":
        raise UsageError(f"{architecture.name} layer {layer!r} is not one of embedding")
    if resize.size != INPUT_SIZE:
        raise UsageError(
            f"{architecture.name} takes frames of {INPUT_SIZE} pixels, not {resize.spec()}"
        )
    spec = ExtractorSpec(
        name=architecture.name,
        network=architecture.network,
        layer=layer,
        dim=architecture.dim,
        resize=resize,
        scaling="clip-mean-std",
        weights=WeightsIdentity(weight_file.short, weight_file.digest, weight_file.published),
    )
    return ClipExtractor(load_image_tower(weight_file.path, architecture), spec)


def open_clip(request: LoadRequest) -> ClipExtractor:
    """`load_clip` for the catalogue of networks."""
    assert request.resize is not None
    architecture = ARCHITECTURES[request.name]
    return load_clip(
        request.weight_file(architecture.name),
        layer=request.layer,
        resize=request.resize,
        architecture=architecture,
    )


@cache
def _of_channels(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation, (3, 1, 1) each."""
    mean, std = (torch.tensor(values).view(3, 1, 1).to(device) for values in (MEAN, STD))
    return mean, std
