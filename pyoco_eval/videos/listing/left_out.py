"""What a place holds besides its samples: counted, named, and signed."""

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

_MOST_KINDS = 5
_HARMLESS = frozenset({"text", "data", "empty files"})
"""What nobody takes for a sample: said on request, not with every score."""


class LeftOut:
    """Files that are no samples, by suffix and by what they are."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return self._counts.total()

    def add(self, name: str, what: str) -> None:
        """Count a file; `what` says in the plural what it is: `masks`, `sound`."""
        self._counts[_suffix(name), what] += 1

    def add_all(self, names: Iterable[str], what: str) -> None:
        """Count files of one kind."""
        for name in names:
            self.add(name, what)

    def label(self) -> str | None:
        """For signatures: `30.png+1.wav`; None if nothing was left out."""
        by_suffix: Counter[str] = Counter()
        for (suffix, _), count in self._counts.items():
            by_suffix[suffix] += count
        ranked = sorted(by_suffix.items(), key=lambda item: (-item[1], item[0]))
        shown = [f"{count}{suffix or '.none'}" for suffix, count in ranked[:_MOST_KINDS]]
        rest = sum(count for _, count in ranked[_MOST_KINDS:])
        return "+".join([*shown, *([f"{rest}.other"] if rest else [])]) or None

    def sentence(self, *, all_kinds: bool = True) -> str | None:
        """`3 files were left out: 2 .png (masks), 1 .wav (sound).`; None if nothing is to be said.

        Args:
            all_kinds: also what cannot be mistaken for samples, such as texts.
        """
        told = {key: n for key, n in self._counts.items() if all_kinds or key[1] not in _HARMLESS}
        if not told:
            return None
        total = sum(told.values())
        ranked = sorted(told.items(), key=lambda item: (-item[1], item[0]))
        parts = [f"{count} {suffix or 'bare'} ({what})" for (suffix, what), count in ranked]
        verb = "file was" if total == 1 else "files were"
        return f"{total} {verb} left out: {', '.join(parts)}."


def _suffix(name: str) -> str:
    """The suffix as one safe, short word."""
    suffix = PurePosixPath(name).suffix.lower()
    plain = suffix[1:].isascii() and suffix[1:].isalnum() and len(suffix) < 12
    return suffix if plain or not suffix else ".other"
