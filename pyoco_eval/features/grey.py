"""Features without a trained network: grey thumbnails of 8 x 8 pixels. Axes: T, B, H, W."""

from typing import Final

import numpy as np
import torch

from pyoco_eval.features.base import (
    ExtractorSpec,
    FeatureExtractor,
    LoadRequest,
    WeightsIdentity,
)
from pyoco_eval.videos.resize import ResizeRule, resize_frames

RESIZE: Final = ResizeRule(8, "bilinear-antialias", "squash")
LAYERS: Final = {"thumbnail": 64}
_LUMA: Final = (0.299, 0.587, 0.114)
"""Red, green and blue (ITU-R BT.601)."""


class GreyExtractor(FeatureExtractor):
    """Brightness of 64 pixels in 0..255, one row per frame."""

    kind = "image"

    def __init__(self, layer: str = "thumbnail") -> None:
        self.network = torch.nn.Conv2d(3, 1, 1, bias=False).requires_grad_(False)
        self.network.weight.copy_(torch.tensor(_LUMA).view(1, 3, 1, 1))
        none = WeightsIdentity("00000000", f"sha256:{'0' * 64}", published=True)
        self.spec = ExtractorSpec("grey", "bt601", layer, LAYERS[layer], RESIZE, "x", none)

    def prepare(self, frames: np.ndarray) -> torch.Tensor:
        return self.scale(resize_frames(frames, RESIZE))

    def scale(self, resized: torch.Tensor) -> torch.Tensor:
        return resized

    def launch(self, batch: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            pixels: torch.Tensor = self.network(batch.to(self.device, self.dtype))
            return pixels.flatten(1).float()


def open_grey(request: LoadRequest) -> GreyExtractor:
    """For the catalogue of networks."""
    return GreyExtractor(request.layer)
