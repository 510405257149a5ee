"""A server that sends a byte now and then, wherever in its answer, is given up in time.

It would go on for minutes; socket timeouts, which count from the last byte, never end it.
"""

import gc
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pyoco_eval.weights.deadline import THREAD, within
from pyoco_eval.weights.transfer import HttpTransfer, TransferError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
DRIPS = {
    "in the status line": (b"", b"H"),
    "in a header": (HEAD + b"X-Long: ", b"a"),
    "in header after header": (HEAD, b"X-More: 1\r\n"),
    "in 100 Continues": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "in a chunk size": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "in a chunk extension": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;x=", b"a"),
    "in chunks of one byte": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "in trailers": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: 1\r\n"),
    "in the body": (HEAD + b"Content-Length: 100000\r\n\r\n", b"a"),
    "in redirects": (b"HTTP/1.1 302 Found\r\nLocation: /", b"a"),
}


@pytest.fixture
def drip(request: pytest.FixtureRequest) -> Iterator[str]:
    start, drop = request.param
    stop = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(start)
            for _ in range(2400):
                if stop.wait(0.05):
                    return
                connection.sendall(drop)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}/net.bin"
    stop.set()
    server.close()
    for thread in threading.enumerate():  # left behind with their connections
        if thread.name == THREAD:
            thread.join()
    gc.collect()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS, indirect=True)
def test_a_dripping_server_is_given_up(drip: str, tmp_path: Path) -> None:
    transfer = HttpTransfer(tmp_path / "part", None, 0.5, 0.5, attempts=1)
    with pytest.raises(TransferError, match=r"too slow|no whole answer within 1 s") as caught:
        transfer(drip, str(tmp_path / "net.bin"), None)
    assert caught.value.temporary
    assert not (tmp_path / "net.bin").exists()


def test_within_hands_on_what_happens() -> None:
    assert within(60, lambda: 7) == 7
    with pytest.raises(KeyError):
        within(60, lambda: {}["x"])
    never = threading.Event()
    with pytest.raises(TimeoutError, match=r"no whole answer within 0\.05 s"):
        within(0.05, never.wait)
    never.set()
