"""Keep or drop: scores against thresholds, and the count of every reason."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pyoco_eval.filtering.choices import FilterChoices
from pyoco_eval.filtering.judge import Judgement

KEPT = ""
UNREADABLE = "unreadable"


def reason(found: Judgement, choices: FilterChoices) -> str:
    """Why a video is dropped: `clip`, `aesthetic` or `clip and aesthetic`; empty if it is kept.

    A score that is its threshold is kept.
    """
    below = [
        name
        for name, score, least in (
            ("clip", found.clip, choices.min_clip),
            ("aesthetic", found.aesthetic, choices.min_aesthetic),
        )
        if least is not None and score is not None and score < least
    ]
    return " and ".join(below)


@dataclass
class Tally:
    """How many videos were kept, and dropped for each reason.

    Attributes:
        total: videos there are.
        kept: of these.
        dropped: reason -> how many.
        cut: captions, of videos kept or not, that lost their end.
    """

    total: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    cut: int = 0

    def count(self, why: str, *, cut: bool = False) -> None:
        """One video more, dropped for `why`."""
        self.total += 1
        self.cut += cut
        if why == KEPT:
            self.kept += 1
        else:
            self.dropped[why] += 1

    def as_dict(self) -> Mapping[str, object]:
        """For the record."""
        dropped = dict(sorted(self.dropped.items()))
        return {"videos": self.total, "kept": self.kept, "dropped": dropped}
