"""How many pixels one file may make us decode.

A few kilobytes can describe hundreds of huge pictures, which cost minutes each time they are read.
Long videos are large files, so the budget grows with the file.
"""

import os

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.readers.base import UnreadableError

VARIABLE = "PYOCO_EVAL_MAX_PIXELS"
DEFAULT = 1 << 31
"""Pixels of any file: 1,035 frames of 1920 x 1080."""

PER_BYTE = 1 << 16
"""More for every byte: a still scene, coded as tightly as encoders can, takes fewer."""


class PixelBudget:
    """What is left for one pass over one file."""

    def __init__(self, file_size: int) -> None:
        self._total = base_allowance() + PER_BYTE * file_size
        self._left = self._total

    def spend(self, pixels: int) -> None:
        """Pay for a picture before it is decoded or shown again.

        Raises:
            UnreadableError: too little is left.
        """
        self._left -= pixels
        if self._left < 0:
            raise UnreadableError(
                f"has more pixels than the {self._total:,} that a file of its size may have: a "
                f"decompression bomb, unless that is meant; {VARIABLE}=NUMBER raises the limit"
            )


def base_allowance() -> int:
    """The environment variable, or the default.

    Raises:
        UsageError: it is no whole number above 0.
    """
    text = os.environ.get(VARIABLE, str(DEFAULT))
    if not text.isdecimal() or not int(text):
        raise UsageError(f"{VARIABLE}={text!r}: must be a whole number of pixels above 0")
    return int(text)
