"""What the program in a TorchScript archive says of itself: its text is read, never run.

Constants are no tensors: the eps of batch normalisation or the kernel of a resize stand in the text
alone. Lines are searched for them one by one; nothing is parsed, compiled or evaluated.

References: pytorch `torch/csrc/jit/docs/serialization.md` (`NAME/code/`).
"""

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pyoco_eval.features.loading.torchscript_archive import TorchScriptArchiveError

MAX_FILE_BYTES: Final = 4 * 2**20
MAX_FILES: Final = 10_000
MAX_LINE: Final = 4096

_OF_TORCH: Final = "__torch__/torch/"
_NUMBER: Final = re.compile(r"[0-9]*\.[0-9]*(?:e[+-]?[0-9]+)?|[0-9]+e[+-]?[0-9]+")
_EPS: Final = "eps : Final[float] = "
_MIN_ARGUMENTS: Final = 8  # of a call of batch_norm; no other call in its class has as many
_MODE: Final = re.compile(
    r'"(nearest|nearest-exact|linear|bilinear|bicubic|trilinear|area|lanczos)"((?:, \w+){0,3})'
)
_UPSAMPLE: Final = re.compile(r"torch\._?upsample_\w+")


def read_program_text(path: Path) -> dict[str, str]:
    """Source files by name below `code/`, such as `__torch__/torch/nn/modules/conv.py`.

    Raises:
        TorchScriptArchiveError: damage, or more text than a network has.
    """
    found: dict[str, str] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist()[:MAX_FILES]:
                matched = re.fullmatch(r"[^/]+/code/(.+\.py)", entry.filename)
                if matched is None:
                    continue
                with archive.open(entry) as file:
                    content = file.read(MAX_FILE_BYTES + 1)
                if len(content) > MAX_FILE_BYTES:
                    raise TorchScriptArchiveError(f"{matched[1][:80]} is longer than a program is")
                found[matched[1]] = content.decode("utf-8", errors="replace")
    except TorchScriptArchiveError:
        raise
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise TorchScriptArchiveError(f"a truncated or damaged zip archive ({error})") from error
    return found


def batch_norm_constants(text: Mapping[str, str]) -> set[float]:
    """Every eps that a class of batch normalisation states, or calls the operator with."""
    found = set()
    for source in text.values():
        inside = False
        for line in _lines(source):
            if line.startswith("class "):
                inside = line.startswith("class BatchNorm")
            elif inside:
                found |= set(_eps_of(line.strip()))
    return found


def resizes(text: Mapping[str, str]) -> set[str]:
    """Every resize that the network's own classes ask for, as `trilinear` or `bilinear False True`.

    The words behind the kernel are its further arguments that are not None and not False, so that
    the kernel alone means: half-pixel centres, no antialiasing.
    """
    found = set()
    for line in _own_lines(text):
        for kernel, arguments in _MODE.findall(line):
            words = [word for word in arguments.split(", ") if word not in ("", "None", "False")]
            found.add(" ".join([kernel, *words]))
        found |= set(_UPSAMPLE.findall(line))
    return found


def mentions(text: Mapping[str, str], number: int) -> bool:
    """Whether the network's own classes contain this number."""
    wanted = re.compile(rf"(?<![\w.]){number}(?:\.0*)?(?![\w.])")
    return any(wanted.search(line) for line in _own_lines(text))


def _eps_of(line: str) -> Iterator[float]:
    if line.startswith(_EPS):
        stated = line.removeprefix(_EPS)
        if _NUMBER.fullmatch(stated):
            yield float(stated)
        return
    arguments = line[line.rfind("(") + 1 : line.rfind(")")].split(", ")
    numbers = [word.rstrip(",") for word in arguments if _NUMBER.fullmatch(word.rstrip(","))]
    if len(arguments) >= _MIN_ARGUMENTS and numbers:
        yield float(numbers[-1])


def _own_lines(text: Mapping[str, str]) -> Iterator[str]:
    """Of the files that are not PyTorch's."""
    for name, source in text.items():
        if not name.startswith(_OF_TORCH):
            yield from _lines(source)


def _lines(source: str) -> Iterator[str]:
    return (line for line in source.splitlines() if len(line) <= MAX_LINE)
