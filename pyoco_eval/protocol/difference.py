"""Two protocols key by key."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pyoco_eval.protocol.schema import Protocol

WORDS: Final = ("name", "version", "title", "about", "provenance", "published", "open")
"""Keys that say what a protocol is; they change no score."""


@dataclass(frozen=True)
class ProtocolDifference:
    """A key with its values; None where a protocol does not have it.

    Attributes:
        changes_scores: whether numbers under the two can differ for it.
    """

    key: str
    a: Any
    b: Any
    changes_scores: bool


def differences(a: Protocol, b: Protocol) -> list[ProtocolDifference]:
    """Every key on which two protocols differ, in the order of the schema."""
    left = dict(_flat(a.model_dump(mode="json")))
    right = dict(_flat(b.model_dump(mode="json")))
    keys = [*left, *(key for key in right if key not in left)]
    return [
        ProtocolDifference(
            key, left.get(key), right.get(key), key.partition(".")[0] not in WORDS
            and not key.endswith(".title"),
        )
        for key in keys
        if (key in left, left.get(key)) != (key in right, right.get(key))
    ]  # fmt: skip


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves with dotted keys; rows of published numbers by their method."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{place}.{key}" if place else str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        for number, inner in enumerate(value):
            name = inner.get("method", number) if isinstance(inner, Mapping) else number
            yield from _flat(inner, f"{place}.{name}")
    else:
        yield place, value
