"""Text that cannot act, and JSON that reads back exactly."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyoco_eval.visible import as_text, json_text, one_line, visible

ACTS = (
    *map(chr, (*range(9), *range(11, 32), 0x7F, *range(0x80, 0xA0))),
    "\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069",
    "\u200e", "\u200f", "\u061c", "\u2028", "\u2029", "\ufeff", "\U000e0041",
)  # fmt: skip


def test_escapes_are_shown() -> None:
    assert visible("a\x1b[31m\n\tb") == "a\\x1b[31m\n\tb"
    assert one_line("a\nb\tc\x9b") == "a\\nb\\tc\\x9b"
    assert visible("\u202egpj.exe") == "\\u202egpj.exe"
    assert visible("Fréchet ± 3, 動画, می‌خواهم 👩‍👩‍👧") == "Fréchet ± 3, 動画, می‌خواهم 👩‍👩‍👧"


def test_bytes_that_are_no_utf8_are_shown_as_bytes() -> None:
    name = b"caf\xe9.mp4".decode("utf-8", "surrogateescape")
    assert one_line(name) == as_text(name) == "caf\\xe9.mp4"
    assert as_text("a\nb\x1b") == "a\nb\x1b", "all else stays"
    assert as_text("\ud83d") == "\\ud83d"


@pytest.mark.parametrize("character", ACTS)
def test_whatever_acts_is_gone_and_json_stays_exact(character: str) -> None:
    assert character not in visible(f"a{character}b")
    text = json_text({f"k{character}": [f"v{character}"]})
    assert character not in text
    assert json.loads(text) == {f"k{character}": [f"v{character}"]}


@given(st.text(st.characters(codec=None)))
def test_any_text(text: str) -> None:
    shown = one_line(text)
    shown.encode()
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    assert visible(shown) == shown
    assert as_text(as_text(text)) == as_text(text)
    document = {text: [text, {"deep": text}]}
    for indent in (None, 2):
        written = json_text(document, indent=indent)
        written.encode()
        if not any("\ud800" <= c <= "\udfff" for c in text):  # pairs of halves would be joined
            assert json.loads(written) == document
