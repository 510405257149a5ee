"""The network: the mean colour of a frame. Axes: T frames, B batch, H, W."""

import numpy as np
import torch

from pyoco_eval.features.base import (
    ExtractorSpec,
    FeatureExtractor,
    LoadRequest,
    WeightsIdentity,
)
from pyoco_eval.videos.resize import resize_frames

WITHOUT = WeightsIdentity("00000000", "sha256:" + "0" * 64, published=True)
"""Of a network that has no weights."""


class MeanColour(torch.nn.Module):
    """(B, 3, H, W) to (B, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("one", torch.ones(()))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.mean((2, 3)) * self.one


class ColourExtractor(FeatureExtractor):
    """Mean red, green and blue in 0..255, one row per frame."""

    kind = "image"

    def __init__(self, spec: ExtractorSpec) -> None:
        self.spec = spec
        self.network = MeanColour()

    def prepare(self, frames: np.ndarray) -> torch.Tensor:
        return self.scale(resize_frames(frames, self.spec.resize))

    def scale(self, resized: torch.Tensor) -> torch.Tensor:
        return resized

    def launch(self, batch: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = self.network(batch.to(self.device))
            return found


def open_colours(request: LoadRequest) -> ColourExtractor:
    assert request.resize is not None
    spec = ExtractorSpec("colours", "rgb", request.layer, 3, request.resize, "x", WITHOUT)
    return ColourExtractor(spec)
