"""Reads the tensors of a weight file and checks them against what a network needs.

The format is told by content: safetensors, `torch.save` of a state dict (read with
`weights_only=True`), or a TorchScript archive (read without executing it).
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from pyoco_eval.errors import MissingError, PyocoEvalError
from pyoco_eval.features.loading.torchscript_archive import (
    TorchScriptArchiveError,
    is_torchscript_archive,
    read_torchscript_tensors,
)

NUM_EXAMPLES = 3


class WeightsError(PyocoEvalError):
    """A weight file that is damaged, or holds another network; the message says what differs."""


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name, whatever the container.

    A `{"state_dict": ...}` wrapper is opened and a `module.` prefix on every name is dropped, as
    training scripts leave them.

    Returns:
        CPU tensors in their stored dtype.

    Raises:
        MissingError: no such file, or no permission.
        WeightsError: damaged, or none of the three formats.
    """
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise MissingError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        if _is_safetensors(head):
            return load_file(path)
        if is_torchscript_archive(path):
            return read_torchscript_tensors(path)
    except (SafetensorError, TorchScriptArchiveError, OSError) as error:
        raise WeightsError(f"{path}: {error}. {_AGAIN}") from error
    return _tensors_of(_load_inert(path), path)


def require_tensors(
    found: Mapping[str, torch.Tensor],
    expected: Mapping[str, Sequence[int]],
    *,
    path: Path,
    network: str,
    remedy: str,
) -> dict[str, torch.Tensor]:
    """The expected tensors in float32, after checking that nothing is missing, foreign or broken.

    Args:
        found: what the file holds, without entries that the network has no use for.
        expected: shape of every tensor of the network, by name.
        path, network, remedy: for the message: the file, what it should hold, what to do.

    Raises:
        WeightsError: names or shapes that differ, values that are not finite numbers.
    """
    if not expected.keys() & found.keys():
        listed = ", ".join(list(found)[:NUM_EXAMPLES]) or "no tensor"
        raise WeightsError(f"{path}: not the weights of {network}, but holds {listed}. {remedy}")
    problems = [
        *_describe("missing", [name for name in expected if name not in found]),
        *_describe("not part of it", [name for name in found if name not in expected]),
        *_describe(
            "of another shape",
            [
                f"{name} {tuple(found[name].shape)} instead of {tuple(shape)}"
                for name, shape in expected.items()
                if name in found and found[name].shape != torch.Size(shape)
            ],
        ),
    ]
    if problems:
        raise WeightsError(
            f"{path}: not the weights of {network}, which has {len(expected)} tensors: "
            f"{'; '.join(problems)}. {remedy}"
        )
    broken = [
        name
        for name in expected
        if not (found[name].is_floating_point() and bool(found[name].isfinite().all()))
    ]
    if broken:
        raise WeightsError(
            f"{path}: {'; '.join(_describe('not finite floating-point numbers', broken))}. {remedy}"
        )
    return {name: found[name].to(torch.float32) for name in expected}


_AGAIN = "Get the file again; the download may have been cut off."


def _is_safetensors(head: bytes) -> bool:
    """A length in eight bytes, then the JSON header."""
    return len(head) == 9 and head[8:] == b"{" and struct.unpack("<Q", head[:8])[0] < 2**27


def _load_inert(path: Path) -> object:
    """`torch.load` of data only, whatever it raises about the rest."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a malformed stream fails anywhere in the unpickler
        raise WeightsError(
            f"{path}: not a readable weight file (safetensors, a PyTorch state dict or a "
            f"TorchScript archive); PyTorch says: {_first_line(error)}. {_AGAIN}"
        ) from error


def _tensors_of(content: object, path: Path) -> dict[str, torch.Tensor]:
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if (
        not isinstance(content, Mapping)
        or not content
        or not all(
            isinstance(name, str) and isinstance(value, torch.Tensor)
            for name, value in content.items()
        )
    ):
        raise WeightsError(
            f"{path}: holds a {type(content).__name__}, not a state dict (tensors by name)"
        )
    prefix = "module." if all(name.startswith("module.") for name in content) else ""
    return {name.removeprefix(prefix): value for name, value in content.items()}


def _describe(what: str, names: Iterable[str]) -> list[str]:
    """At most one sentence part: `2 missing (a, b)`."""
    listed = list(names)
    if not listed:
        return []
    examples = ", ".join(listed[:NUM_EXAMPLES]) + (", …" if len(listed) > NUM_EXAMPLES else "")
    return [f"{len(listed)} {what} ({examples})"]


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
