"""Fetching from a server that is healthy, slow, dishonest, half dead or gone."""

import hashlib
import io
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from file_server import Route, running_server

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.weights.fetch import addresses_of, fetch
from pyoco_eval.weights.manifest import PublishedFile
from pyoco_eval.weights.resolve import DamagedError, resolve

ROOT = Path(__file__).resolve().parents[2]
CONTENT = bytes(range(256)) * 4000
SIZE = len(CONTENT)


def sha256(content=CONTENT):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def gitblob(content=CONTENT):
    return "gitblob:" + hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def manifest(*addresses, digest=None, size=SIZE):
    entry = PublishedFile("net", "net.bin", "made up", addresses, digest, size, "none", "this test")
    return {"net": entry}


@pytest.fixture
def server():
    with running_server() as running:
        yield running


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    for name in ("PYOCO_EVAL_OFFLINE", "PYOCO_EVAL_WEIGHTS_MIRROR", "PYOCO_EVAL_WEIGHTS_NET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("pyoco_eval.weights.transfer._BACKOFF_SECONDS", 0.01)
    return tmp_path / "cache" / "weights"


def visible(cache):
    return sorted(path.name for path in cache.iterdir() if not path.name.startswith("."))


def dead_address():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}/net.bin"


def failure(entries, **options):
    with pytest.raises(MissingError) as caught:
        fetch("net", manifest=entries, **options)
    assert caught.value.exit_code == 3
    return str(caught.value)


@pytest.mark.parametrize("digest", [sha256(), gitblob()], ids=["sha256", "git blob"])
def test_a_healthy_server(server, cache, digest, capfd):
    route = Route(CONTENT)
    entries = manifest(server.add("/net.bin", route), digest=digest)
    seen = []
    found = fetch("net", manifest=entries, on_bytes=lambda *counts: seen.append(counts))
    assert (found.path, found.digest, found.published) == (cache / "net.bin", digest, True)
    assert found.path.read_bytes() == CONTENT
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert visible(cache) == ["net.bin"]
    assert [path.name for path in (cache / ".unfinished").iterdir()] == ["net.bin.lock"]
    assert fetch("net", manifest=entries) == found
    assert resolve("net", manifest=entries) == found
    assert len(route.asked) == 1
    assert capfd.readouterr() == ("", "")


