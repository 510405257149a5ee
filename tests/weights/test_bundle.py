"""Bundles: the same bytes for the same files, and nothing but those files out of them."""

import hashlib
import io
import json
import os
import tarfile

import numpy as np
import pytest

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.weights.bundle import write_bundle
from pyoco_eval.weights.first_use import record_digest, recorded_digest
from pyoco_eval.weights.manifest import PublishedFile
from pyoco_eval.weights.resolve import DamagedError
from pyoco_eval.weights.unbundle import read_bundle

NET, OLD = b"net" * 4000, b"old" * 500


def array_archive(value=0.5):
    file = io.BytesIO()
    np.savez(file, mean=np.full((3, 8, 8), value, np.float32))
    return file.getvalue()


MEAN = array_archive()


def sha256(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def gitblob(content):
    return "gitblob:" + hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def entry(key, name, digest, size, licence):
    return PublishedFile(key, name, "made up", ("https://x.example/f",), digest, size, licence, "t")


MANIFEST = {
    "net": entry("net", "net.bin", sha256(NET), len(NET), "MIT"),
    "old": entry("old", "old.data", gitblob(OLD), len(OLD), "Apache-2.0"),
    "mean": entry("mean", "mean.npz", None, None, "not stated"),
}
CONTENTS = {"net": NET, "old": OLD, "mean": MEAN}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Two machines: `cache` has every file, `elsewhere` none."""
    for key in MANIFEST:
        monkeypatch.delenv(f"PYOCO_EVAL_WEIGHTS_{key.upper()}", raising=False)
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "here"))
    folder = tmp_path / "here" / "weights"
    folder.mkdir(parents=True)
    for key, content in CONTENTS.items():
        (folder / MANIFEST[key].name).write_bytes(content)
    return folder


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    def move():
        monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "there"))
        return tmp_path / "there" / "weights"

    return move


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def unpack(path, **options):
    return {found.file.key: found for found in read_bundle(path, manifest=MANIFEST, **options)}


def test_the_round_trip(cache, elsewhere, tmp_path):
    written = write_bundle(tmp_path / "w.tar", ("net", "old", "mean"), MANIFEST)
    assert [file.key for file in written.files] == ["net", "old", "mean"]
    assert written.sha256 == sha256(written.path.read_bytes())
    folder = elsewhere()
    found = unpack(written.path)
    assert files(folder) == {MANIFEST[key].name: content for key, content in CONTENTS.items()}
    assert {key: (f.action, f.published) for key, f in found.items()} == {
        "net": ("added", True),
        "old": ("added", True),
        "mean": ("added", False),
    }
    assert {f.action for f in unpack(written.path).values()} == {"kept"}


def test_other_tools_read_it_and_the_index_says_what_is_in_it(tmp_path):
    path = write_bundle(tmp_path / "w.tar", ("old",), MANIFEST).path
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        index = json.load(archive.extractfile("index.json"))
        assert archive.extractfile("old.data").read() == OLD
    assert [member.name for member in members] == ["index.json", "old.data"]
    assert {(m.mtime, m.mode, m.uid, m.gid, m.uname, m.gname) for m in members} == {
        (0, 0o644, 0, 0, "", "")
    }
    assert index["format"] == "pyoco-eval/weights-bundle/1"
    assert index["files"] == [
        {
            "key": "old",
            "name": "old.data",
            "size": len(OLD),
            "sha256": sha256(OLD),
            "published_digest": gitblob(OLD),
            "first_use": None,
            "licence": "Apache-2.0",
            "source": "t",
        }
    ]


def test_the_same_files_give_the_same_bytes(cache, tmp_path, monkeypatch):
    first = write_bundle(tmp_path / "a.tar", (), MANIFEST)
    os.utime(cache / "net.bin", (1, 1))
    (cache / "net.bin").chmod(0o600)
    elsewhere = tmp_path / "elsewhere.bin"
    elsewhere.write_bytes(OLD)
    monkeypatch.setenv("PYOCO_EVAL_WEIGHTS_OLD", str(elsewhere))
    second = write_bundle(tmp_path / "b.tar", ("old", "net"), MANIFEST)
    assert first.path.read_bytes() == second.path.read_bytes()


def test_what_is_left_out_and_what_is_refused(cache, tmp_path, monkeypatch):
    out = tmp_path / "w.tar"
    written = write_bundle(out, (), MANIFEST)
    assert [file.key for file in written.files] == ["net", "old"]
    assert list(written.left_out) == ["mean"]
    mine = tmp_path / "mine"
    mine.write_bytes(b"another conversion")
    monkeypatch.setenv("PYOCO_EVAL_WEIGHTS_NET", str(mine))
    assert "not the published file" in write_bundle(out, (), MANIFEST).left_out["net"]
    with pytest.raises(PyocoEvalError, match="--weights net=FILE"):
        write_bundle(out, ("net",), MANIFEST)
    with pytest.raises(UsageError, match="Did you mean mean"):
        write_bundle(out, ("meen",), MANIFEST)
    (cache / "old.data").write_bytes(b"damaged")
    with pytest.raises(DamagedError):
        write_bundle(out, ("old",), MANIFEST)
    (cache / "old.data").unlink()
    with pytest.raises(MissingError, match="Three ways"):
        write_bundle(out, ("old",), MANIFEST)
    monkeypatch.delenv("PYOCO_EVAL_WEIGHTS_NET")
    (cache / "net.bin").unlink()
    with pytest.raises(MissingError, match="licence is not stated"):
        write_bundle(tmp_path / "none.tar", (), MANIFEST)
    assert not (tmp_path / "none.tar").exists()


def test_only_an_earlier_bundle_is_replaced(tmp_path):
    out = tmp_path / "w.tar"
    out.write_bytes(b"precious")
    with pytest.raises(UsageError, match="is not a bundle"):
        write_bundle(out, (), MANIFEST)
    assert out.read_bytes() == b"precious"
    out.unlink()
    write_bundle(out, ("net",), MANIFEST)
    assert len(write_bundle(out, (), MANIFEST).files) == 2


def test_first_use_travels(cache, elsewhere, tmp_path):
    record_digest(cache / "mean.npz", sha256(MEAN))
    path = write_bundle(tmp_path / "w.tar", ("mean",), MANIFEST).path
    folder = elsewhere()
    assert recorded_digest(folder / "mean.npz") is None
    unpack(path)
    assert recorded_digest(folder / "mean.npz") == sha256(MEAN)


def test_a_file_never_used_here_leaves_the_first_use_to_the_other_machine(elsewhere, tmp_path):
    path = write_bundle(tmp_path / "w.tar", ("mean",), MANIFEST).path
    folder = elsewhere()
    unpack(path)
    assert recorded_digest(folder / "mean.npz") is None


@pytest.mark.parametrize("present", [True, False])
def test_another_first_use_is_respected(elsewhere, tmp_path, present):
    path = write_bundle(tmp_path / "w.tar", ("net", "mean"), MANIFEST).path
    folder = elsewhere()
    other = array_archive(0.25)
    folder.mkdir(parents=True)
    record_digest(folder / "mean.npz", sha256(other))
    if present:
        (folder / "mean.npz").write_bytes(other)
    with pytest.raises(PyocoEvalError, match="--force"):
        unpack(path)
    assert "net.bin" not in files(folder)
    unpack(path, force=True)
    assert (folder / "mean.npz").read_bytes() == MEAN
    assert recorded_digest(folder / "mean.npz") in (None, sha256(MEAN))


def test_a_file_that_differs_is_replaced_only_by_force(elsewhere, tmp_path):
    path = write_bundle(tmp_path / "w.tar", (), MANIFEST).path
    folder = elsewhere()
    folder.mkdir(parents=True)
    (folder / "old.data").write_bytes(b"damaged")
    with pytest.raises(PyocoEvalError, match="--force replaces it"):
        unpack(path)
    assert files(folder) == {"old.data": b"damaged"}
    assert {key: f.action for key, f in unpack(path, force=True).items()} == {
        "net": "added",
        "old": "replaced",
    }


def index(*changed, **changes):
    """The index of a bundle of `net`, with changes; more files of the index in `changed`."""
    described = {
        "key": "net",
        "name": "net.bin",
        "size": len(NET),
        "sha256": sha256(NET),
        "published_digest": sha256(NET),
        "first_use": None,
        "licence": "MIT",
        "source": "t",
    } | changes
    document = {"format": "pyoco-eval/weights-bundle/1", "files": [described, *changed]}
    return json.dumps(document).encode()


def member(name, content=b"", kind=tarfile.REGTYPE, target="", size=None):
    info = tarfile.TarInfo(name)
    info.size = len(content) if size is None else size
    info.type = kind
    info.linkname = target
    padding = bytes(-len(content) % tarfile.BLOCKSIZE)
    return info.tobuf(tarfile.GNU_FORMAT) + content + padding


INDEX = member("index.json", index())
GOOD = member("net.bin", NET)
END = bytes(2 * tarfile.BLOCKSIZE)
CHECKSUM_BROKEN = bytearray(GOOD)
CHECKSUM_BROKEN[0] ^= 1

HOSTILE = {
    "empty": (b"", "not a tar archive"),
    "zeros": (bytes(4096), "not a tar archive"),
    "a zip": (array_archive(), "not a tar archive"),
    "a gzip": (b"\x1f\x8b\x08" + bytes(600), "not a tar archive"),
    "no index": (GOOD + END, "first member is 'net.bin'"),
    "index is a link": (member("index.json", kind=tarfile.SYMTYPE, target="x") + END, "regular"),
    "index of a gigabyte": (member("index.json", size=1 << 30) + END, "more than the archive"),
    "index of two megabytes": (member("index.json", b" " * (1 << 21)) + END, "claims 2,097,152"),
    "no JSON": (member("index.json", b"\xff{") + END, "damaged"),
    "JSON list": (member("index.json", b"[]") + END, "damaged"),
    "deep JSON": (member("index.json", b"[" * 200_000) + END, "damaged"),
    "another format": (member("index.json", b'{"format": "other/9"}') + END, "another version"),
    "no file": (member("index.json", b'{"format": "pyoco-eval/weights-bundle/1", "files": []}')
                + END, "names no file"),
    "file twice in the index": (
        member("index.json", index(json.loads(index())["files"][0])) + GOOD + END, "twice"),
    "unknown key": (member("index.json", index(key="nut")) + GOOD + END, "does not know"),
    "parent folder": (member("index.json", index(name="../net.bin")) + member("../net.bin", NET)
                      + END, "does not know"),
    "absolute": (member("index.json", index(name="/tmp/net.bin")) + member("/tmp/net.bin", NET)
                 + END, "does not know"),
    "another size": (member("index.json", index(size=3)) + GOOD + END, "the published file has"),
    "negative size": (member("index.json", index(size=-1)) + GOOD + END, "the published file has"),
    "size as text": (member("index.json", index(size="9")) + GOOD + END, "damaged"),
    "true as size": (member("index.json", index(size=True)) + GOOD + END, "damaged"),
    "no hash": (member("index.json", index(sha256="md5:00")) + GOOD + END, "no sha256"),
    "another pin": (member("index.json", index(published_digest=sha256(OLD))) + GOOD + END, "pins"),
    "another first use": (member("index.json", index(first_use=sha256(OLD))) + GOOD + END,
                          "recorded at first use"),
    "member of another size": (INDEX + member("net.bin", NET[:-1]) + END, "11,999 bytes"),
    "gigantic size": (INDEX + member("net.bin", size=1 << 50) + END, "more than the archive has"),
    "negative member": (INDEX + member("net.bin", size=-(1 << 20)) + END, "more than the archive"),
    "symbolic link": (INDEX + member("net.bin", kind=tarfile.SYMTYPE, target="/etc/passwd") + END,
                      "regular"),
    "hard link": (INDEX + member("net.bin", kind=tarfile.LNKTYPE, target="index.json") + END,
                  "regular"),
    "device": (INDEX + member("net.bin", kind=tarfile.CHRTYPE) + END, "regular"),
    "pipe": (INDEX + member("net.bin", kind=tarfile.FIFOTYPE) + END, "regular"),
    "folder": (INDEX + member("net.bin", kind=tarfile.DIRTYPE) + END, "regular"),
    "sparse": (INDEX + member("net.bin", kind=tarfile.GNUTYPE_SPARSE) + END, "regular"),
    "extended header": (INDEX + member("net.bin", b"9 size=1\n", kind=tarfile.XHDTYPE) + GOOD + END,
                        "regular"),
    "long name": (INDEX + member("net.bin", b"net.bin\0", kind=tarfile.GNUTYPE_LONGNAME) + GOOD
                  + END, "regular"),
    "twice": (INDEX + GOOD + GOOD + END, "is in the archive twice"),
    "extra": (INDEX + GOOD + member("extra.bin", b"x") + END, "not in the index"),
    "escape": (INDEX + GOOD + member("../../extra", b"x") + END, "not in the index"),
    "missing": (INDEX + END, "not in the archive"),
    "wrong content": (INDEX + member("net.bin", b"?" * len(NET)) + END, "wrong content"),
    "wrong hash in the index": (
        member("index.json", index(sha256=sha256(OLD))) + GOOD + END, "wrong content"),
    "right in the index, not published": (
        member("index.json", index(sha256=sha256(b"?" * len(NET))))
        + member("net.bin", b"?" * len(NET)) + END, "wrong content"),
    "cut in the content": ((INDEX + GOOD)[:-6000], "more than the archive has"),
    "cut before the end mark": (INDEX + GOOD, "cut off"),
    "cut in a header": ((INDEX + GOOD)[: len(INDEX) + 100], "cut off or damaged"),
    "broken header": (INDEX + bytes(CHECKSUM_BROKEN) + END, "cut off or damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_leave_nothing_behind(name, elsewhere, tmp_path):
    content, says = HOSTILE[name]
    path = tmp_path / "hostile.tar"
    path.write_bytes(content)
    before = set(tmp_path.rglob("*"))
    elsewhere()
    with pytest.raises(PyocoEvalError, match="nothing was unpacked") as caught:
        unpack(path, force=True)
    assert says in str(caught.value)
    assert set(tmp_path.rglob("*")) == before


def test_the_parts_of_the_hostile_archives_are_good_by_themselves(elsewhere, tmp_path):
    (tmp_path / "w.tar").write_bytes(INDEX + GOOD + END)
    folder = elsewhere()
    assert unpack(tmp_path / "w.tar")["net"].published
    assert files(folder) == {"net.bin": NET}


def test_half_an_array_archive_is_refused_though_its_hash_is_right(cache, elsewhere, tmp_path):
    (cache / "mean.npz").write_bytes(MEAN[:-30])
    path = write_bundle(tmp_path / "w.tar", ("mean",), MANIFEST).path
    folder = elsewhere()
    with pytest.raises(PyocoEvalError, match="array archive"):
        unpack(path)
    assert files(folder) == {}


def test_what_is_no_file_at_all(tmp_path):
    with pytest.raises(MissingError, match="no such file"):
        unpack(tmp_path / "none.tar")
    with pytest.raises(UsageError, match="is a folder"):
        unpack(tmp_path)
