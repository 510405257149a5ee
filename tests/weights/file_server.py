"""A server on this machine that can fail in the ways servers on the network fail."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Route:
    """What one path answers, and what it was asked."""

    content: bytes = b""
    etag: str | None = '"v1"'
    last_modified: str | None = None
    ranges: bool = True
    if_range: bool = True
    status: int = 200
    content_type: str = "application/octet-stream"
    location: str | None = None
    announce: bool = True
    cut_after: list[int] = field(default_factory=list)
    hold_after: int | None = None
    pause_seconds: float = 0
    trickle: tuple[int, float] | None = None
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def ranges_asked(self) -> list[str | None]:
        return [headers.get("Range") for headers in self.asked]


class _Handler(BaseHTTPRequestHandler):
    server: "FileServer"

    def do_GET(self) -> None:
        route = self.server.routes.get(self.path)
        if route is None:
            self.send_error(404)
            return
        route.asked.append(dict(self.headers))
        time.sleep(route.pause_seconds)
        start = self._start(route)
        self.send_response(206 if start else route.status)
        self.send_header("Content-Type", route.content_type)
        if route.location:
            self.send_header("Location", route.location)
        if route.etag:
            self.send_header("ETag", route.etag)
        if route.last_modified:
            self.send_header("Last-Modified", route.last_modified)
        if start:
            size = len(route.content)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        body = route.content[start:]
        if route.announce:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._send(route, body)

    def _start(self, route: Route) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        current = self.headers.get("If-Range") in (route.etag, route.last_modified)
        if asked and route.ranges and (current or not route.if_range):
            return int(asked[1])
        return 0

    def _send(self, route: Route, body: bytes) -> None:
        if route.trickle:
            size, seconds = route.trickle
            for at in range(0, len(body), size):
                self.wfile.write(body[at : at + size])
                time.sleep(seconds)
        elif route.cut_after:
            self.wfile.write(body[: route.cut_after.pop(0)])
        elif (held := route.hold_after) is not None:
            self.wfile.write(body[:held])
            self.server.released.wait(30)
            self.wfile.write(body[held:])
        else:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class FileServer(ThreadingHTTPServer):
    """`routes` maps a path to what it answers; any other path is a 404."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.routes: dict[str, Route] = {}
        self.released = threading.Event()

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def add(self, path: str, route: Route) -> str:
        self.routes[path] = route
        return self.address(path)

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the tests."""


@contextmanager
def running_server() -> Iterator[FileServer]:
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()
