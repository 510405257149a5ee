"""The videos inside .npy and .npz files, without unpickling and without filling the memory.

.npy files and uncompressed .npz members are mapped, so that only the frames read are in memory.
A compressed member has to be unpacked whole: one at a time is kept for each run.

References:
    numpy.lib.format: magic string, version, header, then the values.
    .npz: a ZIP archive with one .npy member per array.
"""

import math
import threading
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from pyoco_eval.videos.readers.array_reader import ArrayReader, Levels
from pyoco_eval.videos.readers.base import UnreadableError
from pyoco_eval.videos.readers.layout import to_standard
from pyoco_eval.videos.readers.stored_file import LocalFile, StoredFile

MAX_EXPANSION = 200
"""A compressed array over `_LARGE` bytes that shrank more than this is taken for a zip bomb."""

_LARGE = 1 << 30
_PIECE = 1 << 20
_HEADERS = threading.Lock()
"""Headers are Python literals, and CPython 3.11 may fail when two threads parse at once
(python/cpython#106905)."""
_LOCAL_HEADER_SIZE = 30
_EXPECTED = "expected (T, H, W, 3) or (N, T, H, W, 3)"
_DAMAGE = (
    ValueError,
    OSError,
    EOFError,
    KeyError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    tokenize.TokenError,
    MemoryError,
)


class ArrayCache:
    """Keeps the last unpacked array, for the many videos it may hold."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: tuple[object, np.ndarray] | None = None

    def unpack(self, member: "_Stored") -> np.ndarray:
        """The array of `member`, unpacked once for threads that ask at the same time."""
        with self._lock:
            if self._last is None or self._last[0] != member:
                self._last = None
                self._last = (member, member.unpack())
            return self._last[1]


@dataclass(frozen=True)
class _Stored:
    """One array of a file: where it lies, what its header says.

    Attributes:
        member: name inside the .npz file, None for .npy.
        offset: of the values in the file; None if they are compressed.
        header_size: bytes before the values in the file or member.
    """

    file: StoredFile
    member: str | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int | None
    header_size: int

    def map(self) -> np.ndarray:
        """Map the values that lie uncompressed in the file."""
        assert self.offset is not None
        return self.file.map(self.dtype, self.offset, self.shape, "F" if self.fortran else "C")

    def unpack(self) -> np.ndarray:
        """Read the compressed values; several threads may do so at once."""
        assert self.member is not None
        with (
            self.file.open() as raw,
            zipfile.ZipFile(raw) as archive,
            archive.open(self.member) as file,
        ):
            file.read(self.header_size)
            content = bytearray(math.prod(self.shape) * self.dtype.itemsize)
            filled = 0
            while filled < len(content):
                piece = file.read(min(_PIECE, len(content) - filled))
                if not piece:
                    raise EOFError
                content[filled : filled + len(piece)] = piece
                filled += len(piece)
            file.read(1)  # at the end of the member its checksum is compared
        values = np.frombuffer(content, self.dtype)
        if self.fortran:
            return values.reshape(self.shape[::-1]).transpose()
        return values.reshape(self.shape)


def array_videos(
    file: StoredFile, levels: Levels, cache: ArrayCache
) -> list[tuple[str, ArrayReader]]:
    """The videos of a .npy or .npz file, in the order in which they are stored.

    Returns:
        What follows the file's name in the id, and the reader: `#0`, `#1`, … ; nothing for a
        file that holds just one (T, H, W, 3) array, or one picture (H, W, 3) in a .npy file.

    Arrays of fewer than four axes (labels, frame rates) are passed over in a .npz file.

    Raises:
        UnreadableError: the file, or the header of an array in it, cannot be used.
    """
    with _damage_told():
        stored = _npy(file) if file.suffix == ".npy" else _npz(file)
    if not stored:
        raise UnreadableError("holds no array of shape (T, H, W, 3) or (N, T, H, W, 3)")
    readers: list[ArrayReader] = []
    for array in stored:
        if len(array.shape) == 3 and 3 not in (array.shape[0], array.shape[2]):
            raise UnreadableError(f"has the shape {array.shape}: {_EXPECTED}")
        try:
            order = to_standard(_four_axes(array.shape), array.dtype, levels.layout)
        except UnreadableError as error:
            where = f"array {array.member.removesuffix('.npy')!r} " if array.member else ""
            raise UnreadableError(where + error.reason) from error
        items = [None] if len(array.shape) < 5 else range(array.shape[order[0]])
        readers += [_reader(array, order, item, levels, cache) for item in items]
    if len(stored) == 1 and len(stored[0].shape) < 5:
        return [("", readers[0])]
    return [(f"#{number}", reader) for number, reader in enumerate(readers)]


def holds_pictures(path: Path) -> bool:
    """Whether an .npz file has an array of four or five axes."""
    try:
        with _damage_told():
            return bool(_npz(LocalFile(path)))
    except (UnreadableError, OSError):
        return False


def _reader(
    array: _Stored, order: tuple[int, ...], item: int | None, levels: Levels, cache: ArrayCache
) -> ArrayReader:
    @contextmanager
    def load(*, keep: bool = item is not None) -> Iterator[np.ndarray]:
        with _damage_told():
            if array.offset is not None:
                values = array.map()
            else:
                values = cache.unpack(array) if keep else array.unpack()
        values = values.reshape(_four_axes(array.shape)).transpose(order)
        yield values if item is None else values[item]

    shape = tuple(_four_axes(array.shape)[axis] for axis in order)[-4:]
    reader = ArrayReader(load, shape, array.dtype, levels, array.file.suffix.removeprefix("."))
    reader.load_shared = partial(load, keep=True)
    reader.is_still = len(array.shape) == 3
    reader.is_whole = item is None and not reader.is_still
    return reader


def _four_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(1, H, W, 3) for a single picture."""
    return (1, *shape) if len(shape) == 3 else shape


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise UnreadableError("may not be read: permission denied") from error
    except MemoryError as error:
        raise UnreadableError("its arrays do not fit in memory; save them as .npy") from error
    except _DAMAGE as error:
        raise UnreadableError("is no array file, or damaged or cut off") from error


