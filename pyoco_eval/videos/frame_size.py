"""The size of frames as people write it: `64` for a square, `32x48` for height and width."""

import re
from typing import Final

from pyoco_eval.errors import UsageError

Size = int | tuple[int, int]
"""The side of a square, or (height, width), in pixels."""

_WRITTEN: Final = re.compile(r"([0-9]{1,5})(?:x([0-9]{1,5}))?")


def sides(size: Size) -> tuple[int, int]:
    """(height, width)."""
    return (size, size) if isinstance(size, int) else size


def compact(height: int, width: int) -> Size:
    """One number where they are the same."""
    return height if height == width else (height, width)


def parse_size(text: str) -> Size:
    """What `size_text` wrote; `64x64` is 64.

    Raises:
        UsageError: neither SIDE nor HEIGHTxWIDTH in whole pixels from 1 on.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None or not int(found[1]) or not int(found[2] or 1):
        raise UsageError(f"size {text!r}: write SIDE or HEIGHTxWIDTH in pixels, e.g. 64 or 32x48")
    return compact(int(found[1]), int(found[2] or found[1]))


def size_text(size: Size) -> str:
    """`64`, or `32x48`."""
    height, width = sides(size)
    return str(height) if height == width else f"{height}x{width}"
