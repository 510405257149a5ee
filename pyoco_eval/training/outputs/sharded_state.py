"""Checkpoints that every process writes its part of, and any number of processes reads.

torch.distributed.checkpoint divides the work and finds for each process the pieces of others that
it needs; its files here are safetensors with the place of each piece in the header, so nothing is
pickled. `ema.safetensors`, the average, is whole and written by the first process: a checkpoint is
a model as well.
"""

import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
import torch.distributed as dist
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import (
    HuggingFaceStorageReader,
    HuggingFaceStorageWriter,
)
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.models.checkpoint import AVERAGE
from pyoco_eval.models.state import not_finite
from pyoco_eval.training.engine import Engine, local
from pyoco_eval.training.outputs.checkpoints import (
    SHARDED,
    Tensors,
    TrainingState,
    begin_state,
    end_state,
    file_digest,
    independent,
    load_state,
    read_record,
    remedy_of,
)

_PREFIXES: Final = {"network": "network/", "ema": "", "optimizer": "optimizer/"}
"""Of the names in files; those of the average are plain, as a model has them."""

_LAST_SECONDS: Final = 60.0

_Result = TypeVar("_Result")


def open_state(place: Path) -> TrainingState:
    """What a run goes on from; the tensors of a sharded checkpoint stay on the disk as yet.

    Raises:
        PyocoEvalError: it is incomplete or damaged; names the file and the way out.
    """
    version, _, state = read_record(place)
    return replace(state, shards=place) if version == SHARDED else load_state(place)


def load_whole(place: Path) -> TrainingState:
    """A sharded checkpoint, all of it in this process.

    Raises:
        PyocoEvalError: it is damaged.
    """
    _, digests, state = read_record(place)
    _check_files(place, sorted(digests.items()))
    tensors = {
        name: torch.empty(found.size, dtype=found.properties.dtype)
        for name, found in _metadata(place).items()
    }
    _load(place, tensors, alone=True)
    network, ema, optimizer = (
        {
            name.removeprefix(prefix): tensor
            for name, tensor in tensors.items()
            if _part_of(name) == part
        }
        for part, prefix in _PREFIXES.items()
    )
    return replace(state, network=network, ema=ema, optimizer=optimizer)


def stored_names(place: Path) -> frozenset[str]:
    """Of the tensors in a sharded checkpoint, such as `optimizer/exp_avg/NAME`."""
    return frozenset(_metadata(place))


def read_shards(place: Path, tensors: Mapping[str, torch.Tensor], engine: Engine) -> None:
    """Fill tensors, whole or this process's parts of them, from a checkpoint of any division.

    All processes call this together.

    Args:
        tensors: by the names of `stored_names`; changed in place.

    Raises:
        PyocoEvalError: a file is damaged, a tensor is missing or of another shape, or holds values
            that are not finite.
    """
    files = sorted(read_record(place)[1].items())[engine.rank :: engine.size]
    problem: PyocoEvalError | None = None
    try:
        _check_files(place, files)
    except PyocoEvalError as error:
        problem = error
    _agree(engine, place, problem)
    missing = sorted(set(tensors) - stored_names(place))
    if missing:
        raise PyocoEvalError(f"{place}: has no {missing[0]}; {remedy_of(place)}")
    _load(place, dict(tensors), alone=engine.size == 1)
    bad = not_finite({name: local(tensor) for name, tensor in tensors.items()})
    if bad:
        problem = PyocoEvalError(
            f"{place}: {bad[0]} holds values that are infinite or no numbers; {remedy_of(place)}"
        )
    _agree(engine, place, problem)


