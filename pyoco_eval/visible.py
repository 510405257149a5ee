"""Foreign text that is shown, or kept in a file, as what it is: nothing in it acts.

Names of files, captions and messages may hold escape sequences that move the cursor or set the
title of a terminal, marks that turn the direction of writing, line breaks that forge a line, and
bytes that are no text at all (names on disk need not be UTF-8; Python keeps such bytes as lone
surrogates).
"""

import json
import re
from typing import Any, Final

_ACTS: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: escape sequences begin here
    "\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"  # direction, line ends, what has no width
    "\ud800-\udfff]"  # no text
)
_NO_TEXT: Final = re.compile("[\ud800-\udfff]")


def visible(text: str, *, keep: str = "\n\t") -> str:
    r"""`text` with each character that acts as its escape: `\x1b`, `\u202e`.

    A byte of a name that is not UTF-8 is shown as that byte: `\xff`.

    Args:
        keep: characters left as they are; "" for a name, which is always one line.
    """
    return _ACTS.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def one_line(name: object) -> str:
    """A name, path or value inside a message: it can forge no second line."""
    return visible(str(name), keep="")


def as_text(name: str) -> str:
    r"""A name from disk as proper Unicode: bytes that are not UTF-8 become `\xff`."""
    return _NO_TEXT.sub(lambda found: _escape(found[0]), name)


def json_text(document: Any, *, indent: int | None = 2) -> str:
    """JSON that can be read back exactly, and looked at in a terminal.

    Letters stay letters; whatever acts is written as JSON's own escape, which only strings hold.
    """
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    return _ACTS.sub(
        lambda found: found[0] if found[0] == "\n" else json.dumps(found[0])[1:-1], text
    )


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
