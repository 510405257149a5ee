"""Checkpoints of a run: everything the next step depends on, in folders that appear whole.

`checkpoints/step-00001000/` holds `network.safetensors`, `ema.safetensors`,
`optimizer.safetensors` and `state.json` with the step, the sha256 of the three and what is no
tensor of the optimizer; `model.json` makes a model of the average. In a sharded checkpoint files
of all processes stand for network and optimizer (`sharded_state`). Nothing is pickled. All draws
of a run are functions of its seed and of sample numbers, so there is no state of random
generators.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
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
WHOLE, SHARDED = 1, 2
"""Formats: all tensors from one process, or the parts of each as `sharded_state` writes them."""


@dataclass(frozen=True)
class TrainingState:
    """What the next step depends on, on the CPU.

    Attributes:
        step: optimizer steps done.
        network: the weights by name; `ema` their average.
        optimizer: `exp_avg/NAME` and the like.
        loss_sum, loss_count: of the steps since the last entry of the log.
        skipped: of the steps, those that changed nothing because they were not finite.
        shards: the folder the tensors are to be read from, each process its own; those above are
            empty then.
    """

    step: int
    network: Mapping[str, torch.Tensor]
    ema: Mapping[str, torch.Tensor]
    optimizer: Mapping[str, torch.Tensor]
    loss_sum: float = 0.0
    loss_count: int = 0
    skipped: int = 0
    shards: Path | None = None


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
    try:
        part = begin_state(folder, state.step)
        digests = {}
        for name in _PARTS:
            path = part / f"{name}.safetensors"
            save_file(independent(getattr(state, name)), path)
            digests[name] = file_digest(path)
        end_state(part, state, WHOLE, digests, keep, keep_every=keep_every, describe=describe)
    except (OSError, SafetensorError) as error:
        raise PyocoEvalError(f"{place}: cannot be written: {error}") from error
    return place


def begin_state(folder: Path, step: int) -> Path:
    """An empty folder for the files of a checkpoint, which nobody takes for one yet."""
    for left in folder.glob(".step-*.part"):  # of killed runs: one run at a time works here
        shutil.rmtree(left, ignore_errors=True)
    part = folder / f".step-{step:08d}.part"
    part.mkdir(parents=True)
    return part


def end_state(
    part: Path,
    state: TrainingState,
    version: int,
    digests: Mapping[str, str],
    keep: int,
    *,
    keep_every: int = 0,
    describe: Callable[[Path, str], None] | None = None,
) -> None:
    """Add what is no tensor, and have the checkpoint appear under its name; see `save_state`."""
    record = {
        "format": version,
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
    folder = part.parent
    place = folder / f"step-{state.step:08d}"
    shutil.rmtree(place, ignore_errors=True)
    part.rename(place)
    _flush(folder)
    for step, old in sorted(_checkpoints(folder))[:-keep]:
        if not keep_every or step % keep_every:
            shutil.rmtree(old)


def checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """Steps and folders of the checkpoints under `folder`, the oldest first."""
    return sorted(_checkpoints(folder))


def newest_state(folder: Path) -> Path | None:
    """The checkpoint with the most steps under `folder`, None if there is none."""
    found = max(_checkpoints(folder), default=None)
    return None if found is None else found[1]


def read_record(place: Path) -> tuple[int, dict[str, str], TrainingState]:
    """Format, sha256 by name, and the state without its tensors.

    Raises:
        PyocoEvalError: the file cannot be read, or is of another version.
    """
    try:
        record: dict[str, Any] = parse_json(
            (place / "state.json").read_text(encoding="utf-8"), nan=True
        )
        version, digests = record["format"], dict(record["sha256"])
        state = TrainingState(
            int(record["step"]),
            {},
            {},
            {},
            record["loss_sum"],
            record["loss_count"],
            int(record.get("skipped", 0)),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PyocoEvalError(
            f"{place / 'state.json'}: cannot be read; {remedy_of(place)}"
        ) from error
    if version not in (WHOLE, SHARDED):
        raise PyocoEvalError(f"{place}: has format {version}, this version reads 1 and 2")
    return version, digests, state


def remedy_of(place: Path) -> str:
    """What to do about a damaged checkpoint, in words."""
    return f"delete {place} to go on from the checkpoint before it"


def load_state(place: Path) -> TrainingState:
    """Read a whole checkpoint back.

    Raises:
        PyocoEvalError: it is incomplete or damaged; names the file and the way out.
    """
    remedy = remedy_of(place)
    _, digests, state = read_record(place)
    parts: dict[str, Tensors] = {}
    for name in _PARTS:
        path = place / f"{name}.safetensors"
        try:
            if file_digest(path) != digests[name]:
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
    return replace(state, network=parts["network"], ema=parts["ema"], optimizer=parts["optimizer"])


def _checkpoints(folder: Path) -> Iterator[tuple[int, Path]]:
    if folder.is_dir():
        for place in folder.iterdir():
            named = _NAME.fullmatch(place.name)
            if named is not None:
                yield int(named[1]), place


def independent(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """On the CPU, contiguous and without gradients, as safetensors takes them."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def file_digest(path: Path) -> str:
    """sha256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Have the system write a file or folder to the disk, for a power cut right after."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
