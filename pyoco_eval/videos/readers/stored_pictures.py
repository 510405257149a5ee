"""The pictures a container lists, found by walking its own structure.

FFmpeg's demuxers search for the next thing they know when a size or a name is damaged, and leave
out what lies between without an error. Here the structure is followed strictly, beside them.

References:
    AVI: RIFF chunks of four-character id and 32-bit little-endian size, padded to even length;
        `00dc` is picture data of stream 0; OpenDML goes on in further RIFF chunks.
    Matroska: RFC 9559 over RFC 8794; elements of id and size, both variable-length integers.
"""

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

_SEGMENT, _CLUSTER, _TRACKS = 0x18538067, 0x1F43B675, 0x1654AE6B
_SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK = 0xA3, 0xA0, 0xA1
_TRACK_ENTRY, _TRACK_NUMBER = 0xAE, 0xD7
_INSIDE = frozenset({_SEGMENT, _CLUSTER, _TRACKS, _BLOCK_GROUP, _TRACK_ENTRY})
_SHORT_IDS_IN_CLUSTERS = frozenset(
    {_SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK, 0xE7, 0xAB, 0xA7, 0xAF, 0xEC, 0xBF}  # of a cluster
    | {0x9B, 0xFB, 0xFD, 0xFA, 0x8E, 0xA4, 0xA2}  # of a group
    | {0xA6, 0xEE, 0xA5, 0xE8, 0xCC, 0xCD, 0xCB, 0xCE, 0xCF}  # of additions and slices
)
_LISTS = (b"RIFF", b"LIST")


@dataclass(frozen=True)
class StoredPictures:
    """What the container lists of one stream.

    Attributes:
        count: packets, at least.
        broken: the structure cannot be followed to its end.
    """

    count: int
    broken: bool = False


def list_pictures(file: BinaryIO, container: str, stream: int) -> StoredPictures | None:
    """Walk the container.

    Args:
        container: FFmpeg's name of it.
        stream: number of the stream, from 0.

    Returns:
        None for containers that are not walked, and where the stream is not found.
    """
    if container.startswith("matroska"):
        return _matroska_blocks(file, stream)
    if container == "avi":
        return _avi_chunks(file, stream)
    return None


def _avi_chunks(file: BinaryIO, stream: int) -> StoredPictures:
    """Chunks with content, or entries of the index if it has more."""
    name = b"%02d" % stream
    length = file.seek(0, io.SEEK_END)
    position = end = indexed = count = 0
    broken = False
    while position + 12 <= length:
        file.seek(position)
        id_, size = struct.unpack("<4sI", file.read(8))
        if id_ == b"RIFF":
            end = position + 8 + size if size else length
        elif position >= end:
            break
        if id_ in _LISTS:
            position += 12
            continue
        broken = broken or position + 8 + size > end
        if id_ == b"idx1":
            found = file.read(size)
            entries = np.frombuffer(found[: len(found) // 16 * 16], np.uint8).reshape(-1, 16)
            ours = (entries[:, :2] == np.frombuffer(name, np.uint8)).all(axis=1)
            indexed += int((ours & entries[:, 12:].any(axis=1)).sum())
        count += bool(size) and id_[:2] == name
        position += 8 + size + size % 2
    return StoredPictures(max(count, indexed), broken)


def _matroska_blocks(file: BinaryIO, stream: int) -> StoredPictures | None:
    end = file.seek(0, io.SEEK_END)
    position = 0
    clusters = False
    numbers: list[int] = []
    blocks: dict[int, int] = {}
    broken = False
    while position + 2 <= end:
        file.seek(position)
        head = file.read(24)
        id_, id_width = _number(head, 0, keep_marker=True)
        size, size_width = _number(head, id_width)
        data = id_width + size_width
        strange = clusters and id_width == 1 and id_ not in _SHORT_IDS_IN_CLUSTERS
        if not id_width or not size_width or strange:
            broken = True
            break
        position += data
        clusters = clusters or id_ == _CLUSTER
        if id_ == _SEGMENT and size is not None:
            end = min(end, position + size)
        if id_ in _INSIDE:
            continue
        if size is None or position + size > end:
            broken = True
            break
        if id_ == _TRACK_NUMBER and not clusters:
            numbers.append(int.from_bytes(head[data : data + size]))
        elif id_ in (_SIMPLE_BLOCK, _BLOCK):
            track, _ = _number(head, data)
            if track is not None:
                blocks[track] = blocks.get(track, 0) + 1
        position += size
    if stream >= len(numbers):
        return None
    return StoredPictures(blocks.get(numbers[stream], 0), broken)


def _number(head: bytes, start: int, *, keep_marker: bool = False) -> tuple[int | None, int]:
    """A variable-length integer and its width; None if all its bits are set; width 0 if none."""
    if start >= len(head) or not head[start]:
        return None, 0
    width = 9 - head[start].bit_length()
    value = int.from_bytes(head[start : start + width])
    if keep_marker:
        return value, width
    mask = (1 << 7 * width) - 1
    return (None if value & mask == mask else value & mask), width
