"""Files in object stores, on servers and inside archives, through fsspec.

Objects up to `WHOLE` bytes are read in one request, and the last of them are kept in memory, for
a video is read more than once (its frames, its hash). Larger ones are read by ranges. Retries and
timeouts are those of fsspec and the package behind it.

References:
    https://filesystem-spec.readthedocs.io: URLs, chains such as `zip://*.mp4::s3://bucket/a.zip`.
"""

import io
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast
from urllib.parse import unquote

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.resources import OFFLINE_VARIABLE, is_offline
from pyoco_eval.videos.readers.base import UnreadableError
from pyoco_eval.videos.readers.stored_file import StoredFile

WHOLE = 32 << 20
"""Larger objects are not read whole."""

KEPT = 128 << 20
"""Bytes of whole objects that one source keeps."""

_BLOCK = 4 << 20
_BUFFER = 1 << 17
_URL = re.compile(r"(?:[a-z][\w+.-]+::)*[a-z][\w+.-]+://", re.IGNORECASE | re.ASCII)
_SECRETS = re.compile(r"(?<=://)[^/@\s]+@|(?<=\?)\S+")
_WITHIN_THIS_MACHINE = frozenset(
    {"file", "local", "memory", "zip", "tar", "libarchive", "dir",
     "simplecache", "filecache", "blockcache", "cached"}
)  # fmt: skip
_ON_DISK = ("file://", "local://")

_ONE_AT_A_TIME = threading.RLock()
"""Held while a file system is asked that is not made for several threads."""


def is_remote(text: str) -> bool:
    """Whether `text` is a URL (`s3://…`, `zip://…::file.zip`) rather than a local path."""
    return _URL.match(text) is not None


def without_file_protocol(text: str) -> str:
    """The local path of `file:///path`; anything else unchanged."""
    for protocol in _ON_DISK:
        if text.startswith(protocol) and "::" not in text:
            return text.removeprefix(protocol)
    return text


def shown(url: str) -> str:
    """`url` without what may be secret: passwords and signed queries."""
    return _SECRETS.sub("…", url)


class RemoteFiles:
    """A file system with the objects lately read from it."""

    def __init__(self, url: str) -> None:
        """Open the file system of `url`; its objects are not looked for yet.

        Raises:
            UsageError: unknown protocol, offline, or the archive of a chain cannot be opened.
            MissingError: fsspec, or the package it needs for this protocol, is not installed.
        """
        self.url = url
        _refuse_offline(url)
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise MissingError(
                f"{shown(url)} needs the package fsspec: pip install 'pyoco-eval[remote]'"
            ) from error
        try:
            self.system, root = url_to_fs(url)
        except ImportError as error:
            raise MissingError(f"{shown(url)}: {error} (with pip)") from error
        except Exception as error:
            raise UsageError(f"{shown(url)} cannot be opened: {reason_of(error)}") from error
        self.root: str = self.system._strip_protocol(root).rstrip("/")
        self._sizes: dict[str, int | None] = {}
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def asking(self) -> Iterator[Any]:
        """The file system, for one call at a time if it is not made for more."""
        with nullcontext() if self.system.async_impl else _ONE_AT_A_TIME:
            yield self.system

    def full_name(self, place: str) -> str:
        """The URL of an object, without secrets, as messages call it."""
        first, _, rest = self.url.partition("::")
        own = f"{first.partition('://')[0]}://{place.removeprefix('/')}"
        if "://" in place:
            own = place
        return shown(f"{own}::{rest}" if rest else own)

    def is_http(self) -> bool:
        """Whether places are URLs with escapes (`%20`), and folders pages of links."""
        return "://" in self.root

    def size(self, place: str) -> int | None:
        """Bytes of an object as the file system says, None if it cannot.

        Raises:
            UnreadableError: it is not there or cannot be asked for; names it.
        """
        if place not in self._sizes:
            with self.told(place), self.asking() as system:
                self._sizes[place] = system.info(place).get("size")
        return self._sizes[place]

    def whole(self, place: str) -> bytes:
        """All bytes of an object, kept for the next time.

        Raises:
            UnreadableError: it cannot be read; names it.
        """
        with self._lock:
            if place in self._kept:
                self._kept.move_to_end(place)
                return self._kept[place]
        with self.told(place), self.asking() as system:
            data = bytes(system.cat_file(place))
        with self._lock:
            self._kept[place] = data
            while sum(map(len, self._kept.values())) > KEPT:
                self._kept.popitem(last=False)
        return data

    def part(self, place: str, offset: int, length: int) -> bytes:
        """`length` bytes of an object from `offset`.

        Raises:
            UnreadableError: they cannot be read, or its server sends others; names the object.
        """
        with self.told(place), self.asking() as system:
            data = bytes(system.cat_file(place, start=offset, end=offset + length))
        if len(data) != length:
            raise UnreadableError(
                f"its server sent {len(data):,} bytes of {self.full_name(place)} where {length:,} "
                "were asked for; copy it to this machine"
            )
        return data

    @contextmanager
    def told(self, place: str) -> Iterator[None]:
        """Turn whatever a file system raises into a reason that names the object."""
        try:
            yield
        except (UnreadableError, MemoryError):
            raise
        except FileNotFoundError as error:
            raise UnreadableError(f"does not exist any more: {self.full_name(place)}") from error
        except PermissionError as error:
            raise UnreadableError(
                f"may not be read: access to {self.full_name(place)} is denied"
            ) from error
        except Exception as error:
            raise UnreadableError(
                f"cannot be read from {self.full_name(place)}: {reason_of(error)}"
            ) from error


