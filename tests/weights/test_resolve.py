"""Finding weights on this machine, and telling whether they are the published ones."""

import hashlib
import re
import subprocess

import pytest

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.weights.first_use import record_digest, recorded_digest
from pyoco_eval.weights.manifest import MANIFEST, PublishedFile
from pyoco_eval.weights.resolve import (
    DamagedError,
    located_path,
    parse_overrides,
    resolve,
    variable_of,
)
from pyoco_eval.weights.verify import digest_like, identify


def entry(digest, key="two-parts"):
    return PublishedFile(key, "f.bin", "made up", ("https://x.example/f",), digest, 3, "?", "test")


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def cached(tmp_path, monkeypatch):
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PYOCO_EVAL_WEIGHTS_TWO_PARTS", raising=False)
    path = tmp_path / "cache" / "weights" / "f.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"abc")
    return path


def test_override_before_variable_before_cache(cached, tmp_path, monkeypatch):
    manifest = {"two-parts": entry(sha256(b"abc"))}
    assert resolve("two-parts", manifest=manifest).path == cached
    assert located_path("two-parts", manifest) == cached
    variable, override = tmp_path / "variable", tmp_path / "override"
    variable.write_bytes(b"other")
    override.write_bytes(b"abc")
    monkeypatch.setenv("PYOCO_EVAL_WEIGHTS_TWO_PARTS", str(variable))
    found = resolve("two-parts", manifest=manifest)
    assert (found.path, found.published, found.digest) == (variable, False, sha256(b"other"))
    assert located_path("two-parts", manifest) == variable
    found = resolve("two-parts", {"two-parts": override}, manifest)
    assert (found.path, found.published) == (override, True)
    assert found.short == hashlib.sha256(b"abc").hexdigest()[:8]


def test_a_named_file_that_is_not_there(cached, tmp_path, monkeypatch):
    manifest = {"two-parts": entry(None)}
    gone = tmp_path / "gone"
    with pytest.raises(UsageError, match=re.escape(f"--weights two-parts={gone}: no such file")):
        resolve("two-parts", {"two-parts": gone}, manifest)
    monkeypatch.setenv("PYOCO_EVAL_WEIGHTS_TWO_PARTS", str(gone))
    with pytest.raises(UsageError, match="PYOCO_EVAL_WEIGHTS_TWO_PARTS="):
        resolve("two-parts", manifest=manifest)
    assert located_path("two-parts", manifest) is None


def test_missing_weights_come_with_three_ways(cached):
    cached.unlink()
    with pytest.raises(MissingError) as caught:
        resolve("two-parts", manifest={"two-parts": entry(None)})
    message = str(caught.value)
    assert "pyoco-eval weights fetch two-parts" in message
    assert "https://x.example/f" in message
    assert str(cached) in message
    assert "--weights two-parts=FILE" in message
    assert "PYOCO_EVAL_WEIGHTS_TWO_PARTS=FILE" in message


def test_a_damaged_file_in_the_cache_is_refused(cached):
    cached.write_bytes(b"abd")
    with pytest.raises(DamagedError, match=sha256(b"abc")):
        resolve("two-parts", manifest={"two-parts": entry(sha256(b"abc"))})


def test_without_a_published_hash_the_recorded_one_counts(cached):
    manifest = {"two-parts": entry(None)}
    assert recorded_digest(cached) is None
    assert not resolve("two-parts", manifest=manifest).published
    record_digest(cached, sha256(b"abc"))
    assert resolve("two-parts", manifest=manifest).digest == sha256(b"abc")
    cached.write_bytes(b"abd")
    with pytest.raises(DamagedError):
        resolve("two-parts", manifest=manifest)


def test_git_blob_ids(tmp_path):
    path = tmp_path / "file"
    for content, known in (
        (b"", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
        (b"hello world\n", "3b18e512dba79e4c8300dd08aeb37f8e728b8dad"),
    ):
        path.write_bytes(content)
        assert digest_like(path, "gitblob") == f"gitblob:{known}"
    path.write_bytes(bytes(range(256)) * 9000)
    try:
        git = subprocess.run(
            ["git", "hash-object", "--no-filters", path], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("git is not installed")
    assert digest_like(path, "gitblob") == f"gitblob:{git.stdout.strip()}"


def test_a_file_other_than_the_pinned_blob_is_named_by_its_sha256(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"mine")
    found = identify(entry("gitblob:" + "0" * 40), path)
    assert (found.digest, found.published) == (sha256(b"mine"), False)


def test_parse_overrides(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_overrides(["i3d=~/a=b", "clip=c"])["i3d"] == tmp_path / "a=b"
    for pair in ("i3d", "i3d="):
        with pytest.raises(UsageError, match="KEY=FILE"):
            parse_overrides([pair])
    with pytest.raises(UsageError, match="Did you mean inception"):
        parse_overrides(["inceptoin=a"])
    with pytest.raises(UsageError, match="twice"):
        parse_overrides(["i3d=a", "i3d=b"])


def test_the_manifest_is_well_formed():
    keys = ["i3d", "c3d", "c3d-mean", "inception", "clip", "clip-vitl14", "aesthetic",
            "i3d-torchscript", "c3d-torchscript"]  # fmt: skip
    assert list(MANIFEST) == keys
    assert variable_of("c3d-mean") == "PYOCO_EVAL_WEIGHTS_C3D_MEAN"
    lengths = {"sha256": 64, "gitblob": 40}
    for found in MANIFEST.values():
        assert all(address.startswith("https://") for address in found.addresses)
        if found.digest is not None:
            kind, _, digits = found.digest.partition(":")
            assert re.fullmatch(f"[0-9a-f]{{{lengths[kind]}}}", digits)
    without_hash = [key for key, found in MANIFEST.items() if found.digest is None]
    assert without_hash == ["c3d", "c3d-mean", "c3d-torchscript"]
    assert len({found.name for found in MANIFEST.values()}) == len(MANIFEST)
