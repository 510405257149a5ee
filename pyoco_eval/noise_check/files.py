"""Noise tensors in files: .npy, .npz and .safetensors. Nothing is unpickled."""

from pathlib import Path
from typing import Final

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.parsing import DAMAGED_ARRAYS

SUFFIXES: Final = (".npy", ".npz", ".safetensors")


def is_file(text: str) -> bool:
    """Whether a target is a file, there or not."""
    return Path(text).suffix.lower() in SUFFIXES


def read_noise(path: Path, key: str | None) -> np.ndarray:
    """The tensor of a file, or the one named `key` of several.

    Raises:
        MissingError: there is no such file.
        UsageError: several tensors and no key, or no tensor of this name; names them all.
        PyocoEvalError: a damaged file.
    """
    if not path.is_file():
        raise MissingError(f"{path}: there is no such file")
    try:
        if path.suffix.lower() == ".npy":
            with path.open("rb") as file:
                return np.asarray(np.load(file, allow_pickle=False))
        if path.suffix.lower() == ".npz":
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return np.asarray(archive[_chosen(path, list(archive), key)])
        tensors = load(path.read_bytes())
        chosen = tensors[_chosen(path, list(tensors), key)]
        return np.asarray((chosen.float() if chosen.is_floating_point() else chosen).numpy())
    except UsageError:
        raise
    except (*DAMAGED_ARRAYS, SafetensorError) as error:
        raise PyocoEvalError(f"{path}: holds no tensor that can be read: {error}") from error


def _chosen(path: Path, names: list[str], key: str | None) -> str:
    if key is None and len(names) == 1:
        return names[0]
    if key not in names or key is None:
        asked = "choose one with --key" if key is None else f"--key {key} is none of them"
        raise UsageError(f"{path}: holds {', '.join(sorted(names)) or 'nothing'}; {asked}")
    return key
