"""Braces and wildcards in names, against bash."""

import shutil
import subprocess

import pytest

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.listing.patterns import expand_braces, is_pattern, match_local, root_of


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    "text",
    [
        "a{000..009}.tar", "{a,b}{1..3}", "x{0..10..3}y", "{b..e}", "{3..1}", "a{b}c", "a{,x}",
        "{a,{b,c}d}e", "{", "}{", "{a,b", "a{b,c}{d", "{{a,b}}", "{08..11}", "{-01..1}",
        "{1..2..0}", "x{a..}", "{a,b}.{mp4,avi}", "{}", "{a}{1..2}", "{{1..2},z}", "{5..1..2}",
        "{-5..5..5}", "{1..a}", "{x,{8..11}}/{p,q}",
    ],
)  # fmt: skip
def test_braces_expand_as_in_bash(text):
    shell = subprocess.run(["bash", "-c", f"printf '%s\\n' {text}"], capture_output=True, text=True)
    assert expand_braces(text) == shell.stdout.splitlines()


def test_repeats_are_dropped_and_floods_refused():
    assert expand_braces("{a,b,a}") == ["a", "b"]
    with pytest.raises(UsageError, match="more than 1,000,000 names"):
        expand_braces("{0..1}{0..99999999}{0..99999999}")


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("*.tar", ""),
        ("/data/x/shard-{0..9}.tar", "/data/x/"),
        ("data/s*/clips/*.mp4", "data/"),
        ("a/{b/c,d}/e?.mp4", "a/"),
        ("a/[ab].mp4", "a/"),
        ("./*", "./"),
    ],
)
def test_the_root_is_the_last_folder_without_wildcards(text, root):
    assert is_pattern(text)
    assert root_of(text) == root


@pytest.mark.parametrize("text", ["plain.mp4", "a{b}c.mp4", "{.mp4", "a}b,c.mp4", "a..b"])
def test_names_that_are_no_patterns(text):
    assert not is_pattern(text)


@pytest.fixture
def tree(tmp_path):
    for name in ("a0.tar", "a1.tar", "b.mp4", "s1/x.mp4", "s2/y.mp4", "s2/deep/z.mp4", ".h.tar"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.tar", ["a0.tar", "a1.tar"]),
        ("a{1..0}.tar", ["a0.tar", "a1.tar"]),
        ("{a?.tar,b.mp4}", ["a0.tar", "a1.tar", "b.mp4"]),
        ("s*", ["s1", "s2"]),
        ("**/*.mp4", ["b.mp4", "s1/x.mp4", "s2/deep/z.mp4", "s2/y.mp4"]),
        ("s2/**", ["s2"]),
        ("[!a]*.mp4", ["b.mp4"]),
    ],
)
def test_what_matches(tree, pattern, names):
    assert match_local(f"{tree}/{pattern}") == [tree / name for name in names]


def test_names_written_in_full_must_be_there_and_wildcards_match_something(tree):
    with pytest.raises(UsageError, match=r"a\{0\.\.9\}.tar: 8 of 10 are missing: a2.tar, a3.tar"):
        match_local(f"{tree}/a{{0..9}}.tar")
    with pytest.raises(UsageError, match=r"\*\.webm: no such file"):
        match_local(f"{tree}/*.webm")
