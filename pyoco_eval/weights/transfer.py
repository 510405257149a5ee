"""One file over HTTP: resumed where the server allows it, bounded in time, never half delivered."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from pyoco_eval.parsing import parse_json
from pyoco_eval.version import __version__
from pyoco_eval.weights.deadline import Watch, within

if TYPE_CHECKING:
    import requests

OnBytes = Callable[[int, int | None], None]

_BLOCK_BYTES = 1 << 16
_MOST_BYTES = 4 << 30
_LEAST_BYTES = 1024
_MOST_REDIRECTS = 8
_PAGE = "the server answered with a web page instead of the file"
_BACKOFF_SECONDS = 0.5
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})


class TransferError(Exception):
    """Why an address did not give the file; `temporary` when another try may succeed."""

    def __init__(self, reason: str, *, temporary: bool = False) -> None:
        self.temporary = temporary
        super().__init__(reason)


@dataclass(frozen=True)
class HttpTransfer:
    """A downloader for `pooch.retrieve`.

    What has arrived is kept in `part`, with a note of the address and of the ETag (or modification
    date) it belongs to. A later call asks for the rest of exactly that content and starts over when
    the server has other content or does not answer ranges.

    Attributes:
        part: where the bytes collect.
        size: of the whole file, None where unknown.
        connect_timeout: seconds until a server must answer.
        read_timeout: seconds in which at least 1 KiB must arrive.
        attempts: tries, with pauses of 0.5 s, 1 s, 2 s ... between them.
        on_bytes: called with the bytes there are and the bytes there will be.
    """

    part: Path
    size: int | None
    connect_timeout: float
    read_timeout: float
    attempts: int
    on_bytes: OnBytes | None = None

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        """Put the file at `url` in the place of `output_file`.

        Raises:
            TransferError: after the last attempt, or at once if another would end the same.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                self._receive(url)
                break
            except TransferError as error:
                if not error.temporary or attempt == self.attempts:
                    raise
                time.sleep(_BACKOFF_SECONDS * 2 ** (attempt - 1))
        self.part.replace(output_file)
        self._note.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self.part.with_name(self.part.name + ".json")

    def _receive(self, url: str) -> None:
        import requests

        have, validator, total = self._kept(url)
        if have and have == total:
            return
        headers = {"Accept-Encoding": "identity", "User-Agent": f"pyoco-eval/{__version__}"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": validator}
        with (
            requests.Session() as session,
            self._explained(have, total),
            self._open(session, url, headers) as response,
        ):
            status = response.status_code
            stale = have > 0 and status in (206, 416)
            if stale and _continues(response, have, total, validator):
                self._append(response, have, total)
                return
            if status == 200:
                self._start_over(response, url)
                return
            if not stale:
                raise TransferError(
                    f"HTTP {status} {response.reason}".rstrip(),
                    temporary=status in _WORTH_ANOTHER_TRY,
                )
        self._note.unlink()
        self._receive(url)

    def _open(
        self, session: "requests.Session", url: str, headers: dict[str, str]
    ) -> "requests.Response":
        """Follow redirects by hand, so that each address is judged before it is contacted."""
        for _ in range(_MOST_REDIRECTS):
            if urlsplit(url).scheme not in ("http", "https"):
                raise TransferError(f"not an http or https address: {without_secrets(url)}")
            ask = partial(
                session.get,
                url,
                headers=headers,
                stream=True,
                timeout=(self.connect_timeout, self.read_timeout),
                allow_redirects=False,
            )
            try:
                response = within(self.connect_timeout + self.read_timeout, ask)
            except TimeoutError as error:
                raise TransferError(str(error), temporary=True) from error
            target = session.get_redirect_target(response)
            if target is None:
                return response
            response.close()
            following = urljoin(url, target)
            if urlsplit(url).scheme == "https" and urlsplit(following).scheme == "http":
                raise TransferError(f"redirects from https to {without_secrets(following)}")
            url = following
        raise TransferError(f"more than {_MOST_REDIRECTS} redirects")

    def _start_over(self, response: "requests.Response", url: str) -> None:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise TransferError(_PAGE)
        if None not in (self.size, total) and total != self.size:
            raise TransferError(f"wrong size: expected {self.size:,} bytes, got {total:,}")
        if (total or self.size) is None and "chunked" not in response.headers.get(
            "Transfer-Encoding", ""
        ):
            raise TransferError("the server does not say where the file ends")
        etag = response.headers.get("ETag", "")
        strong = etag if etag.startswith('"') else response.headers.get("Last-Modified")
        self._note.unlink(missing_ok=True)
        self.part.unlink(missing_ok=True)
        if strong and total:
            self._note.write_text(
                json.dumps({"address": url, "validator": strong, "total": total}), encoding="utf-8"
            )
        self._append(response, 0, total or self.size)

    def _append(self, response: "requests.Response", done: int, total: int | None) -> None:
        """Write the body behind the `done` bytes there are.

        Raises:
            TransferError: cut off, too slow, too long, or a web page.
        """
        limit, before = total or _MOST_BYTES, done
        self._report(done, total)
        with (
            self.part.open("ab") as file,
            Watch(response.raw, self.read_timeout, _LEAST_BYTES) as watch,
        ):
            try:
                while block := self._next_block(response, done, total):
                    if not done and _is_page(block):
                        raise TransferError(_PAGE)
                    file.write(block)
                    done += len(block)
                    watch.arrived = done - before
                    self._report(done, total)
                    if done > limit:
                        raise TransferError(f"more than {limit:,} bytes")
            except TransferError as error:
                if not (watch.expired and error.temporary):
                    raise
        if watch.expired and done != total:
            reason = f"too slow: after {done:,} bytes fewer than {_LEAST_BYTES:,} more came in "
            raise TransferError(f"{reason}{self.read_timeout:g} s", temporary=True)
        if total is not None and done != total:
            raise TransferError(_cut_off(done, total), temporary=True)

    def _next_block(self, response: "requests.Response", done: int, total: int | None) -> bytes:
        # read1 hands over what has arrived; a plain read would wait for a full block, and lose the
        # arrived part of it when the connection breaks. urllib3 1.26 has only the plain read.
        read: Any = getattr(response.raw, "read1", response.raw.read)
        with self._explained(done, total):
            block = read(_BLOCK_BYTES, decode_content=False)
        assert isinstance(block, bytes)
        return block

    @contextmanager
    def _explained(self, done: int, total: int | None) -> Iterator[None]:
        """Turn the exceptions of requests and urllib3 into sentences."""
        import requests
        import urllib3

        try:
            yield
        except (requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError) as error:
            reason = f"no connection within {self.connect_timeout:g} s"
            raise TransferError(reason, temporary=True) from error
        except (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError) as error:
            of = f" of {total:,}" if total else ""
            reason = f"no data for {self.read_timeout:g} s after {done:,}{of} bytes"
            raise TransferError(reason, temporary=True) from error
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidProxyURL) as error:
            raise TransferError(f"not a usable address: {error}") from error
        except urllib3.exceptions.ProtocolError as error:
            raise TransferError(_cut_off(done, total), temporary=True) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise TransferError(_innermost(error), temporary=True) from error

    def _kept(self, url: str) -> tuple[int, str, int]:
        """Bytes already here, what they belong to, and the whole length; 0 if of no use."""
        try:
            note = parse_json(self._note.read_text(encoding="utf-8"))
            have = self.part.stat().st_size
            if note["address"] == url and have <= note["total"]:
                return have, str(note["validator"]), int(note["total"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            pass
        return 0, "", 0

    def _report(self, done: int, total: int | None) -> None:
        if self.on_bytes is not None:
            self.on_bytes(done, total)


def without_secrets(address: str) -> str:
    """`address` as it may be shown: without a user name and password, and without its query."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _continues(response: "requests.Response", have: int, total: int, validator: str) -> bool:
    """Whether a partial answer is the missing rest of what is here."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
    etag = response.headers.get("ETag", validator)
    same = etag == validator or not validator.startswith('"')
    return same and found is not None and (int(found[1]), int(found[2])) == (have, total)


def _is_page(start: bytes) -> bool:
    return start.lstrip()[:9].lower().startswith((b"<!doctype", b"<html"))


def _cut_off(done: int, total: int | None) -> str:
    return (
        f"cut off after {done:,} of {total:,} bytes" if total else f"cut off after {done:,} bytes"
    )


def _innermost(error: BaseException) -> str:
    """The system's own words at the bottom of a chain such as MaxRetryError."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return f"cannot connect: {cause.strerror}"
        nested = getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)
        error, cause = cause, nested if isinstance(nested, BaseException) else cause.__cause__
    return f"cannot connect: {error}"