class ShardWriter:
    """Writes sharded checkpoints, while training goes on if asked to.

    Args:
        engine: the processes, which all make one and call its methods together.
        background: write from copies of the tensors in a thread.
    """

    def __init__(self, engine: Engine, *, background: bool = False) -> None:
        self._engine = engine
        self._background = background
        several = engine.size > 1
        self._group = dist.new_group(backend="gloo") if several else None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def save(
        self,
        folder: Path,
        state: TrainingState,
        keep: int,
        *,
        keep_every: int = 0,
        describe: Callable[[Path, str], None] | None = None,
    ) -> Path:
        """See `save_state`; what an earlier call began is finished before.

        Args:
            state: with this process's parts of network and optimizer, and on the first process
                the whole average.
        """
        self.finish()
        place = folder / f"step-{state.step:08d}"
        tensors = {
            **{f"network/{name}": tensor for name, tensor in state.network.items()},
            **{f"optimizer/{name}": tensor for name, tensor in state.optimizer.items()},
        }
        average: Tensors = independent(state.ema)
        if self._background:
            tensors = {name: t.detach().to("cpu", copy=True) for name, t in tensors.items()}
            average = {name: t.clone() for name, t in average.items()}

        def write() -> None:
            self._write(place, state, tensors, average, keep, keep_every, describe)

        if not self._background:
            write()
            return place
        self._thread = threading.Thread(target=self._guarded, args=(write,), daemon=True)
        self._thread.start()
        return place

    def finish(self) -> None:
        """Wait for what is being written.

        Raises:
            PyocoEvalError: it could not be.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Give what is being written some time, whatever became of the run."""
        if self._thread is not None:
            self._thread.join(_LAST_SECONDS)

    def _guarded(self, write: Callable[[], None]) -> None:
        try:
            write()
        except BaseException as error:
            self._failure = error

    def _write(
        self,
        place: Path,
        state: TrainingState,
        tensors: Mapping[str, torch.Tensor],
        average: Tensors,
        keep: int,
        keep_every: int,
        describe: Callable[[Path, str], None] | None,
    ) -> None:
        engine = self._engine
        part = place.with_name(f".{place.name}.part")

        def begin() -> None:
            if engine.is_main:
                begin_state(place.parent, state.step)
                save_file(average, part / AVERAGE)

        def write() -> None:
            _expect_one(engine.size == 1)
            save(
                {name: _packed(tensor) for name, tensor in tensors.items()},
                storage_writer=HuggingFaceStorageWriter(str(part), save_distributed=True),
                process_group=self._group,
                no_dist=engine.size == 1,
            )

        def digests() -> dict[str, str]:
            mine = sorted(part.glob("*.safetensors"))[engine.rank :: engine.size]
            return {path.stem: file_digest(path) for path in mine}

        self._all(place, begin)
        self._all(place, write)
        found = {name: value for each in self._all(place, digests) for name, value in each.items()}

        def end() -> None:
            if engine.is_main:
                end_state(
                    part, state, SHARDED, found, keep, keep_every=keep_every, describe=describe
                )

        self._all(place, end)

    def _all(self, place: Path, work: Callable[[], _Result]) -> list[_Result]:
        """What the processes return; raises PyocoEvalError in all if one fails."""
        try:
            done: tuple[_Result | None, str] = work(), ""
        except (OSError, SafetensorError, CheckpointException, PyocoEvalError) as error:
            done = None, str(error) or type(error).__name__
        every: list[Any] = [done]
        if self._group is not None:
            every = [None] * self._engine.size
            dist.all_gather_object(every, done, group=self._group)
        for _, problem in every:
            if problem:
                raise PyocoEvalError(f"{place}: cannot be written: {problem}")
        return [result for result, _ in every]


def _metadata(place: Path) -> dict[str, Any]:
    try:
        return dict(HuggingFaceStorageReader(str(place)).read_metadata().state_dict_metadata)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise PyocoEvalError(f"{place}: cannot be read ({error}); {remedy_of(place)}") from error


def _load(place: Path, tensors: dict[str, Any], *, alone: bool) -> None:
    _expect_one(alone)
    try:
        load(tensors, storage_reader=HuggingFaceStorageReader(str(place)), no_dist=alone)
    except (OSError, SafetensorError, CheckpointException, ValueError) as error:
        raise PyocoEvalError(f"{place}: cannot be read ({error}); {remedy_of(place)}") from error


def _expect_one(alone: bool) -> None:
    if alone:  # torch wonders whether that was meant
        warnings.filterwarnings("ignore", "torch.distributed is disabled")


def _check_files(place: Path, files: list[tuple[str, str]]) -> None:
    for name, digest in files:
        path = place / f"{name}.safetensors"
        try:
            same = file_digest(path) == digest
        except OSError as error:
            raise PyocoEvalError(f"{path}: cannot be read ({error}); {remedy_of(place)}") from error
        if not same:
            raise PyocoEvalError(f"{path}: is not what was written (sha256); {remedy_of(place)}")


def _agree(engine: Engine, place: Path, problem: PyocoEvalError | None) -> None:
    """Raise in all processes if one has a problem."""
    (bad,) = engine.most(float(problem is not None))
    if problem is not None:
        raise problem
    if bad:
        raise PyocoEvalError(f"{place}: another process cannot read it; {remedy_of(place)}")


def _part_of(name: str) -> str:
    found = [part for part, prefix in _PREFIXES.items() if prefix and name.startswith(prefix)]
    return found[0] if found else "ema"


def _packed(tensor: torch.Tensor) -> torch.Tensor:
    """Files have no memory layouts."""
    return tensor.detach().contiguous()
