"""Does a container say that it goes on after the end of the file?

AVI and Matroska files that were cut off (an interrupted download, a full disk) decode without any
complaint up to the cut. Their own sizes give them away.

References:
    AVI: RIFF chunks of four-character id and 32-bit little-endian size, padded to even length.
    Matroska: RFC 8794, elements of id and size, both variable-length integers.
    MP4 and MOV: ISO/IEC 14496-12, boxes of 32-bit big-endian size and type, 64-bit size if 1.
"""

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO

_MATROSKA_MAGIC = b"\x1a\x45\xdf\xa3"
_SEGMENT_ID = b"\x18\x53\x80\x67"
_MP4_BOXES = frozenset(
    b"ftyp moov mdat moof mfra free skip wide uuid meta udta styp sidx ssix prft emsg pdin".split()
) | {b"pnot", b"PICT", b"idat"}


@dataclass(frozen=True)
class Cut:
    """A part that ends behind the end of the file.

    Attributes:
        media_data_only: it is the media data of an MP4 file whose index is whole. Only the index
            tells whether a picture is missing: the size may be wrong.
    """

    media_data_only: bool = False


def find_cut(file: BinaryIO) -> Cut | None:
    """The part of an AVI, Matroska, WebM, MP4 or MOV file that its end cuts off.

    None for other containers and where sizes are left open, as by a live recording.
    """
    length = file.seek(0, io.SEEK_END)
    file.seek(0)
    start = file.read(12)
    file.seek(0)
    if start[:4] == b"RIFF":
        return Cut() if _avi_end(file, length) > length else None
    if start[:4] == _MATROSKA_MAGIC:
        return Cut() if _matroska_end(file) > length else None
    if start[4:8] in _MP4_BOXES:
        return _mp4_cut(file, length)
    return None


def _avi_end(file: BinaryIO, length: int) -> int:
    """End of the last `movi` list, over all RIFF chunks of the file."""
    end = riff = 0
    while riff + 12 <= length:
        file.seek(riff)
        tag, riff_size, _ = struct.unpack("<4sI4s", file.read(12))
        if tag != b"RIFF":
            break
        position, riff_end = riff + 12, riff + 8 + riff_size
        while position + 12 <= min(riff_end, length):
            file.seek(position)
            tag, size, kind = struct.unpack("<4sI4s", file.read(12))
            if tag == b"LIST" and kind == b"movi":
                end = position + 8 + size
            position += 8 + size + size % 2
        riff = riff_end + riff_size % 2
    return end


def _matroska_end(file: BinaryIO) -> int:
    """End of the segment, 0 if its size is left open."""
    file.seek(4)
    header_size = _element_size(file)
    if header_size is None:
        return 0
    file.seek(header_size, 1)
    if file.read(4) != _SEGMENT_ID:
        return 0
    size = _element_size(file)
    return 0 if size is None else file.tell() + size


def _element_size(file: BinaryIO) -> int | None:
    """A variable-length integer: leading zero bits give its length; all ones means unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    mask = (1 << (8 - width)) - 1
    value = int.from_bytes(bytes([first[0] & mask]) + file.read(width - 1), "big")
    return None if value == (1 << (7 * width)) - 1 else value


def _mp4_cut(file: BinaryIO, length: int) -> Cut | None:
    """The last box that is known by its name, where it ends behind the file."""
    position = 0
    kinds = set()
    while position + 8 <= length:
        file.seek(position)
        size, kind = struct.unpack(">I4s", file.read(8))
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        if size < 8 or kind not in _MP4_BOXES:
            return None
        if position + size > length:
            return Cut(kind == b"mdat" and b"moov" in kinds and b"moof" not in kinds)
        kinds.add(kind)
        position += size
    return None
