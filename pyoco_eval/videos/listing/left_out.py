"""What a place holds besides its samples: counted, named, and signed."""

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

_MOST_KINDS = 5
_OWN_TABLE = "manifest.jsonl"
_OWN = "table of captions"
_HARMLESS = frozenset({"text", "data", "empty files", _OWN})
"""What nobody takes for a sample: said on request, not with every score."""


class LeftOut:
    """Files that are no samples, by suffix and by what they are."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return self._counts.total()

    def add(self, name: str, what: str) -> None:
        """Count a file; `what` says in the plural what it is: `masks`, `sound`."""
        self._counts[_suffix(name), _OWN if name == _OWN_TABLE else what] += 1

    def add_all(self, names: Iterable[str], what: str) -> None:
        """Count files of one kind."""
        for name in names:
            self.add(name, what)

    def label(self) -> str | None:
        """For signatures: `30.png+1.wav`; None if nothing was left out.

        The table that this package writes beside its own videos does not count.
        """
        by_suffix: Counter[str] = Counter()
        for (suffix, what), count in self._counts.items():
            if what != _OWN:
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
        total = sum(self._told(all_kinds=all_kinds).values())
        verb = "file was" if total == 1 else "files were"
        return f"{total} {verb} left out: {self.kinds(all_kinds=all_kinds)}." if total else None

    def kinds(self, *, all_kinds: bool = True) -> str:
        """`2 .png (masks), 1 .wav (sound)`."""
        told = self._told(all_kinds=all_kinds)
        ranked = sorted(told.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count} {suffix or 'bare'} ({what})" for (suffix, what), count in ranked)

    def _told(self, *, all_kinds: bool) -> dict[tuple[str, str], int]:
        return {k: n for k, n in self._counts.items() if all_kinds or k[1] not in _HARMLESS}


def _suffix(name: str) -> str:
    """The suffix as one safe, short word."""
    suffix = PurePosixPath(name).suffix.lower()
    plain = suffix[1:].isascii() and suffix[1:].isalnum() and len(suffix) < 12
    return suffix if plain or not suffix else ".other"