def test_what_a_kill_left_beside_a_whole_file_is_removed(server, cache):
    entries = manifest(server.add("/net.bin", Route(CONTENT)))
    found = fetch("net", manifest=entries)
    left = cache / ".unfinished" / "net.bin"
    left.mkdir()
    (left / "part").write_bytes(b"x")
    (cache / ".unfinished" / "net.bin.lock-holder").write_text("process 7")
    assert fetch("net", manifest=entries) == found
    assert [path.name for path in (cache / ".unfinished").iterdir()] == ["net.bin.lock"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_permissions_follow_the_umask(server, mask, mode):
    entries = manifest(server.add("/net.bin", Route(CONTENT)))
    before = os.umask(mask)
    try:
        path = fetch("net", manifest=entries).path
    finally:
        os.umask(before)
    for file in (path, path.with_name("net.bin.sha256")):
        assert stat.S_IMODE(file.stat().st_mode) == mode


def test_every_address_is_tried_and_the_mirror_first(server, cache, monkeypatch):
    monkeypatch.setenv("PYOCO_EVAL_WEIGHTS_MIRROR", server.address("/mirror/"))
    wrong = server.add("/wrong", Route(b"?" * len(CONTENT)))
    good = Route(CONTENT)
    entries = manifest(dead_address(), wrong, server.add("/good", good), digest=sha256())
    assert addresses_of(entries["net"])[0] == server.address("/mirror/net.bin")
    assert fetch("net", manifest=entries).published
    assert len(good.asked) == 1
    (cache / "net.bin").unlink()
    mirrored = Route(CONTENT)
    server.add("/mirror/net.bin", mirrored)
    assert fetch("net", manifest=entries).published
    assert (len(mirrored.asked), len(good.asked)) == (1, 1)


def test_the_message_says_what_went_wrong_where_and_what_else_there_is(server, cache, monkeypatch):
    monkeypatch.setenv("PYOCO_EVAL_WEIGHTS_MIRROR", "ftp://me:secret@mirror.example/pub?key=secret")
    wrong = b"?" * len(CONTENT)
    dead = dead_address()
    addresses = (
        dead,
        server.address("/nothing"),
        server.add("/wrong", Route(wrong)),
        server.add("/cut", Route(CONTENT, cut_after=[300_000] * 9, ranges=False)),
        server.add("/page", Route(b"<p>hello", content_type="text/html; charset=utf-8")),
        server.add("/short", Route(b"abc")),
    )
    message = failure(manifest(*addresses, digest=sha256()), attempts=2)
    reasons = dict(zip(message.splitlines()[1::2], message.splitlines()[2::2], strict=False))
    reasons = {address.strip(): reason.strip() for address, reason in reasons.items()}
    assert "not an http or https address" in reasons["ftp://mirror.example/pub"]
    assert "secret" not in message
    assert reasons[dead] == "cannot connect: Connection refused"
    assert reasons[addresses[1]] == "HTTP 404 Not Found"
    assert f"expected {sha256()}" in reasons[addresses[2]]
    assert f"got {sha256(wrong)[7:]}" in reasons[addresses[2]]
    assert reasons[addresses[3]] == "cut off after 300,000 of 1,024,000 bytes"
    assert "web page" in reasons[addresses[4]]
    assert reasons[addresses[5]] == "wrong size: expected 1,024,000 bytes, got 3"
    for way in (f"download {dead}", str(cache / "net.bin"), "--weights net=FILE", "WEIGHTS_NET="):
        assert way in message
    assert visible(cache) == []


def test_wrong_git_blob(server, cache):
    entries = manifest(server.add("/net.bin", Route(CONTENT)), digest=gitblob(b"other"))
    assert f"expected {gitblob(b'other')}, got {gitblob()}" in failure(entries)
    assert visible(cache) == []


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><p>log in", b"\n<HTML><p>log in"])
def test_a_page_that_claims_to_be_a_file(server, cache, page):
    entries = manifest(server.add("/net.bin", Route(page)), size=None)
    assert "web page" in failure(entries)
    assert visible(cache) == []


@pytest.mark.parametrize(
    "validator",
    [{}, {"etag": None, "last_modified": "Wed, 21 Oct 2015 07:28:00 GMT"}],
    ids=["etag", "date"],
)
def test_a_cut_off_download_goes_on_where_it_stopped(server, validator):
    route = Route(CONTENT, cut_after=[400_000, 100_000], **validator)
    entries = manifest(server.add("/net.bin", route), digest=sha256())
    assert fetch("net", manifest=entries).path.read_bytes() == CONTENT
    assert route.ranges_asked == [None, "bytes=400000-", "bytes=500000-"]
    assert "If-Range" in route.asked[1]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server, cache):
    route = Route(CONTENT, cut_after=[400_000])
    entries = manifest(server.add("/net.bin", route), digest=sha256())
    assert "cut off after 400,000" in failure(entries, attempts=1)
    assert visible(cache) == []
    seen = []
    fetch("net", manifest=entries, on_bytes=lambda done, total: seen.append(done))
    assert route.ranges_asked == [None, "bytes=400000-"]
    assert seen[0] == 400_000


@pytest.mark.parametrize(
    "change",
    [{"ranges": False}, {"etag": '"v2"'}, {"etag": '"v2"', "if_range": False}],
    ids=["no ranges", "changed", "changed, ignores If-Range"],
)
def test_a_clean_restart_when_the_rest_cannot_be_had(server, change):
    route = Route(b"?" * len(CONTENT), cut_after=[400_000])
    entries = manifest(server.add("/net.bin", route))
    failure(entries, attempts=1)
    route.content = CONTENT
    for name, value in change.items():
        setattr(route, name, value)
    assert fetch("net", manifest=entries).path.read_bytes() == CONTENT


