"""What an arm takes over from its protocol and what it has of its own."""

from dataclasses import replace

from pyoco_eval.protocol.schema import ArmRule, Protocol, ScoreRule
from pyoco_eval.videos.clip_rule import ClipRule


def columns_of(protocol: Protocol, arm: str) -> list[str]:
    """Keys of the scores this arm has, in the order of the table."""
    own = protocol.arms[arm].scores
    return [key for key in protocol.scores if own is None or key in own]


def frames_of(protocol: Protocol, arm: ArmRule) -> int:
    """Frames of each of its videos."""
    return arm.num_frames or protocol.samples.num_frames


def videos_of(protocol: Protocol, arm: ArmRule) -> int:
    """Videos of one repeat."""
    return arm.count or protocol.samples.count


def count_of(arm: ArmRule, score: ScoreRule) -> int:
    """Videos of one repeat that a score counts: an arm of its own count has all of them scored."""
    return arm.count or score.count


def clip_of(protocol: Protocol, arm: ArmRule, score: ScoreRule) -> ClipRule:
    """Clip rule of its samples: an image model's videos are one frame long."""
    rule = ClipRule.parse(score.clip)
    length = frames_of(protocol, arm)
    return replace(rule, num_frames=length) if arm.num_frames is not None else rule
