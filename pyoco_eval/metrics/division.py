"""Dealing rows out into parts at random, whole groups at a time, and alike in every run.

Which part a group falls into depends on its name, the seed and the number of the draw, not on where
its rows stand. So two models that answered the same prompts are divided alike, and one reference is
divided alike for every model: differences of their scores can be taken part by part (pairing).
Names are independent of what the videos show, so parts are random in every sense that matters.
"""

import hashlib

import numpy as np

from pyoco_eval.errors import UsageError

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class Division:
    """Rows in named groups, of which every draw makes parts.

    Args:
        num_rows: N.
        groups: (N,) names of what belongs together, such as the video of a frame or the source
            video of a clip; None for independent rows, which are named by position.

    Attributes:
        group: (N,) number of every row's group.
        num_groups: how many there are.

    Raises:
        UsageError: `groups` does not name a group for each row.
    """

    def __init__(self, num_rows: int, groups: np.ndarray | None) -> None:
        labels = np.arange(num_rows) if groups is None else np.asarray(groups)
        if labels.shape != (num_rows,):
            raise UsageError(
                f"groups {labels.shape} must name one group for each of {num_rows} rows"
            )
        distinct, self.group = np.unique(labels, return_inverse=True)
        self.num_groups = len(distinct)
        names = [str(name).encode("utf-8", "surrogatepass") for name in distinct.tolist()]
        hashes = (hashlib.blake2b(name, digest_size=8).digest() for name in names)
        self._keys = np.frombuffer(b"".join(hashes), "<u8").astype(np.uint64)

    def parts(self, count: int, draw: int, seed: int) -> np.ndarray:
        """(N,) number of every row's part, 0 to `count` - 1; parts have equally many groups ± 1."""
        mark = hashlib.blake2b(f"{seed}.{draw}".encode(), digest_size=8).digest()
        order = np.argsort(_mixed(self._keys ^ np.frombuffer(mark, "<u8")[0]), kind="stable")
        part = np.empty(self.num_groups, np.intp)
        part[order] = np.arange(self.num_groups) * count // max(self.num_groups, 1)
        return np.asarray(part[self.group])

    def names_hash(self) -> str:
        """Eight hexadecimal digits: equal where the groups have the same names."""
        return hashlib.sha256(np.sort(self._keys).tobytes()).hexdigest()[:8]


def _mixed(keys: np.ndarray) -> np.ndarray:
    """Scrambled 64-bit keys. Source: splitmix64 (Steele, Lea and Flood, 2014)."""
    with np.errstate(over="ignore"):
        keys = keys + _GOLDEN
        keys = (keys ^ (keys >> np.uint64(30))) * _FIRST
        keys = (keys ^ (keys >> np.uint64(27))) * _SECOND
        return np.asarray(keys ^ (keys >> np.uint64(31)))


def half_members(division: Division, num_resamples: int, seed: int) -> np.ndarray:
    """(N, num_resamples) zeros and ones: successive columns are complementary halves."""
    masks = [division.parts(2, draw, seed) == 0 for draw in range(num_resamples // 2)]
    return np.column_stack([half for mask in masks for half in (mask, ~mask)]).astype(np.float64)
