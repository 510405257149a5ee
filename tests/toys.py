"""A network small enough to check by hand, and videos to feed it."""

import numpy as np
import torch

from pyoco_eval.features.base import ExtractorSpec, FeatureExtractor, WeightsIdentity
from pyoco_eval.videos.resize import ResizeRule


class MeanColour(FeatureExtractor):
    """The mean of each colour channel over a clip (`video`) or frame (`image`)."""

    def __init__(
        self,
        kind: str = "video",
        name: str = "toy",
        layer: str = "rgb",
        resize: ResizeRule | None = None,
        scaling: str = "x",
    ) -> None:
        self.kind = kind  # type: ignore[misc, assignment]
        self.calls: list[int] = []
        self.pretended_device = "cpu"
        self.spec = ExtractorSpec(
            name=name,
            network="mean",
            layer=layer,
            dim=3,
            resize=resize or ResizeRule(8, "bilinear"),
            scaling=scaling,
            weights=WeightsIdentity("00000000", "sha256:" + "0" * 64, published=True),
        )

    def prepare(self, frames: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(frames).permute(0, 3, 1, 2).float()

    def scale(self, resized: torch.Tensor) -> torch.Tensor:
        return resized

    def launch(self, batch: torch.Tensor) -> torch.Tensor:
        self.calls.append(len(batch))
        axes = (1, 3, 4) if self.kind == "video" else (2, 3)
        return batch.mean(dim=axes)

    @property
    def device(self) -> torch.device:
        return torch.device(self.pretended_device)

    def to(self, device: torch.device | str) -> "MeanColour":
        return self


def flat_videos(num: int, num_frames: int = 6, seed: int = 0) -> list[np.ndarray]:
    """Videos whose every frame is one random colour: (T, 8, 8, 3) uint8."""
    colours = np.random.default_rng(seed).integers(0, 256, (num, num_frames, 1, 1, 3), np.uint8)
    return list(np.broadcast_to(colours, (num, num_frames, 8, 8, 3)).copy())
