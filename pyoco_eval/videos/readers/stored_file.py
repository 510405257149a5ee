"""Where the bytes of a video lie: in a file of their own, or in a part of another one."""

import hashlib
import io
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np

from pyoco_eval.videos.readers.base import UnreadableError

_BUFFER_SIZE = 1 << 17


class StoredFile(ABC):
    """Bytes with a name. Holds nothing open: every `open` gives a handle of its own.

    Every method may be called from several threads at once and raises `OSError` or
    `UnreadableError`.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The last part of the path, whose suffix says what it holds."""

    @property
    def path(self) -> Path | None:
        """Where it is a local file by itself."""
        return None

    @property
    def suffix(self) -> str:
        """`.mp4`, in lower case."""
        return os.path.splitext(self.name)[1].lower()  # noqa: PTH122 - asked once per file

    @abstractmethod
    def size(self) -> int:
        """In bytes."""

    @abstractmethod
    def open(self) -> BinaryIO:
        """A seekable handle at the start."""

    def version(self) -> object:
        """Changes when the content does, as far as can be seen without reading it."""
        return None

    def open_part(self, offset: int, length: int, name: str) -> BinaryIO:
        """A seekable handle on `length` bytes from `offset`, with a `name` of its own."""
        window = _Window(self.open(), offset, length, name)
        return cast(BinaryIO, io.BufferedReader(window, _BUFFER_SIZE))

    def map(
        self, dtype: np.dtype[Any], offset: int, shape: Sequence[int], order: Literal["C", "F"]
    ) -> np.ndarray:
        """The array whose values start at `offset`; read-only."""
        with self.open() as file:
            file.seek(offset)
            values = file.read(math.prod(shape) * dtype.itemsize)
        return np.frombuffer(values, dtype).reshape(shape, order=order)

    def digest(self) -> str:
        """sha256 of the bytes, 64 hexadecimal digits."""
        with self.open() as file:
            return hashlib.file_digest(cast(io.BufferedReader, file), "sha256").hexdigest()


@dataclass(frozen=True)
class LocalFile(StoredFile):
    """A file on disk."""

    place: Path

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def path(self) -> Path:
        return self.place

    def size(self) -> int:
        return self.place.stat().st_size

    def open(self) -> BinaryIO:
        try:
            return self.place.open("rb")
        except PermissionError as error:
            raise UnreadableError("may not be read: permission denied") from error

    def version(self) -> object:
        status = self.place.stat()
        return status.st_size, status.st_mtime_ns

    def map(
        self, dtype: np.dtype[Any], offset: int, shape: Sequence[int], order: Literal["C", "F"]
    ) -> np.ndarray:
        return np.memmap(self.place, dtype, "r", offset, tuple(shape), order)


@dataclass(frozen=True)
class FilePart(StoredFile):
    """Bytes within another file, such as a member of a tar archive.

    Attributes:
        known_version: of `whole` when the place of the bytes was found out.
    """

    whole: StoredFile
    part_name: str
    offset: int
    length: int
    known_version: object

    @property
    def name(self) -> str:
        return self.part_name

    def size(self) -> int:
        return self.length

    def open(self) -> BinaryIO:
        self._require_unchanged()
        return self.whole.open_part(self.offset, self.length, self.name)

    def map(
        self, dtype: np.dtype[Any], offset: int, shape: Sequence[int], order: Literal["C", "F"]
    ) -> np.ndarray:
        self._require_unchanged()
        return self.whole.map(dtype, self.offset + offset, shape, order)

    def _require_unchanged(self) -> None:
        if self.whole.version() != self.known_version:
            raise UnreadableError(f"{self.whole.name} was changed after it was opened; run again")


class _Window(io.RawIOBase):
    """Part of a file as a file, with a place of its own; closes the file it reads."""

    def __init__(self, file: BinaryIO, offset: int, length: int, name: str) -> None:
        self.name = name
        self._file = file
        self._offset = offset
        self._length = length
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._length}[whence]
        if start + offset < 0:
            raise OSError("seek before the start of the file")
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any, /) -> int:
        wanted = memoryview(buffer).cast("B")
        left = max(0, self._length - self._place)
        self._file.seek(self._offset + self._place)
        data = self._file.read(min(len(wanted), left))
        wanted[: len(data)] = data
        self._place += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
