"""Numbers that are the same on every machine: integer arithmetic, no random-number library.

References: Steele, Lea and Flood (2014), SplitMix64; Johnson and Lindenstrauss (1984) for the
sketch.
"""

import hashlib
import math
from typing import Final

import numpy as np

SKETCH_SIZE: Final = 32
_CHUNK: Final = 1 << 18
_GAMMA: Final = 0x9E3779B97F4A7C15


def words(name: str, count: int, start: int = 0) -> np.ndarray:
    """Numbers `start` to `start + count` of the stream called `name`: (count,) uint64."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    z = np.arange(start + 1, start + count + 1, dtype=np.uint64)
    z *= np.uint64(_GAMMA)
    z += np.uint64(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z ^= z >> np.uint64(shift)
        z *= np.uint64(factor)
    z ^= z >> np.uint64(31)
    return z


def uniform(name: str, shape: tuple[int, ...], bound: float = 1.0) -> np.ndarray:
    """float32 values in [-bound, bound), exact multiples of 2^-23 before they are scaled."""
    values = np.empty(math.prod(shape), np.float32)
    for start in range(0, len(values), _CHUNK):
        part = values[start : start + _CHUNK]
        whole = (words(name, len(part), start) >> np.uint64(40)).astype(np.float64)
        part[:] = (whole / 2**23 - 1) * bound
    return values.reshape(shape)


def pattern(num_frames: int, height: int, width: int) -> np.ndarray:
    """uint8 (T, H, W, 3): ramps, a fine texture and hard edges that move."""
    t, y, x, c = np.ogrid[:num_frames, :height, :width, :3]
    texture = (x * 7 + y * 13 + x * y + c * 31 + t * 17) % 97
    ramp = (2 * x + 3 * y + 40 * c) % 131
    edge = 27 * ((x + 5 * t) // 9 % 2) * ((y + c) // 11 % 2)
    return np.asarray(texture + ramp + edge, np.uint8)


def sketch(array: np.ndarray) -> tuple[float, ...]:
    """Sums of all elements under 32 fixed choices of sign, divided by √32, in float64.

    The Euclidean length of a difference of sketches estimates that of the difference of the arrays
    within about an eighth, so that many numbers can be compared by a few.
    """
    flat = np.asarray(array, np.float64).ravel()
    total = np.zeros(SKETCH_SIZE)
    places = np.arange(SKETCH_SIZE, dtype=np.uint64)
    for start in range(0, len(flat), _CHUNK // SKETCH_SIZE):
        part = flat[start : start + _CHUNK // SKETCH_SIZE]
        bits = words("sketch", len(part), start)[:, None] >> places & np.uint64(1)
        total += part @ (2.0 * bits - 1)
    return tuple((total / math.sqrt(SKETCH_SIZE)).tolist())
