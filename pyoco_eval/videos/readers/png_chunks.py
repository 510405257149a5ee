"""PNG files without the text and colour profiles they carry, which no frame needs.

Pillow unpacks them all and refuses a picture whose text is longer than it expects: workflows of
image generators, stored beside the picture, are.

References:
    PNG specification (third edition), 5.3: length, type, data and checksum; 11.3.3: text.
"""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

_MAGIC = b"\x89PNG\r\n\x1a\n"
_LEFT_OUT = frozenset({b"tEXt", b"zTXt", b"iTXt", b"iCCP"})


def without_text(file: BinaryIO) -> BinaryIO:
    """The same file, or for a PNG file that holds such chunks a copy without them."""
    start = file.tell()
    chunks = list(_chunks(file)) if file.read(len(_MAGIC)) == _MAGIC else []
    if not any(kind in _LEFT_OUT for kind, _, _ in chunks):
        file.seek(start)
        return file
    kept = io.BytesIO()
    kept.write(_MAGIC)
    for kind, place, size in chunks:
        if kind not in _LEFT_OUT:
            file.seek(place)
            kept.write(file.read(size))
    kept.seek(0)
    return kept


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """(type, where it starts, bytes in all) of every chunk, the last of which may be cut off."""
    while True:
        place = file.tell()
        head = file.read(8)
        if len(head) < 8:
            yield b"", place, len(head)
            return
        length, kind = struct.unpack(">I4s", head)
        yield kind, place, length + 12
        file.seek(place + length + 12)
