"""Checkpoints of a run: everything the next step depends on, in folders that appear whole.

`checkpoints/step-00001000/` holds `network.safetensors`, `ema.safetensors`,
`optimizer.safetensors` and `state.json` with the step, the sha256 of the three and what is no
tensor of the optimizer; `model.json` makes a model of the average. Nothing is pickled. All draws
of a run are functions of its seed and of sample numbers, so there is no state of random
generators.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.models.state import not_finite
from pyoco_eval.parsing import parse_json

Tensors = dict[str, torch.Tensor]

_NAME = re.compile(r"step-(\d{8})")
_PARTS = ("network", "ema", "optimizer")
_FORMAT = 1


@dataclass(frozen=True)
class TrainingState:
    """What the next step depends on, on the CPU.

    Attributes:
        step: optimizer steps done.
        network: the weights by name; `ema` their average.
        optimizer: `exp_avg/NAME` and the like.
        loss_sum, loss_count: of the steps since the last entry of the log.
        skipped: of the steps, those that changed nothing because they were not finite.
    """

    step: int
    network: Mapping[str, torch.Tensor]
    ema: Mapping[str, torch.Tensor]
    optimizer: Mapping[str, torch.Tensor]
    loss_sum: float = 0.0
    loss_count: int = 0
    skipped: int = 0


def save_state(
    folder: Path,
    state: TrainingState,
    keep: int,
    *,
    keep_every: int = 0,
    describe: Callable[[Path, str], None] | None = None,
) -> Path:
    """Write a checkpoint under `folder`, then delete all but the newest `keep`.

    Args:
        keep_every: those whose step is a multiple of it stay for good; 0 for none.
        describe: given the new folder and the sha256 of its average, makes a model of it.

    Returns:
        The folder of the checkpoint. A kill at any instant leaves it whole or absent.

    Raises:
        PyocoEvalError: the disk refuses.
    """
    place = folder / f"step-{state.step:08d}"
    part = folder / f".{place.name}.part"
    try:
        for left in folder.glob(".step-*.part"):  # of killed runs: one run at a time works here
            shutil.rmtree(left, ignore_errors=True)
        part.mkdir(parents=True)
        digests = {}
        for name in _PARTS:
            path = part / f"{name}.safetensors"
            save_file(_independent(getattr(state, name)), path)
            digests[name] = _digest(path)
        record = {
            "format": _FORMAT,
            "step": state.step,
            "loss_sum": state.loss_sum,
            "loss_count": state.loss_count,
            "skipped": state.skipped,
            "sha256": digests,
        }
        (part / "state.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        if describe is not None:
            describe(part, digests["ema"])
        for path in part.iterdir():
            _flush(path)
        shutil.rmtree(place, ignore_errors=True)
        part.rename(place)
        _flush(folder)
        for step, old in sorted(_checkpoints(folder))[:-keep]:
            if not keep_every or step % keep_every:
                shutil.rmtree(old)
    except (OSError, SafetensorError) as error:
        raise PyocoEvalError(f"{place}: cannot be written: {error}") from error
    return place


def checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """Steps and folders of the checkpoints under `folder`, the oldest first."""
    return sorted(_checkpoints(folder))


def newest_state(folder: Path) -> Path | None:
    """The checkpoint with the most steps under `folder`, None if there is none."""
    found = max(_checkpoints(folder), default=None)
    return None if found is None else found[1]


def load_state(place: Path) -> TrainingState:
    """Read a checkpoint back.

    Raises:
        PyocoEvalError: it is incomplete or damaged; names the file and the way out.
    """
    remedy = f"delete {place} to go on from the checkpoint before it"
    try:
        record: dict[str, Any] = parse_json(
            (place / "state.json").read_text(encoding="utf-8"), nan=True
        )
        version, digests = record["format"], record["sha256"]
        step, losses = int(record["step"]), (record["loss_sum"], record["loss_count"])
        skipped = int(record.get("skipped", 0))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PyocoEvalError(f"{place / 'state.json'}: cannot be read; {remedy}") from error
    if version != _FORMAT:
        raise PyocoEvalError(f"{place}: has format {version}, this version reads {_FORMAT}")
    parts: dict[str, Tensors] = {}
    for name in _PARTS:
        path = place / f"{name}.safetensors"
        try:
            if _digest(path) != digests[name]:
                raise PyocoEvalError(f"{path}: is not what was written (sha256); {remedy}")
            parts[name] = load_file(path)
        except (OSError, SafetensorError, KeyError, TypeError) as error:
            raise PyocoEvalError(f"{path}: cannot be read ({error}); {remedy}") from error
    for name, tensors in parts.items():
        bad = not_finite(tensors)
        if bad:
            raise PyocoEvalError(
                f"{place / name}.safetensors: {len(bad)} tensors hold values that are infinite or "
                f"no numbers, the first is {bad[0]}; {remedy}"
            )
    return TrainingState(
        step, parts["network"], parts["ema"], parts["optimizer"], *losses, skipped=skipped
    )


def _checkpoints(folder: Path) -> Iterator[tuple[int, Path]]:
    if folder.is_dir():
        for place in folder.iterdir():
            named = _NAME.fullmatch(place.name)
            if named is not None:
                yield int(named[1]), place


def _independent(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Have the system write a file or folder to the disk, for a power cut right after."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
