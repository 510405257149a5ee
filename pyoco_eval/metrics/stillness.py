"""Whether videos stand still or repeat themselves: from frame differences alone.

Axes: T frames, H, W. Frames are (T, H, W, 3) uint8 RGB.

Two frames are equal here if their mean absolute difference stays within a tolerance in every block
of 8 x 8 pixels. The mean over a block forgives the rounding of a codec; the blocks let a small
object count that a mean over the frame would drown. Grain counts as change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from pyoco_eval.errors import UsageError

BLOCK: Final = 8
"""Side of a block in pixels; those at the right and lower edge may be smaller."""
TOLERANCE: Final = 2.0
"""Grey levels of 255 up to which a block is unchanged."""


@dataclass(frozen=True)
class Stillness:
    """What one video's frames say.

    Attributes:
        frozen: every frame equals the first.
        period: frames after which it repeats itself; None if it does not, or is frozen.
        repeated: share of the T - 1 frames after the first that equal the one before them.
    """

    frozen: bool
    period: int | None
    repeated: float

    @property
    def looping(self) -> bool:
        """Whether it repeats itself."""
        return self.period is not None


@dataclass(frozen=True)
class StillShares:
    """What the videos of a set say.

    Attributes:
        num_videos: of the set.
        num_frozen, num_looping: of them; none counts as both.
        repeated: mean over videos of the share of repeated frames.
    """

    num_videos: int
    num_frozen: int
    num_looping: int
    repeated: float

    def warning(self) -> str | None:
        """One sentence if a video is frozen or loops, else None."""
        found = ((self.num_frozen, "frozen"), (self.num_looping, "looping"))
        told = [f"{count} {word}" for count, word in found if count]
        if not told:
            return None
        return f"Of {self.num_videos} videos {' and '.join(told)}: scores of frames cannot see it."


def still_share(frames: np.ndarray, tolerance: float = TOLERANCE) -> Stillness:
    """Whether one video is frozen or loops, and how many of its frames are repeated.

    A loop has a period p from 2 to T/2, so that it is seen twice at least; every frame t equals
    frame t mod p, and not all of the first p are equal. A return to the first frame is no loop.
    Motion slow enough to stay within the tolerance from frame to frame counts as repeated frames,
    but is frozen only if every frame still equals the first.

    Args:
        frames: uint8 (T, H, W, 3), T from 2 on.
        tolerance: grey levels, 0 or more; see the module.

    Raises:
        UsageError: other frames, fewer than two, or a tolerance below 0.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not frames.size:
        raise UsageError(f"frames {frames.dtype} {frames.shape}: give uint8 (T, H, W, 3)")
    if len(frames) < 2:
        raise UsageError("one frame alone neither moves nor stands still; give two or more")
    if not tolerance >= 0:
        raise UsageError(f"tolerance {tolerance}: give grey levels from 0 on")
    repeats = [_equal(a, b, tolerance) for a, b in pairwise(frames)]
    frozen = all(_equal(frames[0], frame, tolerance) for frame in frames[1:])
    period = None if frozen else _period(frames, tolerance)
    return Stillness(frozen, period, float(np.mean(repeats)))


def still_shares(videos: Sequence[Stillness]) -> StillShares:
    """The sum over a set, of one video or more.

    Raises:
        UsageError: no video.
    """
    if not videos:
        raise UsageError("no video to sum over")
    return StillShares(
        len(videos),
        sum(video.frozen for video in videos),
        sum(video.looping for video in videos),
        float(np.mean([video.repeated for video in videos])),
    )


def _period(frames: np.ndarray, tolerance: float) -> int | None:
    """The shortest period of frames that move within it."""
    moves = False
    for period in range(2, len(frames) // 2 + 1):
        moves = moves or not _equal(frames[0], frames[period - 1], tolerance)
        # Against the first round, not the one before: small steps would add up unseen.
        first = (frames[t % period] for t in range(period, len(frames)))
        pairs = zip(first, frames[period:], strict=True)
        if moves and all(_equal(a, b, tolerance) for a, b in pairs):
            return period
    return None


def _equal(first: np.ndarray, second: np.ndarray, tolerance: float) -> bool:
    """Whether two frames (H, W, 3) are equal in every block."""
    change = np.abs(first.astype(np.int16) - second).sum(axis=2, dtype=np.int64)
    rows, columns = (np.arange(0, length, BLOCK) for length in change.shape)
    sums = np.add.reduceat(np.add.reduceat(change, rows, axis=0), columns, axis=1)
    heights = np.diff(np.append(rows, change.shape[0]))
    widths = np.diff(np.append(columns, change.shape[1]))
    return bool((sums <= tolerance * 3 * np.outer(heights, widths)).all())
