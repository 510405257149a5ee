"""Everything in which one run departs from its protocol, as it becomes known."""

from collections.abc import Iterable

from pyoco_eval.protocol.loader import LoadedProtocol
from pyoco_eval.protocol.trust import Deviation, protocol_label
from pyoco_eval.protocol_run.made_as import deviations_of, made_as, merged
from pyoco_eval.records.results import MadeAs


class Departures:
    """Deviations of the whole run and of its arms, and what the videos of each arm are.

    An arm's deviations stand in its own signatures alone.

    Args:
        loaded: the protocol.
        allow: score samples of another size or length all the same.
    """

    def __init__(self, loaded: LoadedProtocol, *, allow: bool) -> None:
        self._loaded = loaded
        self._allow = allow
        self._of_run: list[Deviation] = []
        self._of_arm: dict[str, list[Deviation]] = {}
        self._made_as: dict[str, list[MadeAs]] = {}

    def add(self, found: Iterable[Deviation | None]) -> None:
        """Deviations of the whole run."""
        self._of_run += [deviation for deviation in found if deviation is not None]

    def look(self, arm: str, facts: dict[str, dict[str, int]]) -> None:
        """The facts of one repeat of an arm, as `made_as.look_at` counts them.

        Raises:
            UsageError: samples of another size or length, where that is not allowed.
        """
        table = made_as(self._loaded.protocol, arm, facts)
        known = self._of_arm.setdefault(arm, [])
        known += [d for d in deviations_of(arm, table, allow=self._allow) if d not in known]
        self._made_as[arm] = merged(self._made_as.get(arm, []), table)

    def made_as(self, arm: str) -> list[MadeAs]:
        """What the videos of an arm are, of all repeats that were looked at."""
        return self._made_as.get(arm, [])

    def label(self, reduced: str | None, arms: Iterable[str]) -> str:
        """How signatures of these arms name the protocol, with all in which they depart from it."""
        own = [found for arm in arms for found in self._of_arm.get(arm, ())]
        words = [found.word for found in (*self._of_run, *own)]
        return protocol_label(self._loaded, reduced, words)

    def sentences(self) -> list[str]:
        """Every deviation, of the run and of arms, for readers."""
        own = [found for arm in self._of_arm.values() for found in arm]
        return list(dict.fromkeys(found.sentence for found in (*self._of_run, *own)))
