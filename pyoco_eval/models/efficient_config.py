"""What a super-resolution network is built from: numbers alone, for a model's JSON file."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Final

from pydantic import ConfigDict

from pyoco_eval.errors import UsageError
from pyoco_eval.models.config import MAX_LEVELS, TextInput, check_ranges, validated

_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "factor": (2, 64),
    "channels": (1, 1 << 14),
    "multipliers": (1, 256),
    "num_blocks": (1, 256),
    "text_width": (0, 1 << 16),
    "num_classes": (0, 10**7),
    "frame_channels": (1, 256),
    "head_channels": (1, 1 << 14),
    "dropout": (0, 0.99),
}


@dataclass(frozen=True)
class EfficientConfig:
    """An efficient U-Net that enlarges frames of C channels.

    Level i works at 1 / 2^(i + 1) of the full height and width; the full resolution has the first
    and the last convolution alone.

    Attributes:
        factor: by which height and width grow.
        channels: width at full resolution; the noise embedding is four times as wide.
        multipliers: width of each level, in units of `channels`.
        num_blocks: residual blocks of each level, on the way down and again on the way up.
        cross_attention: levels that attend to the text tokens.
        temporal: whether there are convolutions over time, one after each block: a video network.
        text, text_width, num_classes: as of `UNetConfig`.
        frame_channels: C.
        head_channels: width of one attention head.
        dropout: probability inside residual blocks, in training.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    factor: int
    channels: int
    multipliers: tuple[int, ...]
    num_blocks: tuple[int, ...]
    cross_attention: tuple[int, ...] = ()
    temporal: bool = True
    text: tuple[TextInput, ...] = ()
    text_width: int = 0
    num_classes: int = 0
    frame_channels: int = 3
    head_channels: int = 64
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_ranges(self, _RANGES, "U-Net")
        levels = len(self.multipliers)
        if not 1 <= levels < MAX_LEVELS or len(self.num_blocks) != levels:
            raise UsageError(
                f"U-Net: multipliers {self.multipliers} and num_blocks {self.num_blocks} need one "
                f"entry per level each, and 1 to {MAX_LEVELS - 1} levels"
            )
        for level in self.cross_attention:
            if not 0 <= level < levels or self.width(level) % self.head_channels:
                raise UsageError(
                    f"U-Net: cross_attention names level {level}; levels are 0 to {levels - 1}, "
                    f"of widths that are multiples of head_channels {self.head_channels}"
                )
        if self.text and self.text_width < 1:
            raise UsageError("U-Net: give text_width, the common width of the text tokens")

    @property
    def input_channels(self) -> int:
        """Noisy frames and enlarged ones."""
        return 2 * self.frame_channels

    @property
    def known_frames(self) -> bool:
        """It is told frames of lower resolution instead."""
        return False

    @property
    def output_weighting(self) -> str:
        """The loss weighting that gives the network's output unit weight."""
        return "edm"

    @property
    def levels(self) -> tuple[float, ...]:
        """It is trained at noise of any level."""
        return ()

    @property
    def sigma_range(self) -> None:
        """It knows noise of any level."""
        return

    @property
    def size_multiple(self) -> int:
        """Height and width of the large frames are multiples of this."""
        return math.lcm(1 << len(self.multipliers), self.factor)

    def width(self, level: int) -> int:
        """Channels of a level."""
        return self.channels * self.multipliers[level]

    def image(self) -> "EfficientConfig":
        """The image network this video network is inflated from."""
        return replace(self, temporal=False)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; `from_json` reads them."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "EfficientConfig":
        """Raises UsageError on unknown or missing keys, or values no network can have."""
        return validated(cls, values, "U-Net")