@dataclass(frozen=True)
class RemoteFile(StoredFile):
    """An object of a store.

    Attributes:
        place: its path as the file system writes it.
        known_size: as listed; None if the listing does not say.
    """

    store: RemoteFiles = field(repr=False)
    place: str
    known_size: int | None = None

    @property
    def name(self) -> str:
        return name_of(self.place)

    def size(self) -> int:
        size = self._stated_size()
        return len(self.store.whole(self.place)) if size is None else size

    def open(self) -> BinaryIO:
        if self._is_small():
            return _NamedBytes(self.store.whole(self.place), self.name)
        with self.store.told(self.place):
            return cast(BinaryIO, io.BufferedReader(_Ranges(self.store, self.place), _BUFFER))

    def open_part(self, offset: int, length: int, name: str) -> BinaryIO:
        if self._is_small():
            whole = memoryview(self.store.whole(self.place))
            return _NamedBytes(whole[offset : offset + length], name)
        if length <= WHOLE:
            return _NamedBytes(self.store.part(self.place, offset, length), name)
        return super().open_part(offset, length, name)

    def _is_small(self) -> bool:
        size = self._stated_size()
        return size is None or size <= WHOLE

    def _stated_size(self) -> int | None:
        return self.store.size(self.place) if self.known_size is None else self.known_size


def name_of(place: str) -> str:
    """The last part of a place; of a web address without its query and escapes."""
    if "://" in place:
        place = unquote(place.partition("?")[0].partition("#")[0])
    return PurePosixPath(place).name


class _NamedBytes(io.BytesIO):
    def __init__(self, data: "bytes | memoryview", name: str) -> None:
        super().__init__(data)
        self.name = name


class _Ranges(io.RawIOBase):
    """A handle of fsspec whose errors name the object."""

    def __init__(self, store: RemoteFiles, place: str) -> None:
        self.name = name_of(place)
        self._store = store
        self._place = place
        with store.asking() as system:
            handle = system.open(place, "rb", block_size=_BLOCK)
        if isinstance(handle, io.BytesIO):  # the one handle that all share
            handle = io.BytesIO(handle.getbuffer())
        self._handle: Any = handle

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        with self._store.told(self._place), self._store.asking():
            return int(self._handle.seek(offset, whence))

    def tell(self) -> int:
        return int(self._handle.tell())

    def readinto(self, buffer: Any, /) -> int:
        wanted = memoryview(buffer).cast("B")
        with self._store.told(self._place), self._store.asking():
            data = self._handle.read(len(wanted))
        wanted[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            with self._store.asking():
                self._handle.close()
        super().close()


def _refuse_offline(url: str) -> None:
    if not is_offline():
        return
    *links, last = url.split("::")
    links += [last] if "://" in last else []
    protocols = [link.partition("://")[0].lower() for link in links]
    beyond = [protocol for protocol in protocols if protocol not in _WITHIN_THIS_MACHINE]
    if beyond:
        raise UsageError(
            f"{shown(url)}: {beyond[0]}:// needs a connection, and --offline (or "
            f"{OFFLINE_VARIABLE}) forbids it; copy the videos to this machine"
        )


def reason_of(error: Exception) -> str:
    """The first line of an error, without secrets, behind its kind."""
    text = shown(str(error).strip().partition("\n")[0])
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
