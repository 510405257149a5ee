"""The contract between a network and all that trains, averages, stores and samples it.

Three networks keep it: `VideoUNet`, of this package, `EfficientUNet`, which enlarges frames, and
`MotionUNet`, a text-to-image U-Net of diffusers with temporal layers.
"""

from abc import ABC, abstractmethod
from typing import Any, Protocol

import torch
from torch import nn

from pyoco_eval.diffusion.denoiser import Conditioning
from pyoco_eval.diffusion.precondition import EDMDenoiser, VPDenoiser
from pyoco_eval.models.config import TextInput


class NetworkConfig(Protocol):
    """What a network is built from: numbers and words alone, so that a model's JSON holds it."""

    @property
    def temporal(self) -> bool:
        """Whether it is a network of videos."""
        ...

    @property
    def text(self) -> tuple[TextInput, ...]:
        """Text encoders it listens to."""
        ...

    @property
    def num_classes(self) -> int:
        """Class labels it knows, 0 for none."""
        ...

    @property
    def known_frames(self) -> bool:
        """Whether it also sees frames that are given."""
        ...

    @property
    def frame_channels(self) -> int:
        """C of the frames."""
        ...

    @property
    def size_multiple(self) -> int:
        """Height and width of the frames are multiples of this."""
        ...

    @property
    def output_weighting(self) -> str:
        """The loss weighting that gives its output unit weight."""
        ...

    @property
    def levels(self) -> tuple[float, ...]:
        """Noise levels it is trained at, rising; none for a network of any level."""
        ...

    @property
    def sigma_range(self) -> tuple[float, float] | None:
        """The noise levels it knows; None for any."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, strings and lists, for `model.json`."""
        ...


class VideoNetwork(nn.Module, ABC):
    """A network of images or videos.

    All its state is in parameters: buffers it has are not stored.

    Attributes:
        config: what it was built from.
        gradient_checkpointing: recompute the stages in the backward pass instead of keeping their
            activations.
        stages: types of the layers that are recomputed, and divided among processes, as a whole.
        temporal_layers: types of those that an image network does not have.
        fixed: names of parameters that are never trained.
    """

    config: NetworkConfig
    gradient_checkpointing: bool
    stages: tuple[type[nn.Module], ...]
    temporal_layers: tuple[type[nn.Module], ...]
    fixed: frozenset[str] = frozenset()

    @abstractmethod
    def denoiser(self, sigma_data: float) -> EDMDenoiser | VPDenoiser:
        """Itself behind the contracts of `diffusion.denoiser` and `diffusion.loss.JointDenoiser`.

        Args:
            sigma_data: standard deviation of the data.
        """

    @abstractmethod
    def forward(
        self,
        x: torch.Tensor,
        noise: torch.Tensor,
        cond: Conditioning | None = None,
        *,
        num_images: int = 0,
        image_cond: Conditioning | None = None,
    ) -> torch.Tensor:
        """One evaluation, as `VideoUNet.forward`, `noise` (B,) in the network's own terms."""
