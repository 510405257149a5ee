"""What lies where in a tar archive, told by its headers alone.

Nothing is extracted. Damage ends the walk: what came before it is kept, and the damage is told.

References:
    ustar, pax: POSIX.1-2024, pax, "ustar Interchange Format" and "pax Header Block".
    GNU tar manual, "Basic Tar Format": long names (L), sparse files (S), base-256 numbers.
"""

from dataclasses import dataclass
from typing import BinaryIO

from pyoco_eval.videos.readers.base import UnreadableError
from pyoco_eval.videos.readers.stored_file import StoredFile

MAX_TEXT = 1 << 20
"""Bytes of text or extended header that are read for one member."""

TEXT_SUFFIXES = (".txt", ".cls", ".json")

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_COMPRESSIONS = {
    b"\x1f\x8b": "gunzip",
    b"BZh": "bunzip2",
    b"\xfd7zXZ": "unxz",
    b"\x28\xb5\x2f\xfd": "unzstd",
}
_CUT_OFF = "is cut off"


@dataclass(frozen=True)
class TarMember:
    """A file or link in an archive.

    Attributes:
        name: as stored.
        offset: of its bytes in the archive.
        size: in bytes.
        problem: why its bytes cannot be used: a link, stored sparse; None if they can.
        text: the bytes of a short text, None for anything else.
    """

    name: str
    offset: int
    size: int
    problem: str | None = None
    text: bytes | None = None


def tar_members(file: StoredFile) -> tuple[list[TarMember], str | None]:
    """The files and links of an archive in stored order, and the damage behind them, if any.

    Raises:
        UnreadableError: it is empty, compressed or no tar archive.
    """
    size = file.size()
    if not size:
        raise UnreadableError("is empty (0 bytes)")
    with file.open() as raw:
        start = raw.read(_BLOCK)
        for magic, command in _COMPRESSIONS.items():
            if start.startswith(magic):
                raise UnreadableError(
                    f"is compressed, so that its members cannot be found by their place; {command} "
                    "it and name it .tar"
                )
        if len(start) < _BLOCK or (start != _ZEROS and not _is_header(start)):
            raise UnreadableError("is no tar archive, or damaged at its start")
        walk = _Walk(raw, size)
        try:
            walk.run()
        except _DamageError as damage:
            return walk.members, str(damage)
    return walk.members, None


class _DamageError(Exception):
    """The walk cannot go on."""


class _Walk:
    """Steps from header to header; each lies behind the one before, so that it must end."""

    def __init__(self, raw: BinaryIO, size: int) -> None:
        self.members: list[TarMember] = []
        self._raw = raw
        self._size = size
        self._place = 0
        self._name: str | None = None
        self._extended: dict[str, str] = {}

    def run(self) -> None:
        """Collect the members.

        Raises:
            _DamageError: the archive is cut off or garbled.
        """
        while True:
            header = self._read(self._place, _BLOCK)
            if len(header) < _BLOCK:
                raise _DamageError(_CUT_OFF)
            if header == _ZEROS:
                self._require_nothing_behind()
                return
            if not _is_header(header):
                raise _DamageError(f"is damaged at byte {self._place:,}")
            self._place += _BLOCK
            self._take(header)

    def _take(self, header: bytes) -> None:
        kind = header[156:157]
        size = _number(header[124:136])
        if kind in b"12":
            size = 0
        elif kind in b"3456":
            self._name, self._extended = None, {}
            return
        if kind == b"S":
            self._pass_sparse_map(header)
        if "size" in self._extended and kind not in b"xgLK":
            size = _decimal(self._extended["size"])
        offset = self._place
        self._place += -(-size // _BLOCK) * _BLOCK
        if offset + size > self._size:
            raise _DamageError(_CUT_OFF)
        if kind == b"L":
            self._name = _text(self._short(offset, size).partition(b"\0")[0])
        elif kind == b"x":
            self._extended = _records(self._short(offset, size))
        elif kind not in b"gK":
            self._add(header, kind, offset, size)
            self._name, self._extended = None, {}

    def _add(self, header: bytes, kind: bytes, offset: int, size: int) -> None:
        name = self._extended.get("path") or self._name or _stored_name(header)
        if name.endswith("/"):
            return
        problem = None
        if kind in b"12":
            problem = "is a link, and links in archives are not followed"
        elif kind == b"S" or any(key.startswith("GNU.sparse.") for key in self._extended):
            problem = "is stored with holes (GNU sparse); pack it without --sparse"
        elif kind not in b"07\0":
            problem = f"is of the unknown kind {kind!r}"
        text = None
        if problem is None and size <= MAX_TEXT and name.lower().endswith(TEXT_SUFFIXES):
            text = self._read(offset, size)
        self.members.append(TarMember(name, offset, size, problem, text))

    def _pass_sparse_map(self, header: bytes) -> None:
        more = header[482]
        while more:
            block = self._read(self._place, _BLOCK)
            if len(block) < _BLOCK:
                raise _DamageError(_CUT_OFF)
            self._place += _BLOCK
            more = block[504]

    def _short(self, offset: int, size: int) -> bytes:
        if size > MAX_TEXT:
            raise _DamageError(f"is damaged at byte {offset - _BLOCK:,}: an oversized header")
        return self._read(offset, size)

    def _require_nothing_behind(self) -> None:
        place = self._place
        while data := self._read(place, MAX_TEXT):
            if data.strip(b"\0"):
                raise _DamageError(
                    f"goes on behind its end mark at byte {self._place:,}: two archives in one "
                    "file; unpack both and pack them as one"
                )
            place += len(data)

    def _read(self, offset: int, size: int) -> bytes:
        self._raw.seek(offset)
        return self._raw.read(size)


def _is_header(header: bytes) -> bool:
    """Whether the checksum is right: of the bytes, those of the checksum counted as blanks."""
    try:
        stated = _number(header[148:156])
    except _DamageError:
        return False
    return stated == sum(header) - sum(header[148:156]) + 8 * 0x20


def _number(field: bytes) -> int:
    """Octal digits, or a base-256 number where the first bit is set."""
    if field[0] & 0x80:
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        if field[0] & 0x40:
            raise _DamageError("holds a member of negative size")
        return value
    digits = field.partition(b"\0")[0].strip(b" ")
    try:
        return int(digits or b"0", 8)
    except ValueError as error:
        raise _DamageError("holds a header with a garbled number") from error


def _decimal(digits: str) -> int:
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
        raise _DamageError("holds an extended header with a garbled size")
    return int(digits)


def _stored_name(header: bytes) -> str:
    name = header[:100].partition(b"\0")[0]
    if header[257:263] == b"ustar\0":
        prefix = header[345:500].partition(b"\0")[0]
        name = prefix + b"/" + name if prefix else name
    return _text(name)


def _records(data: bytes) -> dict[str, str]:
    """pax records: `LENGTH KEY=VALUE` and a line feed, where LENGTH counts all of it."""
    found = {}
    while data.rstrip(b"\0"):
        digits = data[:20].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        key, mark, value = data[len(digits) + 1 : length].partition(b"=")
        if not mark or length > len(data) or not value.endswith(b"\n"):
            raise _DamageError("holds a garbled extended header")
        found[_text(key)] = _text(value[:-1])
        data = data[length:]
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="surrogateescape")
