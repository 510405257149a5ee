"""Which code and which libraries made a number."""

import re
import shutil
import subprocess

import numpy
import pytest

from pyoco_eval import provenance
from pyoco_eval.version import __version__

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout that the package seems to run from."""
    (tmp_path / "pyproject.toml").write_text("")
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "pyoco_eval" / "provenance.py"))
    return git


def test_commit_of_a_branch(checkout):
    (checkout / "HEAD").write_text("ref: refs/heads/main\n")
    (checkout / "refs" / "heads" / "main").write_text(COMMIT + "\n")
    state = provenance.code_state()
    assert (state["version"], state["commit"]) == (__version__, COMMIT)


def test_commit_of_a_detached_head(checkout):
    (checkout / "HEAD").write_text(COMMIT + "\n")
    assert provenance.code_state()["commit"] == COMMIT


def test_commit_of_a_packed_branch(checkout):
    (checkout / "HEAD").write_text("ref: refs/heads/main\n")
    other = "f" * 40
    (checkout / "packed-refs").write_text(
        f"# pack-refs with: peeled\n{other} refs/heads/main2\n{COMMIT} refs/heads/main\n"
    )
    assert provenance.code_state()["commit"] == COMMIT


def test_no_commit_before_the_first_or_outside_a_checkout(checkout):
    (checkout / "HEAD").write_text("ref: refs/heads/main\n")
    assert "commit" not in provenance.code_state()
    shutil.rmtree(checkout)
    assert "commit" not in provenance.code_state()


def test_the_source_digest_knows_every_edit(checkout):
    package = checkout.parent / "pyoco_eval"
    (package / "sub").mkdir(parents=True)
    (package / "a.py").write_text("x = 1\n")
    (package / "sub" / "b.py").write_text("y = 2\n")
    seen = {provenance.source_digest()}
    (package / "notes.txt").write_text("not code")
    assert provenance.source_digest() in seen
    (package / "a.py").write_text("x = 2\n")
    seen.add(provenance.source_digest())
    (package / "sub" / "b.py").rename(package / "b.py")
    seen.add(provenance.source_digest())
    assert len(seen) == 3
    assert provenance.code_state()["source"] in seen


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_the_one_git_says(checkout):
    root = checkout.parent
    shutil.rmtree(checkout)

    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        command = ["git", "-C", str(root), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    assert provenance.code_state()["commit"] == git("rev-parse", "HEAD")
    git("pack-refs", "--all")
    assert provenance.code_state()["commit"] == git("rev-parse", "HEAD")


def test_environment(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/pyoco-eval", "fvd", "--samples", "a"])
    found = provenance.environment()
    assert found["command"] == ["pyoco-eval", "fvd", "--samples", "a"]
    assert found["libraries"]["numpy"] == numpy.__version__
    assert re.match(r"3\.\d+\.\d+", found["python"])


def test_a_library_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(provenance, "_LIBRARIES", ("numpy", "no-such-library"))
    assert provenance.library_versions() == {"numpy": numpy.__version__}