def _npy(file: StoredFile) -> list[_Stored]:
    if not file.size():
        raise UnreadableError("is empty (0 bytes)")
    with file.open() as raw:
        shape, fortran, dtype = _header(raw)
        offset = raw.tell()
    stored = _Stored(file, None, shape, dtype, fortran, offset, offset)
    _require_bytes(stored, file.size() - offset)
    return [stored]


def _npz(stored_file: StoredFile) -> list[_Stored]:
    if not stored_file.size():
        raise UnreadableError("is empty (0 bytes)")
    found = []
    with (
        stored_file.open() as zipped,
        zipfile.ZipFile(zipped) as archive,
        stored_file.open() as raw,
    ):
        for info in archive.infolist():
            if not info.filename.endswith(".npy"):
                continue
            with archive.open(info) as file:
                shape, fortran, dtype = _header(file)
                header_size = file.tell()
            if len(shape) < 4 and not dtype.hasobject:
                continue
            offset = None
            if info.compress_type == zipfile.ZIP_STORED:
                offset = _data_start(raw, info) + header_size
            elif info.file_size > max(_LARGE, MAX_EXPANSION * info.compress_size):
                raise UnreadableError(
                    f"would grow from {info.compress_size:,} to {info.file_size:,} bytes when "
                    "unpacked; save it as .npy if that is meant"
                )
            stored = _Stored(stored_file, info.filename, shape, dtype, fortran, offset, header_size)
            _require_bytes(stored, info.file_size - header_size)
            found.append(stored)
    return found


def _require_bytes(stored: _Stored, available: int) -> None:
    if stored.dtype.hasobject or not all(type(n) is int and n >= 0 for n in stored.shape):
        return  # told when the layout is looked at
    needed = stored.dtype.itemsize
    for length in stored.shape:
        needed *= length
    if needed > available:
        raise UnreadableError(
            f"is cut off: its header promises {needed:,} bytes of values, {available:,} are there"
        )


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    with _HEADERS:
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(file)
    raise UnreadableError(f"is in version {version[0]}.{version[1]} of the .npy format: save uint8")


def _data_start(raw: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Skip the member's local header: 30 bytes, then its name and extra field."""
    raw.seek(info.header_offset)
    header = raw.read(_LOCAL_HEADER_SIZE)
    name_size = int.from_bytes(header[26:28], "little")
    extra_size = int.from_bytes(header[28:30], "little")
    return info.header_offset + _LOCAL_HEADER_SIZE + name_size + extra_size
