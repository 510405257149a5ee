"""The space a latent model works in, as its description states it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final

from pydantic import ConfigDict

from pyoco_eval.errors import UsageError

_RANGES: Final = {"channels": (1, 256), "downscale": (1, 256)}


@dataclass(frozen=True)
class LatentSpace:
    """Latents of a VAE: `(z - shift_factor) * scaling_factor` of what its encoder gives.

    Attributes:
        vae: where it was read from: an absolute folder, or its name on the Hugging Face hub.
        sha256: of its files, 64 hexadecimal digits.
        channels: c of the latents.
        downscale: pixels along a side for each latent.
        scaling_factor, shift_factor: that bring latents to about unit variance and zero mean.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    vae: str
    sha256: str
    channels: int
    downscale: int
    scaling_factor: float
    shift_factor: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"latent.{name}: {getattr(self, name)} is not {low} to {high}")
        if not 1e-6 <= abs(self.scaling_factor) <= 1e6 or not abs(self.shift_factor) <= 1e6:
            raise UsageError(
                f"latent: scaling_factor {self.scaling_factor} and shift_factor "
                f"{self.shift_factor} cannot be meant"
            )

    def decisive(self) -> Mapping[str, Any]:
        """All but the place, which changes nothing."""
        return {name: value for name, value in asdict(self).items() if name != "vae"}


def network_sides(size: tuple[int, int], space: LatentSpace | None) -> tuple[int, int]:
    """(height, width) of what a network sees of frames of `size` pixels; None for pixels."""
    scale = 1 if space is None else space.downscale
    return size[0] // scale, size[1] // scale


def same_space(one: LatentSpace | None, other: LatentSpace | None) -> bool:
    """Whether they differ by the place of the VAE at most; None for pixels."""
    if one is None or other is None:
        return one is other
    return one.decisive() == other.decisive()


def in_words(space: LatentSpace | None) -> str:
    """For messages; None for pixels."""
    if space is None:
        return "pixels"
    return f"latents of {space.vae}@{space.sha256[:12]} times {space.scaling_factor:g}"
