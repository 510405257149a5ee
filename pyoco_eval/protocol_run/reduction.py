"""Runs that are smaller than their protocol, and say so."""

import math
from dataclasses import dataclass

from pyoco_eval.errors import UsageError
from pyoco_eval.protocol.arms import count_of, videos_of
from pyoco_eval.protocol.schema import ArmRule, Protocol, ReferenceRule, ScoreRule


@dataclass(frozen=True)
class Reduction:
    """How counts are reduced.

    Attributes:
        scale: factor of every count of videos, above 0 and at most 1.
        repeats: how many instead of the protocol's, None for those.
        incomplete: the real videos are not all there.
    """

    scale: float = 1.0
    repeats: int | None = None
    incomplete: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.scale <= 1:
            raise UsageError(f"--scale {self.scale:g}: a number above 0, at most 1")
        if self.repeats is not None and self.repeats < 1:
            raise UsageError(f"--repeats {self.repeats}: at least 1")

    def label(self, protocol: Protocol) -> str | None:
        """`scale=0.01,repeats=1`; None for the full protocol. One token, for signatures."""
        parts = [f"scale={self.scale:g}"] if self.scale < 1 else []
        if self.repeats not in (None, protocol.repeats.count):
            parts.append(f"repeats={self.repeats}")
        if self.incomplete:
            parts.append("incomplete-data")
        return ",".join(parts) or None

    def num_repeats(self, protocol: Protocol) -> int:
        """The number asked for, or else the protocol's."""
        return self.repeats or protocol.repeats.count

    def num_videos(self, protocol: Protocol, arm: ArmRule) -> int:
        """Videos of one repeat of an arm."""
        return self._scaled(videos_of(protocol, arm))

    def num_scored(self, arm: ArmRule, score: ScoreRule) -> int:
        """Of these, the first so many count for a score."""
        return self._scaled(count_of(arm, score))

    def num_real(self, rule: ReferenceRule, total: int) -> int | None:
        """Real videos of a score; None for those the rule names."""
        return None if self.scale == 1 else self._scaled(min(rule.limit() or total, total))

    def _scaled(self, count: int) -> int:
        return max(2, math.ceil(count * self.scale)) if self.scale < 1 else count
