"""The recipe of a score as one line: ordered `key:value` pairs, the version last.

Idea of sacrebleu (Post, 2018): the number is never printed without what it depends on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pyoco_eval.errors import UsageError

KEYS: Final[Mapping[str, str]] = {
    "net": "network, its layer and the hash of its weights",
    "conv": "convention whose choices are all in force, or custom",
    "n": "number of generated / reference feature rows",
    "size": "frame size (width x height) of the generated / reference videos",
    "clip": "clip rule: frames, stride or fps, selection, short-video policy; of both sides where "
    "they differ",
    "pics": "what folders or arrays of pictures were taken for: images, or frames of videos",
    "times": "videos of varying frame rate, of which --fps took frames by their times, of how many",
    "sel": "which frames of a clip an image metric sees",
    "input": "stated range, rounding and layout of arrays, of both sides where they differ",
    "rgb": "how stored pixels became RGB (peer: as other tools do by default, or exact) and what "
    "they were stored as, of both sides where they differ; absent for arrays",
    "frames": "resizing: target, kernel, fit, rounding; > joins successive steps",
    "scale": "how 0..255 becomes network input",
    "prec": "arithmetic of the network",
    "ode": "inversion: solver, steps, grid and noise levels",
    "ref": "reference and the hash of its videos",
    "cov": "divisor of the covariance, + what is added to its diagonal",
    "splits": "splits of the Inception Score",
    "eps": "constant added to probabilities",
    "est": "estimator of a kernel distance or of neighbourhoods",
    "inf": "extrapolation to infinitely many samples: sizes, repeats, seed; by: groups",
    "text": "captions: how they became embeddings, and their hash",
    "ci": "interval: half-samples, level, seed; by: what counts as one; refexact: the reference "
    "counts as exact",
    "dec": "decoder and its version, of the generated / reference side where they differ",
    "left": "files in the place that are no samples, counted by suffix",
    "skip": "videos left out, of how many",
    "floor": "the score is below the sample floor and was forced",
    "label": "what kind of number this is, where it is not a published metric",
    "protocol": "protocol and its version that the score is part of; the hash of its content where "
    "it is not a shipped one, how it was reduced, and every deviation",
    "v": "version of pyoco-eval",
}
"""Every key in signature order, with its meaning."""

_VALUE = re.compile(r"[^|#\s]+")


@dataclass(frozen=True)
class Signature:
    """An ordered, immutable recipe.

    `str(signature)` is the short form; `Signature.parse` reads both forms back:

    >>> s = Signature.of({"net": "i3d-k400-logits@fa7df956", "n": "2048/2048", "v": "0.1.0"})
    >>> str(s)
    'net:i3d-k400-logits@fa7df956 | n:2048/2048 | v:0.1.0'
    >>> Signature.parse(str(s)) == s == Signature.parse(s.long())
    True
    """

    entries: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, values: Mapping[str, str | None]) -> "Signature":
        """Put `values` in signature order; keys with value None are left out.

        Raises:
            UsageError: an unknown key, or a value that is empty or holds `|`, `#` or white space.
        """
        unknown = sorted(set(values) - set(KEYS))
        if unknown:
            raise UsageError(f"unknown signature keys {unknown}; known: {', '.join(KEYS)}")
        entries = []
        for key in KEYS:
            value = values.get(key)
            if value is None:
                continue
            if not _VALUE.fullmatch(value):
                raise UsageError(
                    f"signature value for {key!r} is empty or has |, # or blanks: {value!r}"
                )
            entries.append((key, value))
        return cls(tuple(entries))

    @classmethod
    def parse(cls, text: str) -> "Signature":
        """Read the short or the long form.

        Raises:
            UsageError: not a signature, a key given twice, or keys out of order.
        """
        pairs: dict[str, str] = {}
        for part in re.split(r"\s*\|\s*|\n", text.strip()):
            key, separator, value = re.sub(r"\s*#.*", "", part).partition(":")
            if not separator or key in pairs:
                raise UsageError(f"not a signature: {part!r} in {text!r}")
            pairs[key] = value
        signature = cls.of(pairs)
        if [key for key, _ in signature.entries] != list(pairs):
            raise UsageError(f"signature keys are out of order: {text!r}")
        return signature

    def __str__(self) -> str:
        return " | ".join(f"{key}:{value}" for key, value in self.entries)

    def long(self) -> str:
        """One `key:value  # meaning` line per key."""
        width = max(len(key) + len(value) for key, value in self.entries) + 3
        return "\n".join(
            f"{key}:{value}".ljust(width) + f"# {KEYS[key]}" for key, value in self.entries
        )

    def as_dict(self) -> dict[str, str]:
        """Key -> value, in the order of `KEYS`."""
        return dict(self.entries)

    def get(self, key: str) -> str | None:
        """The value of a key; None where the signature does not have it."""
        return self.as_dict().get(key)


def token(name: str) -> str:
    """A name as part of a signature's value: letters, digits, dots, dashes and underscores."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name) or "memory"


def differing_keys(
    a: Signature, b: Signature, ignore: frozenset[str] = frozenset()
) -> dict[str, tuple[str, str]]:
    """Keys on which two recipes differ, with both values (`-` where a key is absent)."""
    left, right = a.as_dict(), b.as_dict()
    return {
        key: (left.get(key, "-"), right.get(key, "-"))
        for key in KEYS
        if key not in ignore and left.get(key) != right.get(key)
    }
