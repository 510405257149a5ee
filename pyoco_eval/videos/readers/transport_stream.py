"""Was an MPEG transport stream joined between two packets, or is something missing inside?

Each packet of a stream carries a counter that goes up by one. Where recordings are joined, end to
end, it jumps although nothing is missing, and FFmpeg marks the picture before the jump as corrupt.
At a join the second recording begins with its programme tables and then with a new picture.

References:
    ISO/IEC 13818-1, 2.4.3.2: packets of 188 bytes (192 with a time code, in .m2ts): sync byte
    0x47, payload_unit_start_indicator, 13-bit PID, scrambling, adaptation field, counter.
"""

from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

_SYNC = 0x47
_LAYOUTS = ((188, 0), (192, 4))
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
    file.seek(0)
    content = np.frombuffer(file.read(), np.uint8)
    for size, start in _LAYOUTS:
        packets = content[: len(content) // size * size].reshape(-1, size)[:, start : start + 4]
        if len(packets) and (packets[:, 0] == _SYNC).all():
            break
    else:
        return None
    pids = (packets[:, 1].astype(np.int32) & 0x1F) << 8 | packets[:, 2]
    places = np.flatnonzero(pids == pid)
    own = packets[places]
    has_payload = own[:, 3] & 0x10 != 0
    places, own = places[has_payload], own[has_payload]
    counter = own[:, 3] & 0x0F
    step = (np.diff(counter.astype(np.int32))) % 16
    starts_picture = own[1:, 1] & 0x40 != 0
    tables = np.cumsum(pids == _TABLES)
    table_between = tables[places[1:]] > tables[places[:-1]]
    jump = step > 1  # a step of 0 is a repeated packet, which is allowed
    return StreamPackets(
        gaps=int((jump & ~(starts_picture & table_between)).sum()),
        scrambled=bool((own[:, 3] & 0xC0).any()),
        cut=len(content) % size != 0,
    )