def test_no_resume_without_a_validator(server):
    route = Route(CONTENT, cut_after=[400_000], etag='W/"weak"')
    entries = manifest(server.add("/net.bin", route), digest=sha256())
    assert fetch("net", manifest=entries).path.read_bytes() == CONTENT
    assert route.ranges_asked == [None, None]


def test_a_changed_shorter_file_answers_416(server):
    route = Route(CONTENT, cut_after=[400_000])
    entries = manifest(server.add("/net.bin", route), size=None)
    failure(entries, attempts=1)
    route.content, route.status = b"short", 416
    with pytest.raises(MissingError, match="HTTP 416"):
        fetch("net", manifest=entries)
    assert route.ranges_asked == [None, "bytes=400000-", None]


@pytest.mark.parametrize(
    ("slow", "reason"),
    [
        ({"pause_seconds": 0.6}, "no data for 0.2 s after 0 bytes"),
        ({"trickle": (10_000, 0.6)}, "no data for 0.2 s after 10,000 of 1,024,000 bytes"),
        ({"trickle": (1, 0.02)}, "too slow: "),
    ],
    ids=["silent", "stalls", "trickles"],
)
def test_a_slow_server(server, slow, reason):
    entries = manifest(server.add("/net.bin", Route(CONTENT, **slow)))
    assert reason in failure(entries, read_timeout=0.2, attempts=1)


def test_a_moment_of_weakness_is_forgiven_but_not_forever(server):
    route = Route(CONTENT, status=503)
    entries = manifest(server.add("/net.bin", route))
    assert "HTTP 503 Service Unavailable" in failure(entries, attempts=3)
    assert len(route.asked) == 3
    assert "HTTP 404" in failure(manifest(server.address("/nothing")))


def test_more_bytes_than_there_should_be(server, cache):
    entries = manifest(server.add("/net.bin", Route(CONTENT, announce=False)), size=1000)
    assert "more than 1,000 bytes" in failure(entries)
    assert visible(cache) == []


def test_a_file_of_unknown_length_is_not_trusted(server):
    entries = manifest(server.add("/net.bin", Route(CONTENT, announce=False)), size=None)
    assert "does not say where the file ends" in failure(entries)


def test_redirects(server):
    server.add("/net.bin", Route(CONTENT))
    hop = server.add("/hop", Route(status=302, location="/net.bin"))
    assert fetch("net", manifest=manifest(hop)).path.read_bytes() == CONTENT


