"""Was an MPEG transport stream joined between two packets, or is something missing inside?

Each packet of a stream carries a counter that goes up by one. Where recordings are joined, end to
end, it jumps although nothing is missing, and FFmpeg marks the picture before the jump as corrupt.
At a join the counter of the programme tables jumps too, or the second recording begins, behind its
tables, at zero with a picture that stands alone.

References:
    ISO/IEC 13818-1, 2.4.3.2: packets of 188 bytes (192 with a time code, in .m2ts): sync byte
    0x47, payload_unit_start_indicator, 13-bit PID, scrambling, adaptation field, counter.
"""

from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

_SYNC = 0x47
_LAYOUTS = ((188, 0), (192, 4))
_PACKETS_AT_ONCE = 1 << 15
_TABLES = 0
"""PID of the table that lists the programmes."""


@dataclass(frozen=True)
class StreamPackets:
    """What the packets of one stream say.

    Attributes:
        gaps: jumps of the counter within a recording: packets are missing.
        scrambled: some of its payload is encrypted.
        cut: the file ends within a packet.
    """

    gaps: int
    scrambled: bool
    cut: bool


def read_packets(file: BinaryIO, pid: int) -> StreamPackets | None:
    """Look at every packet with that PID; None if the file is not made of whole packets."""
    found = _packet_heads(file)
    if found is None:
        return None
    packets, cut = found
    pids = (packets[:, 1].astype(np.int32) & 0x1F) << 8 | packets[:, 2]
    has_payload = packets[:, 3] & 0x10 != 0
    places = np.flatnonzero((pids == pid) & has_payload)
    own = packets[places]
    jump = _steps(own) > 1  # a step of 0 is a repeated packet, which is allowed
    new = own[1:]
    starts_picture = new[:, 1] & 0x40 != 0
    stands_alone = (new[:, 3] & 0x20 != 0) & (new[:, 4] > 0) & (new[:, 5] & 0x40 != 0)
    begins = stands_alone & (new[:, 3] & 0x0F == 0)

    tables = np.flatnonzero((pids == _TABLES) & has_payload)
    breaks = tables[1:][_steps(packets[tables]) != 1]
    joined = starts_picture & (_any_between(tables, places) & begins | _any_between(breaks, places))
    return StreamPackets(
        gaps=int((jump & ~joined).sum()),
        scrambled=bool((own[:, 3] & 0xC0).any()),
        cut=cut,
    )


def _packet_heads(file: BinaryIO) -> tuple[np.ndarray, bool] | None:
    """(packets, 6) first bytes of each, and whether the file ends within one."""
    for size, start in _LAYOUTS:
        file.seek(0)
        heads = []
        rest = 0
        while piece := file.read(size * _PACKETS_AT_ONCE):
            rest = len(piece) % size
            whole = np.frombuffer(piece[: len(piece) - rest], np.uint8).reshape(-1, size)
            heads.append(whole[:, start : start + 6].copy())
            if (heads[-1][:, 0] != _SYNC).any():
                break
        else:
            return (np.concatenate(heads), rest > 0) if heads else None
    return None


def _steps(packets: np.ndarray) -> np.ndarray:
    """By how much the counter of one stream goes up, modulo 16."""
    return np.diff(packets[:, 3].astype(np.int32) & 0x0F) % 16


def _any_between(marks: np.ndarray, places: np.ndarray) -> np.ndarray:
    """For each two neighbouring places, whether a mark lies between them."""
    return np.diff(np.searchsorted(marks, places)) > 0
