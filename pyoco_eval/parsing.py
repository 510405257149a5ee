"""JSON and NumPy files that may be damaged or hostile. For YAML see `yaml_text`.

References:
    RFC 8259, §4 and §6: names within an object should be unique; NaN and Infinity are no numbers.
"""

import json
import zipfile
import zlib
from typing import Any, Final, NoReturn

DAMAGED_ARRAYS: Final = (
    OSError,
    ValueError,  # numpy on a bad member, JSON, text encodings
    KeyError,
    TypeError,
    SyntaxError,  # numpy on a bad array header
    EOFError,
    MemoryError,  # an array header that promises terabytes
    OverflowError,
    RecursionError,
    NotImplementedError,  # zip features that no writer of npz uses
    RuntimeError,  # an encrypted member
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a damaged or foreign .npy or .npz file may raise."""


def parse_json(text: str | bytes, *, nan: bool = False) -> Any:
    """The content of a JSON text.

    Args:
        nan: take NaN and Infinity, which Python writes, though JSON has not.

    Raises:
        ValueError: it is no JSON, nested too deeply, has a key twice, or a number that is none.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_without_repeats,
            parse_constant=None if nan else _refuse_constant,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is given twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
