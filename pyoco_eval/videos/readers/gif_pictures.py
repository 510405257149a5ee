"""GIF animations as browsers show them.

Every picture is cut out as a GIF file of its own, which Pillow decodes, and laid on the canvas
here: Pillow fills what is disposed of, and what no picture has covered yet, with the background
colour, where browsers leave it transparent.

References:
    GIF89a, 18 (screen), 20 (image descriptor), 23 (graphic control: disposal, delay in hundredths
    of a second, transparent index), 27 (trailer). Disposal 4 is an old encoder's 3.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from pyoco_eval.videos.readers.open_picture import open_picture

_TRAILER, _IMAGE, _EXTENSION, _GRAPHIC_CONTROL = 0x3B, 0x2C, 0x21, 0xF9
_CLEAR, _RESTORE = 2, frozenset({3, 4})


@dataclass(frozen=True)
class GifPicture:
    """One stored picture.

    Attributes:
        delay: hundredths of a second.
        disposal: what happens to it before the next one.
        content: a GIF file that holds it alone.
    """

    left: int
    top: int
    delay: int
    disposal: int
    content: bytes


class CutOffError(Exception):
    """The file ends before its trailer."""


def screen_size(file: BinaryIO) -> tuple[int, int]:
    """(width, height) of the canvas."""
    file.seek(6)
    width, height = struct.unpack("<HH", _read(file, 4))
    return width, height


def stored_pictures(file: BinaryIO) -> Iterator[GifPicture]:
    """Every picture in turn.

    Raises:
        CutOffError: behind the last whole one.
    """
    file.seek(0)
    head = _read(file, 13)
    colours = _read(file, _table_size(head[10]))
    control = bytes(4)
    while True:
        kind = _read(file, 1)[0]
        if kind == _TRAILER:
            return
        if kind == 0:
            continue  # padding between blocks, which every decoder passes over
        if kind == _EXTENSION:
            label = _read(file, 1)[0]
            data = _blocks(file)
            if label == _GRAPHIC_CONTROL and len(data) >= 6:
                control = data[1:5]
        elif kind == _IMAGE:
            place = _read(file, 9)
            left, top, width, height, flags = struct.unpack("<HHHHB", place)
            own_colours = _read(file, _table_size(flags))
            data = _read(file, 1) + _blocks(file)
            transparent = bytes(
                (_EXTENSION, _GRAPHIC_CONTROL, 4, control[0] & 1, 0, 0, control[3], 0)
            )
            alone = struct.pack("<BHHHHB", _IMAGE, 0, 0, width, height, flags)
            content = b"GIF89a" + struct.pack("<HH", width, height) + head[10:] + colours
            content += transparent + alone + own_colours + data + bytes([_TRAILER])
            delay = control[1] | control[2] << 8
            yield GifPicture(left, top, delay, control[0] >> 2 & 7, content)
            control = bytes(4)
        else:
            raise ValueError("unknown block")


def composed(file: BinaryIO) -> Iterator[np.ndarray]:
    """(H, W, 4) uint8 RGBA of the canvas after each picture; the array is used again.

    Raises:
        CutOffError: behind the last whole picture.
        Exception: what Pillow raises for a damaged one.
    """
    width, height = screen_size(file)
    canvas = np.zeros((height, width, 4), np.uint8)
    for picture in stored_pictures(file):
        before = canvas.copy() if picture.disposal in _RESTORE else None
        with open_picture(io.BytesIO(picture.content)) as image:
            tile = np.asarray(image.convert("RGBA"))
        region = canvas[picture.top :, picture.left :][: tile.shape[0], : tile.shape[1]]
        shown = tile[: region.shape[0], : region.shape[1]]
        np.copyto(region, shown, where=shown[..., 3:] > 0)
        yield canvas
        if picture.disposal == _CLEAR:
            region[:] = 0
        elif before is not None:
            canvas = before


def _table_size(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _blocks(file: BinaryIO) -> bytes:
    """Sub-blocks with their sizes, the closing empty one included."""
    data = []
    while True:
        size = _read(file, 1)
        data += [size, _read(file, size[0])]
        if not size[0]:
            return b"".join(data)


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise CutOffError
    return data


def over_white(canvas: np.ndarray) -> np.ndarray:
    """(H, W, 3) of (H, W, 4) whose alpha is 0 or 255."""
    return np.where(canvas[..., 3:] > 0, canvas[..., :3], np.uint8(255))
