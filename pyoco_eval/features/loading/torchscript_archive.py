"""Reads the tensors of a TorchScript archive without executing it and without unpickling.

An archive of `torch.jit.save` is a zip: `NAME/data.pkl` describes the module tree, `NAME/data/KEY`
hold the raw storages, `NAME/code/` holds the program, which is never opened here. OpenAI published
CLIP in this form.

References: pytorch `torch/csrc/jit/docs/serialization.md`.
"""

import math
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch

from pyoco_eval.features.loading.inert_pickle import (
    Call,
    Global,
    InertPickleError,
    Instance,
    Persistent,
    read_inert_pickle,
)

MAX_PICKLE_BYTES: Final = 64 * 2**20
MAX_DEPTH: Final = 64
MAX_MODULES: Final = 100_000

_STORAGE_DTYPES: Final = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_REBUILD_TENSOR: Final = Global("torch._utils", "_rebuild_tensor_v2")
_FUNCTIONS: Final = frozenset(
    {
        _REBUILD_TENSOR,
        Global("collections", "OrderedDict"),
        *(
            Global("torch.jit._pickle", name)
            for name in (
                "restore_type_tag",
                "build_intlist",
                "build_doublelist",
                "build_boollist",
                "build_tensorlist",
            )
        ),
    }
)

_DAMAGE: Final = (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError, OSError)
"""What zipfile raises, apart from its own exception, about headers that make no sense."""


class TorchScriptArchiveError(ValueError):
    """An archive that is damaged or is not what `torch.jit.save` writes."""


def is_torchscript_archive(path: Path) -> bool:
    """Whether the file is a zip with the constants table that only `torch.jit.save` writes.

    Raises:
        TorchScriptArchiveError: a zip that is truncated or damaged.
    """
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return False
    with _opened(path) as archive:
        return any(re.fullmatch(r"[^/]+/constants\.pkl", name) for name in archive.namelist())


def read_torchscript_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Parameters and buffers by dotted name, as the `state_dict()` of the module would name them.

    Tensors inside lists, tuples and dicts are no part of a state dict and are left out.

    Returns:
        Contiguous CPU tensors in their stored dtype.

    Raises:
        TorchScriptArchiveError: damage (every entry that is read has a checksum), or anything
            unexpected in names, opcodes, sizes, compression or nesting.
    """
    with _opened(path) as archive:
        reader = _ArchiveReader(archive)
        tree = read_inert_pickle(reader.pickle(), _is_allowed)
        if not isinstance(tree, Instance):
            raise TorchScriptArchiveError("the archive does not hold a module")
        return {name: reader.tensor(name, call) for name, call in _tensor_calls(tree).items()}


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip, with every complaint about its content as a `TorchScriptArchiveError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except TorchScriptArchiveError:
        raise
    except InertPickleError as error:
        raise TorchScriptArchiveError(f"data.pkl: {error}") from error
    except _DAMAGE as error:
        raise TorchScriptArchiveError(f"a truncated or damaged zip archive ({error})") from error


def _is_allowed(name: Global) -> bool:
    if name.module == "torch":
        return name.name in _STORAGE_DTYPES
    return name in _FUNCTIONS or name.module.split(".")[0] == "__torch__"


def _tensor_calls(tree: Instance) -> dict[str, Call]:
    """Every attribute of the module tree that is a tensor, still as the call that makes it."""
    calls: dict[str, Call] = {}
    pending: list[tuple[str, int, Instance]] = [("", 0, tree)]
    visited = 0
    while pending:
        prefix, depth, module = pending.pop()
        visited += 1
        if depth > MAX_DEPTH or visited > MAX_MODULES:
            raise TorchScriptArchiveError("modules nested too deeply, too many, or in a circle")
        for name, value in module.attributes.items():
            if "." in name:
                raise TorchScriptArchiveError(f"attribute {name[:40]!r} has a dot in its name")
            if isinstance(value, Instance):
                pending.append((f"{prefix}{name}.", depth + 1, value))
            elif isinstance(value, Call) and value.function == _REBUILD_TENSOR:
                calls[prefix + name] = value
    return calls


class _ArchiveReader:
    """The zip, opened only at names that are derived here and never written to disk."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        names = archive.namelist()
        roots = [name.split("/")[0] for name in names if re.fullmatch(r"[^/]+/data\.pkl", name)]
        if len(roots) != 1 or len(set(names)) != len(names):
            raise TorchScriptArchiveError("the archive has no data.pkl, or names occur twice")
        self.archive = archive
        self.root = roots[0]
        self.storages: dict[tuple[str, torch.dtype], torch.Tensor] = {}
        if f"{self.root}/byteorder" in names and self._read("byteorder", 16) != b"little":
            raise TorchScriptArchiveError("the archive is not little-endian")

    def pickle(self) -> bytes:
        return self._read("data.pkl", MAX_PICKLE_BYTES)

    def tensor(self, name: str, call: Call) -> torch.Tensor:
        try:
            reference, offset, size, stride = call.arguments[:4]
            storage = self._storage(reference)
        except (ValueError, TypeError) as error:
            raise TorchScriptArchiveError(f"tensor {name!r}: {error}") from error
        if not _fits(offset, size, stride, storage.numel()):
            raise TorchScriptArchiveError(
                f"tensor {name!r}: offset {offset!s:.40}, size {size!s:.40} and stride "
                f"{stride!s:.40} reach outside its storage of {storage.numel()} elements"
            )
        return storage.as_strided(size, stride, offset).contiguous()

    def _storage(self, reference: object) -> torch.Tensor:
        """The one-dimensional tensor over all of a storage."""
        if not isinstance(reference, Persistent):
            raise TorchScriptArchiveError("its storage is not a reference")
        tag, kind, key, _device, numel = reference.identity
        if tag != "storage" or not isinstance(kind, Global) or kind.module != "torch":
            raise TorchScriptArchiveError("its storage is of an unknown kind")
        if not isinstance(key, str) or not re.fullmatch(r"[0-9]{1,9}", key):
            raise TorchScriptArchiveError(f"its storage has the key {str(key)[:40]!r}, no number")
        dtype = _STORAGE_DTYPES[kind.name]
        num_bytes = numel * dtype.itemsize
        if (key, dtype) not in self.storages:
            content = bytearray(self._read(f"data/{key}", num_bytes))
            if len(content) != num_bytes:
                raise TorchScriptArchiveError(
                    f"data/{key} has {len(content)} bytes, expected {num_bytes}"
                )
            self.storages[key, dtype] = (
                torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
            )
        return self.storages[key, dtype]

    def _read(self, name: str, limit: int) -> bytes:
        """One entry of at most `limit` bytes, stored uncompressed as `torch.jit.save` does."""
        try:
            entry = self.archive.getinfo(f"{self.root}/{name}")
        except KeyError:
            raise TorchScriptArchiveError(f"the archive has no {name}") from None
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise TorchScriptArchiveError(f"{name} is compressed or encrypted")
        if entry.file_size > limit:
            raise TorchScriptArchiveError(f"{name} has {entry.file_size} bytes, more than {limit}")
        return self.archive.read(entry)


def _fits(offset: Any, size: Any, stride: Any, numel: int) -> bool:
    """Whether every element lies in the storage and none is repeated beyond its length."""
    if not isinstance(offset, int) or not isinstance(size, tuple) or not isinstance(stride, tuple):
        return False
    if len(size) != len(stride) or not all(
        isinstance(value, int) and value >= 0 for value in (offset, *size, *stride)
    ):
        return False
    count = math.prod(size)
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    return count == 0 or (count <= numel and last < numel)
