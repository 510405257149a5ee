"""The units that H.264 and HEVC pictures consist of.

References:
    ITU-T H.264, 7.3.1 and 7.4.1: within a unit no two zero bytes are followed by 0, 1 or 2.
    ISO/IEC 14496-15, 5.3.3: in MP4 and Matroska every unit comes behind its length; how many
        bytes that takes is in the configuration record. Elsewhere start codes part the units.
"""

from collections.abc import Iterator

NAL_CODECS = frozenset({"h264", "hevc"})

H264_ALONE = 5
"""Type of a unit whose picture needs no picture before it, nor do those behind it (IDR)."""

_LENGTH_BYTE = {"h264": 4, "hevc": 21}
"""Where a configuration record states the width of lengths."""

_HOLE = bytes(3)


def length_width(codec: str, extradata: bytes | None) -> int:
    """Bytes of a unit's length; 0 where start codes part the units."""
    place = _LENGTH_BYTE[codec]
    if not extradata or extradata[0] != 1 or len(extradata) <= place:
        return 0
    return (extradata[place] & 3) + 1


def nal_units(packet: bytes, width: int) -> Iterator[bytes]:
    """The units of a packet; the last may be shorter than its length says.

    Args:
        width: of the lengths, 0 for start codes.
    """
    if not width:
        yield from packet.split(b"\0\0\1")[1:]
        return
    position = 0
    while position + width <= len(packet):
        start = position + width
        position = start + int.from_bytes(packet[position:start])
        yield packet[start:position]


def is_well_formed(packet: bytes, width: int) -> bool:
    """Whether lengths add up to the packet and no unit holds three zero bytes but at its end."""
    position, size = 0, len(packet)
    while position + width <= size:
        position += width + int.from_bytes(packet[position : position + width])
    if position != size:
        return False
    if _HOLE not in packet:
        return True
    return all(_HOLE not in unit.rstrip(b"\0") for unit in nal_units(packet, width))
