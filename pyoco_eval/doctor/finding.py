"""One line of the examination."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """What was found about one thing.

    Attributes:
        section: which part of the examination.
        name: of the thing.
        level: `ok`; `note`, worth knowing; `problem`, it does not work.
        text: what was found.
        remedy: what to do about it, empty if nothing needs to be done.
        required: whether scores are impossible or wrong without it; of importance for problems.
    """

    section: str
    name: str
    level: Level
    text: str
    remedy: str = ""
    required: bool = False

    @property
    def breaks(self) -> bool:
        """Whether something required does not work."""
        return self.required and self.level == "problem"