def test_redirects_that_are_not_followed(server, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    file = server.add("/file", Route(status=302, location=secret.as_uri()))
    loop = server.add("/loop", Route(status=302, location="/loop"))
    message = failure(manifest(file, loop, secret.as_uri()))
    assert message.count(f"not an http or https address: {secret.as_uri()}") == 2
    assert "more than 8 redirects" in message


def test_no_way_from_https_to_http(monkeypatch):
    asked = []

    def redirect(self, url, **options):
        asked.append(url)
        response = requests.Response()
        response.status_code, response.raw = 302, io.BytesIO()
        response.headers["Location"] = "http://plain.example/net.bin?key=secret"
        return response

    monkeypatch.setattr(requests.Session, "get", redirect)
    message = failure(manifest("https://safe.example/net.bin"))
    assert "redirects from https to http://plain.example/net.bin\n" in message
    assert asked == ["https://safe.example/net.bin"]


SCRIPT = """
import sys
from pyoco_eval.weights.fetch import fetch
from pyoco_eval.weights.manifest import PublishedFile
address, digest, size = sys.argv[1:]
entry = PublishedFile("net", "net.bin", "made up", (address,), digest, int(size), "none", "test")
say = lambda lock: print("waiting for", lock, file=sys.stderr)
print(fetch("net", manifest={"net": entry}, on_wait=lambda lock, holder: say(lock)).digest)
"""


def start_process(address):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, address, sha256(), str(len(CONTENT))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_processes_download_once_and_one_says_that_it_waits(server, cache):
    route = Route(CONTENT, hold_after=400_000)
    address = server.add("/net.bin", route)
    with start_process(address) as first, start_process(address) as second:
        wait_until(lambda: route.asked)
        wait_until(lambda: select.select([first.stderr, second.stderr], [], [], 0)[0])
        server.released.set()
        ended = [first.communicate(), second.communicate()]
    assert {output.strip() for output, _ in ended} == {sha256()}
    lock = cache / ".unfinished" / "net.bin.lock"
    assert sorted(said for _, said in ended) == ["", f"waiting for {lock}\n"]
    assert len(route.asked) == 1


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_process_leaves_nothing_but_what_the_next_one_goes_on_with(server, cache):
    route = Route(CONTENT, hold_after=400_000)
    address = server.add("/net.bin", route)
    part = cache / ".unfinished" / "net.bin" / "part"
    with start_process(address) as killed:
        wait_until(lambda: part.exists() and part.stat().st_size == 400_000)
        killed.kill()
        assert killed.wait() == -signal.SIGKILL
    assert visible(cache) == []
    route.hold_after = None
    assert fetch("net", manifest=manifest(address, digest=sha256())).published
    assert route.ranges_asked == [None, "bytes=400000-"]
    assert [path.name for path in (cache / ".unfinished").iterdir()] == ["net.bin.lock"]


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_offline_opens_no_socket(server, cache, monkeypatch, how):
    entries = manifest(server.add("/net.bin", Route(CONTENT)), digest=sha256())
    offline = how == "argument"
    monkeypatch.setenv("PYOCO_EVAL_OFFLINE", "0" if offline else "1")
    opened = []
    with monkeypatch.context() as closed:
        closed.setattr(socket, "socket", opened.append)
        closed.setattr(socket, "create_connection", opened.append)
        closed.setattr(socket, "getaddrinfo", opened.append)
        with pytest.raises(MissingError, match="Three ways"):
            fetch("net", manifest=entries, offline=offline)
        cache.mkdir(parents=True)
        (cache / "net.bin").write_bytes(CONTENT)
        assert fetch("net", manifest=entries, offline=offline).published
        (cache / "net.bin").write_bytes(CONTENT[:-1])
        with pytest.raises(DamagedError, match="weights fetch net"):
            fetch("net", manifest=entries, offline=offline)
    assert opened == []


def test_a_damaged_file_is_replaced_only_by_a_whole_one(server, cache):
    route = Route(CONTENT, status=404)
    entries = manifest(server.add("/net.bin", route), digest=sha256())
    cache.mkdir(parents=True)
    (cache / "net.bin").write_bytes(b"damaged")
    failure(entries)
    assert (cache / "net.bin").read_bytes() == b"damaged"
    route.status = 200
    assert fetch("net", manifest=entries).published


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs permission bits")
def test_a_folder_that_cannot_be_written(server, cache):
    cache.mkdir(parents=True)
    cache.chmod(0o500)
    entries = manifest(server.add("/net.bin", Route(CONTENT)))
    with pytest.raises(PyocoEvalError, match="Permission denied"):
        fetch("net", manifest=entries)
    cache.chmod(0o700)


def test_a_cache_that_is_a_file(server, cache):
    cache.parent.write_text("in the way")
    entries = manifest(server.add("/net.bin", Route(CONTENT)))
    with pytest.raises(PyocoEvalError, match="PYOCO_EVAL_CACHE"):
        fetch("net", manifest=entries)


def test_unknown_key():
    with pytest.raises(UsageError, match="Did you mean i3d"):
        fetch("i3")
