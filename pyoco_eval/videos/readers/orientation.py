"""Turn a decoded frame the way a player shows it.

References:
    ISO/IEC 14496-12, 6.2.2: the display matrix ((a, b, u), (c, d, v), (x, y, w)) takes a stored
    point (p, q) to (a p + c q + x, b p + d q + y). FFmpeg hands it over as nine 32-bit integers.
"""

from dataclasses import dataclass

import numpy as np

_TOLERANCE = 0.02
"""How far from a quarter turn a matrix may be (about one degree)."""


@dataclass(frozen=True)
class Orientation:
    """Transpose first, then flip."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def from_display_matrix(cls, matrix: bytes) -> "Orientation | None":
        """Read a display matrix; None if it is no combination of quarter turns and flips."""
        a, b, _, c, d = np.frombuffer(matrix, dtype=np.int32)[:5].astype(np.float64)
        upright, sideways = min(abs(a), abs(d)), min(abs(b), abs(c))
        if not (a or b or c or d):
            return cls()  # an unset matrix, which players ignore
        if upright and max(abs(b), abs(c)) <= _TOLERANCE * upright:
            return cls(False, bool(a < 0), bool(d < 0))
        if sideways and max(abs(a), abs(d)) <= _TOLERANCE * sideways:
            return cls(True, bool(c < 0), bool(b < 0))
        return None

    @property
    def rotation(self) -> int:
        """Degrees clockwise; of a mirrored frame, those applied after mirroring left to right."""
        if self.transpose:
            return 90 if self.flip_x else 270
        return 180 if self.flip_y else 0

    def shown_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) after turning."""
        return (height, width) if self.transpose else (width, height)

    def apply(self, frame: np.ndarray) -> np.ndarray:
        """Turn an (H, W, 3) frame; a view where nothing has to move."""
        if self.transpose:
            frame = frame.transpose(1, 0, 2)
        if self.flip_x:
            frame = frame[:, ::-1]
        if self.flip_y:
            frame = frame[::-1]
        return frame
