"""Which frames of a clip an image metric sees: a named rule, because it changes the number."""

import re
from dataclasses import dataclass

from pyoco_eval.errors import UsageError
from pyoco_eval.seeding import numpy_generator

_SPEC = re.compile(r"(all|first|middle|random\(seed=(\d+)\)|random)")


@dataclass(frozen=True)
class FrameRule:
    """`all`, `first`, `middle` (index T // 2) or `random(seed=S)` (one frame per clip)."""

    select: str
    seed: int = 0

    @classmethod
    def parse(cls, spec: str) -> "FrameRule":
        """Read `all`, `first`, `middle`, `random` or `random(seed=3)`.

        Raises:
            UsageError: none of these.
        """
        match = _SPEC.fullmatch(spec)
        if match is None:
            raise UsageError(
                f"--frames {spec!r} is not a frame rule; use all, first, middle or random(seed=0)"
            )
        if spec.startswith("random"):
            return cls("random", int(match[2] or 0))
        return cls(spec)

    def spec(self) -> str:
        """In one token: `all`, `middle`, `random(seed=3)`."""
        return f"random(seed={self.seed})" if self.select == "random" else self.select

    def indices(self, num_frames: int, video_id: str, clip_number: int) -> list[int]:
        """Positions in a clip of `num_frames` frames, ascending."""
        if self.select == "all":
            return list(range(num_frames))
        if self.select == "first":
            return [0]
        if self.select == "middle":
            return [num_frames // 2]
        generator = numpy_generator(self.seed, "frame", video_id, clip_number)
        return [int(generator.integers(num_frames))]
