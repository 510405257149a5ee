"""Files without a published hash: the first whole one is the measure of the next."""

import hashlib
import io
import os

import numpy as np
import pytest
from file_server import Route, running_server

from pyoco_eval.errors import MissingError
from pyoco_eval.weights.fetch import fetch
from pyoco_eval.weights.first_use import recorded_digest
from pyoco_eval.weights.manifest import MANIFEST, PublishedFile
from pyoco_eval.weights.resolve import DamagedError, remember, resolve
from pyoco_eval.weights.verify import archive_fault, identify


def array_archive(value=0.5):
    file = io.BytesIO()
    np.savez(file, mean=np.full((3, 8, 8), value, np.float32))
    return file.getvalue()


CONTENT = array_archive()
FLIPPED = bytearray(CONTENT)
FLIPPED[len(CONTENT) // 3] ^= 1


def sha256(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.fixture
def server():
    with running_server() as running:
        yield running


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    for name in ("PYOCO_EVAL_OFFLINE", "PYOCO_EVAL_WEIGHTS_MIRROR", "PYOCO_EVAL_WEIGHTS_MEAN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / "weights"


def manifest(*addresses):
    entry = PublishedFile("mean", "mean.npz", "made up", addresses, None, None, "none", "this test")
    return {"mean": entry}


def visible(cache):
    return sorted(path.name for path in cache.iterdir() if not path.name.startswith("."))


def test_the_first_fetch_is_the_measure(server, cache):
    route = Route(CONTENT)
    entries = manifest(server.add("/mean.npz", route))
    found = fetch("mean", manifest=entries)
    assert (found.digest, found.published) == (sha256(CONTENT), False)
    assert recorded_digest(found.path) == sha256(CONTENT)
    found.path.unlink()
    route.content = array_archive(0.25)
    with pytest.raises(MissingError, match=f"expected {sha256(CONTENT)}"):
        fetch("mean", manifest=entries)
    assert visible(cache) == ["mean.npz.sha256"]
    found.path.write_bytes(route.content)
    with pytest.raises(DamagedError):
        resolve("mean", manifest=entries)


@pytest.mark.parametrize(
    "content",
    [
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
        b'{"error": "quota"}',
        CONTENT[: len(CONTENT) // 2],
        bytes(FLIPPED),
    ],
    ids=["LFS pointer", "JSON", "half", "flipped bit"],
)
def test_what_is_no_whole_archive_never_becomes_the_measure(server, cache, content):
    bad = server.add("/bad.npz", Route(content))
    with pytest.raises(MissingError, match="array archive"):
        fetch("mean", manifest=manifest(bad))
    assert visible(cache) == []
    good = server.add("/mean.npz", Route(CONTENT))
    assert fetch("mean", manifest=manifest(bad, good)).digest == sha256(CONTENT)


def test_a_compressed_archive_with_a_broken_stream_is_a_fault(tmp_path):
    file = io.BytesIO()
    np.savez_compressed(file, mean=np.arange(4000, dtype=np.float32))
    content = bytearray(file.getvalue())
    path = tmp_path / "mean.npz"
    path.write_bytes(content)
    assert archive_fault(path) is None
    middle = len(content) // 2
    content[middle : middle + 64] = b"\xff" * 64
    path.write_bytes(content)
    assert archive_fault(path) is not None


@pytest.fixture
def copied(cache, monkeypatch):
    """A file of the manifest without a published hash, copied into the cache by hand."""
    monkeypatch.delenv("PYOCO_EVAL_WEIGHTS_C3D_MEAN", raising=False)
    cache.mkdir(parents=True)
    path = cache / MANIFEST["c3d-mean"].name
    path.write_bytes(CONTENT)
    return path


def test_a_copied_file_is_recorded_once_its_network_has_read_it(copied):
    found = resolve("c3d-mean")
    assert recorded_digest(copied) is None
    remember(found)
    assert recorded_digest(copied) == sha256(CONTENT)
    copied.write_bytes(array_archive(0.25))
    with pytest.raises(DamagedError, match=r"delete .*mean2\.npz\.sha256"):
        resolve("c3d-mean")
    remember(identify(MANIFEST["c3d-mean"], copied))
    assert recorded_digest(copied) == sha256(CONTENT)


def test_what_the_network_refuses_is_not_recorded(copied, tmp_path):
    from pyoco_eval.extraction.networks import Network
    from pyoco_eval.extraction.options import Options
    from pyoco_eval.features.loading.state_dict import WeightsError

    weights = tmp_path / "c3d.npz"
    weights.write_bytes(CONTENT)
    options = Options(weights={"c3d": weights})
    with pytest.raises(WeightsError):
        Network.named("c3d", options).load(options)
    assert recorded_digest(copied) is None
    assert recorded_digest(weights) is None


@pytest.mark.parametrize("key", ["c3d", "clip"])
def test_only_unpinned_files_of_the_cache_are_recorded(copied, key):
    elsewhere = copied.with_name("elsewhere")
    elsewhere.write_bytes(CONTENT)
    remember(identify(MANIFEST[key], elsewhere))
    assert recorded_digest(elsewhere) is None


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs permission bits")
def test_a_cache_that_cannot_be_written_still_serves(copied):
    copied.parent.chmod(0o500)
    remember(resolve("c3d-mean"))
    assert recorded_digest(copied) is None
    copied.parent.chmod(0o700)
