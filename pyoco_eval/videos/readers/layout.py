"""Which axis of an array is which: stated, or unmistakable from its shape.

Letters: N (or B) videos or images, T frames, C channels, H height, W width. An array of four axes
has either N or T. Three values along an axis say that it is C.
"""

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.readers.base import UnreadableError

_CHANNELS_FIRST = {4: ("TCHW", "CTHW"), 5: ("NTCHW", "NCTHW")}
_PLAIN = {4: "THWC", 5: "NTHWC"}


def check_layout_name(layout: str) -> None:
    """Raises UsageError unless `layout` names each of four or five axes once."""
    letters = layout.upper().replace("B", "N")
    if sorted(letters) not in (sorted("NTCHW"), sorted("TCHW"), sorted("NCHW")):
        raise UsageError(
            f"--layout {layout!r}: write the axes in order, such as BTCHW, NCTHW, TCHW or NHWC "
            "(N or B videos, T frames, C channels, H height, W width)"
        )


def to_standard(
    shape: tuple[int, ...], dtype: np.dtype[np.generic], layout: str | None = None
) -> tuple[int, ...]:
    """The order of axes that makes the array (T, H, W, 3) or (N, T, H, W, 3).

    Args:
        layout: as stated; by default the channels are last, or else the one axis of three values
            where tools put channels: (…, C, H, W) or (…, C, T, H, W).

    Raises:
        UnreadableError: no picture can be seen in it; says what is expected.
    """
    if dtype.hasobject:
        raise UnreadableError("holds Python objects, which are never unpickled: save it as uint8")
    if dtype != np.uint8 and dtype.kind != "f":
        raise UnreadableError(f"holds {dtype} values: store uint8 (0..255) or floats")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise UnreadableError(f"states the shape {shape} in its header, which no array can have")
    if len(shape) not in (4, 5):
        raise UnreadableError(f"has the shape {shape}: expected (T, H, W, 3) or (N, T, H, W, 3)")
    found = _stated(shape, layout) if layout is not None else _unmistakable(shape)
    plain = _PLAIN[len(shape)]
    order = tuple(found.index(letter) for letter in plain)
    if shape[order[-1]] != 3:
        raise UnreadableError(
            f"has the shape {shape}: by --layout {layout} it has {shape[order[-1]]} channels, not 3"
        )
    if 0 in shape:
        raise UnreadableError(f"has the shape {shape}, which holds no frame")
    return order


def _stated(shape: tuple[int, ...], layout: str) -> str:
    letters = layout.upper().replace("B", "N")
    if len(letters) != len(shape):
        raise UnreadableError(
            f"has the shape {shape}: --layout {layout} names {len(letters)} axes, not {len(shape)}"
        )
    return letters if "T" in letters else letters.replace("N", "T")


def _unmistakable(shape: tuple[int, ...]) -> str:
    axes = len(shape)
    if shape[-1] == 3:
        return _PLAIN[axes]
    fitting = [layout for layout in _CHANNELS_FIRST[axes] if shape[layout.index("C")] == 3]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UnreadableError(
            f"has the shape {shape}: it could be {' or '.join(fitting)}; say which with --layout"
        )
    expected = "(T, H, W, 3)" if axes == 4 else "(N, T, H, W, 3)"
    raise UnreadableError(
        f"has the shape {shape}: expected {expected}, with 3 colour channels last"
    )
