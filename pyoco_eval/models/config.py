"""What a U-Net is built from: numbers alone, so that a model's JSON file holds it.

Axes: T frames, C channels, H, W, L text tokens, E width of a text embedding.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from pyoco_eval.errors import UsageError
from pyoco_eval.validation import in_words

_Description = TypeVar("_Description")


@dataclass(frozen=True)
class TextInput:
    """One text encoder a network listens to.

    Attributes:
        name: its key in `Conditioning.text`.
        width: E of its tokens (L, E).
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    width: int


MAX_LEVELS = 12
_RANGES: Mapping[str, tuple[float, float]] = {
    "channels": (1, 1 << 14),
    "multipliers": (1, 256),
    "num_blocks": (0, 256),
    "text_width": (0, 1 << 16),
    "num_classes": (0, 10**7),
    "frame_channels": (1, 256),
    "patch": (1, 64),
    "head_channels": (1, 1 << 14),
    "max_frame_distance": (1, 10**5),
    "dropout": (0, 0.99),
}


@dataclass(frozen=True)
class UNetConfig:
    """A U-Net over frames of C channels; levels count from 0, the full resolution, downwards.

    Attributes:
        channels: width of level 0; the noise embedding is four times as wide.
        multipliers: width of each level, in units of `channels`. Height and width of the frames
            must be multiples of patch * 2 ** (levels - 1).
        num_blocks: residual blocks of each level on the way down; the way up has one more.
        spatial_attention, cross_attention, temporal_attention: levels with attention over H·W,
            to the text tokens, and over T. The middle has all three.
        temporal: whether temporal layers exist: a video network. An image network works on any
            number of frames, one by one.
        text: text encoders, used together.
        text_width: width all text tokens are projected to.
        num_classes: class labels the network knows, 0 for none.
        known_frames: the network also sees frames that are given, for temporal interpolation:
            its input has C noisy channels, C of the known frames, and one that says which.
        frame_channels: C.
        patch: side of the squares of pixels that level 0 takes for one position; frames are a
            multiple of it larger than level 0 (Hoogeboom et al., simple diffusion, 2023, §2.3).
        head_channels: width of one attention head; it divides every width that has attention.
        max_frame_distance: temporal attention tells distances up to this many frames apart;
            farther ones count as this.
        dropout: probability inside residual blocks, in training.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    channels: int
    multipliers: tuple[int, ...]
    num_blocks: tuple[int, ...]
    spatial_attention: tuple[int, ...] = ()
    cross_attention: tuple[int, ...] = ()
    temporal_attention: tuple[int, ...] = ()
    temporal: bool = True
    text: tuple[TextInput, ...] = ()
    text_width: int = 0
    num_classes: int = 0
    known_frames: bool = False
    frame_channels: int = 3
    patch: int = 1
    head_channels: int = 64
    max_frame_distance: int = 32
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_ranges(self, _RANGES, "U-Net")
        if not self.multipliers or len(self.multipliers) > MAX_LEVELS:
            raise UsageError(
                f"U-Net: multipliers {self.multipliers}: give 1 to {MAX_LEVELS} levels"
            )
        if len(self.num_blocks) != len(self.multipliers):
            raise UsageError(
                f"U-Net: num_blocks {self.num_blocks} and multipliers {self.multipliers} must "
                "have one entry per level each"
            )
        for name in ("spatial_attention", "cross_attention", "temporal_attention"):
            for level in getattr(self, name):
                if not 0 <= level < len(self.multipliers):
                    raise UsageError(
                        f"U-Net: {name} names level {level}; levels are 0 to "
                        f"{len(self.multipliers) - 1}"
                    )
        for level in (*self.attention_levels, len(self.multipliers) - 1):
            if self.width(level) % self.head_channels:
                raise UsageError(
                    f"U-Net: level {level} has {self.width(level)} channels, no multiple of "
                    f"head_channels {self.head_channels}"
                )
        if self.text and self.text_width < 1:
            raise UsageError("U-Net: give text_width, the common width of the text tokens")

    @property
    def attention_levels(self) -> tuple[int, ...]:
        """Levels with attention of any kind."""
        return tuple(
            sorted({*self.spatial_attention, *self.cross_attention, *self.temporal_attention})
        )

    @property
    def input_channels(self) -> int:
        """Channels of the frames it is given, all that it is told of them included."""
        return 2 * self.frame_channels + 1 if self.known_frames else self.frame_channels

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
        """Height and width of the frames are multiples of this."""
        return self.patch << (len(self.multipliers) - 1)

    def width(self, level: int) -> int:
        """Channels of a level."""
        return self.channels * self.multipliers[level]

    def image(self) -> "UNetConfig":
        """The image network this video network is inflated from."""
        return replace(self, temporal=False, known_frames=False)

    def video(self) -> "UNetConfig":
        """The video network this image network is inflated to."""
        return replace(self, temporal=True)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; `from_json` reads them."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "UNetConfig":
        """Raises UsageError on unknown or missing keys, or values no network can have."""
        return validated(cls, values, "U-Net")


def check_ranges(description: object, ranges: Mapping[str, tuple[float, float]], name: str) -> None:
    """Hold the numbers of a description, single or in tuples, to what a network can have.

    Raises:
        UsageError: one is outside; NaN always is.
    """
    for key, (low, high) in ranges.items():
        value = getattr(description, key)
        for number in value if isinstance(value, tuple) else (value,):
            if not low <= number <= high:
                raise UsageError(f"{name}.{key}: {number} is not within {low:g} to {high:g}")


def validated(kind: type[_Description], values: Mapping[str, Any], name: str) -> _Description:
    """A dataclass from plain JSON values, every field checked against its type.

    Raises:
        UsageError: with every key that is missing, unknown or malformed.
    """
    try:
        # As JSON, where lists may be tuples, but no text is a number and true is not 1.
        return TypeAdapter(kind).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        problems = [f"{name}.{problem}" for problem in in_words(error, kind)]
        raise UsageError("; ".join(problems)) from error
