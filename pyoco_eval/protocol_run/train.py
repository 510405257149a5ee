"""Training an arm that is given no model, by `pyoco_eval.training`."""

import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.processes import processes
from pyoco_eval.progress import Progress, Stage

_LAUNCHER = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "GROUP_RANK",
             "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID", "ROLE_RANK", "ROLE_WORLD_SIZE")  # fmt: skip


def train_arm(tree: Mapping[str, Any], title: str, progress: Progress) -> Path:
    """Train, or go on; returns the folder of the model.

    Of several processes the first trains, in a process of its own: arms are small, and to train
    one on many GPUs, run its `config.yaml` by `torchrun -m pyoco_eval train` before.

    Raises:
        PyocoEvalError: and its kinds, as training raises them.
    """
    from pyoco_eval.training.config_file import parse_config

    config = parse_config(tree, title)
    group = processes()
    if group.size == 1:
        from pyoco_eval.training.run import train

        with _Watcher(progress, title) as watcher:
            return train(config, watcher=watcher)
    model = Path(config.out) / "model"
    if group.is_main:
        _train_alone(tree, Path(config.out))
    group.broadcast(b"trained" if group.is_main else None)
    return model


def _train_alone(tree: Mapping[str, Any], out: Path) -> None:
    import os

    path = out.with_name(f"{out.name}.yaml")
    with atomic_path(path) as temporary:
        temporary.write_text(yaml.safe_dump(dict(tree), sort_keys=False), encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if key not in _LAUNCHER}
    command = [sys.executable, "-m", "pyoco_eval", "train", str(path)]
    finished = subprocess.run(command, env=environment, check=False)  # noqa: S603  (our own)
    if finished.returncode:
        raise PyocoEvalError(f"training {path} failed with exit code {finished.returncode}")


class _Watcher:
    """Implements `training.outputs.monitor.Watcher` as one stage of a progress."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._title = title
        self._stage: Stage | None = None
        self._open: AbstractContextManager[Any] = nullcontext()

    def __enter__(self) -> "_Watcher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def started(self, step: int, steps: int, about: Mapping[str, str]) -> None:  # noqa: ARG002
        self._open = self._progress.stage(self._title, steps - step, "steps")
        self._stage = self._open.__enter__()

    def advanced(self, step: int, loss: float | None) -> None:  # noqa: ARG002
        if self._stage is not None:
            self._stage.advance()

    def logged(self, entry: Mapping[str, Any]) -> None: ...
    def noted(self, text: str) -> None: ...
