"""Everything a user can choose about a filter, in one object."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.clip_rule import ClipRule

PROFILES: Final = {"published": ("clip-vitl14", "clip"), "embedded": ("tinyclip",)}
"""Networks that may compare frames with captions, the usual one first."""
CONVENTIONS: Final = {
    "clip-vitl14": "clipsim-vitl14", "clip": "clipsim-vitb32", "tinyclip": "embedded-clipsim",
}  # fmt: skip
"""The input rule of each network."""
AESTHETIC_NETWORK: Final = {"published": "clip-vitl14", "embedded": "tinyclip"}
"""The network that the aesthetic head of a profile stands on."""


@dataclass(frozen=True)
class FilterChoices:
    """What is kept, and what it is judged by.

    Attributes:
        min_clip: least mean cosine of frames and caption, in [-1, 1]; None: not judged.
        min_aesthetic: least mean aesthetic score, about 1 to 10; None: not judged.
        frames: so many of each video are looked at, spread evenly over it.
        profile: `published` or `embedded` networks.
        clip_network: that compares frames with captions; None for the profile's usual one.
        captions: manifest with the caption of every video; None for their own.
        figure: draw the histograms.

    Raises:
        UsageError: values that cannot be meant.
    """

    min_clip: float | None = None
    min_aesthetic: float | None = None
    frames: int = 8
    profile: str = "published"
    clip_network: str | None = None
    captions: Path | None = None
    figure: bool = True

    def __post_init__(self) -> None:
        if self.min_clip is None and self.min_aesthetic is None:
            raise UsageError("give --min-clip, --min-aesthetic or both: nothing says what to keep")
        if self.min_clip is not None and not -1 <= self.min_clip <= 1:
            raise UsageError(
                f"--min-clip {self.min_clip}: is a cosine, in -1..1; divide a CLIPScore by 100"
            )
        if self.min_aesthetic is not None and not -100 <= self.min_aesthetic <= 100:
            raise UsageError(f"--min-aesthetic {self.min_aesthetic}: scores are about 1 to 10")
        if self.frames < 1:
            raise UsageError(f"--frames {self.frames}: must be at least 1")
        if self.profile not in PROFILES:
            raise UsageError(f"--profile {self.profile!r}: use {' or '.join(PROFILES)}")
        self._check_network()

    def _check_network(self) -> None:
        network, known = self.clip_network, PROFILES[self.profile]
        if network is None:
            return
        if network not in known:
            raise UsageError(
                f"--clip-network {network}: --profile {self.profile} has {' and '.join(known)}"
            )
        if self.min_clip is None:
            raise UsageError(f"--clip-network {network}: nothing is asked of it without --min-clip")

    @property
    def similarity_network(self) -> str | None:
        """The network that compares frames with captions; None where none does."""
        if self.min_clip is None:
            return None
        return self.clip_network or PROFILES[self.profile][0]

    @property
    def aesthetic_network(self) -> str | None:
        """The network below the aesthetic head; None where it is not asked."""
        return None if self.min_aesthetic is None else AESTHETIC_NETWORK[self.profile]

    @property
    def rule(self) -> ClipRule:
        """Which frames of a video are looked at."""
        return ClipRule(num_frames=self.frames, select="even")
