"""Prompt files of every kind, and what is wrong with one."""

from pathlib import Path

import pytest

from pyoco_eval.errors import UsageError
from pyoco_eval.generation.prompts import Prompt, read_prompts


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", 'a cat\n\n  a "dog", barking \n', [Prompt("a cat"), Prompt('a "dog", barking')]),
        ("a.txt", "\ufeffa cat", [Prompt("a cat")]),
        ("a.jsonl", '{"id": "x.mp4", "caption": "a cat", "label": 3}\n', [Prompt("a cat", "3")]),
        ("a.jsonl", '{"Prompt": "a cat"}\n\n{"text": "b"}', [Prompt("a cat"), Prompt("b")]),
        ("a.csv", 'file,caption\nx.mp4,"a cat, asleep"\n', [Prompt("a cat, asleep")]),
        ("a.tsv", "prompt\tclass\na cat\tJump Rope\n", [Prompt("a cat", "Jump Rope")]),
    ],
)
def test_prompts_in_order(tmp_path: Path, name: str, content: str, expected: list[Prompt]) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_prompts(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.doc", b"a", r"a\.doc: give a file ending in \.txt"),
        ("a.txt", b"\n \n", "holds no prompt"),
        ("a.txt", b"\xff\xfe", "is not UTF-8"),
        ("a.jsonl", b'{"caption": "a"}\n[1]\n', "line 2: is no JSON object"),
        ("a.jsonl", b"{caption}\n", "line 1: is not JSON"),
        ("a.jsonl", b'{"id": "a.mp4"}\n', "line 1: has no prompt; name it caption, prompt, text"),
        ("a.jsonl", b'{"caption": 3}\n', "line 1: its caption is a int"),
        ("a.csv", b"caption,label\na,1,2\n", "line 2: has not as many cells"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_prompts(tmp_path / name)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.txt: cannot be read: No such file"):
        read_prompts(tmp_path / "none.txt")
