"""The folder of a run: whose it is, what is in it, and whether a run may go on there.

`config.yaml`, `log.jsonl`, `loss.png`, `tensorboard/`, `samples/`, `checkpoints/` to continue
from, and `model/`, the averaged weights, which is what samplers take. A file `stop` that somebody
puts there ends the run with a checkpoint.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import UsageError
from pyoco_eval.locks import LOCK, locked
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.config_file import differences, dump_config, load_config
from pyoco_eval.training.outputs.checkpoints import TrainingState, newest_state
from pyoco_eval.training.outputs.sharded_state import open_state

_MAY_CHANGE = (
    *("log.", "validation.", "hardware.", "out", "condition.embeddings"),
    *("latent.vae", "latent.cache", "latent.frames_at_once"),
    *("max_replaced", "optimizer.nonfinite", "optimizer.max_skipped"),
    *("data.path", "data.cache", "joint.data.path", "joint.data.cache"),
)
"""Keys that a run may change when it goes on; `steps` too, unless the rate depends on it."""

_LOOK_SECONDS = 1.0
"""Looking for a file takes a millisecond on file systems of clusters."""

_OWN = (
    "config.yaml",
    "log.jsonl",
    "loss.png",
    "validation.png",
    "tensorboard",
    "samples",
    "checkpoints",
    "model",
)


class RunFolder:
    """Where one run lives.

    Args:
        config: of the run; `config.out` is the folder.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self.path = Path(config.out)
        self.checkpoints = self.path / "checkpoints"
        self.samples = self.path / "samples"
        self.model = self.path / "model"
        self._stop = self.path / "stop"
        self._looked = 0.0

    def stop_asked(self) -> bool:
        """Whether a file `stop` is in the folder: for launchers that hand no signals on."""
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return False
        self._looked = now
        return self._stop.exists()

    def withdraw_stop(self) -> None:
        """Remove the file that asked for the end."""
        self._stop.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out.

        Raises:
            UsageError: the folder cannot be made.
            PyocoEvalError: another run works here.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise UsageError(f"out: {self.path} is a file; name a folder") from error
        with locked(self.path / LOCK, "is training here"):
            yield

    def clear(self) -> None:
        """Delete what an earlier run left; other files stay."""
        for name in _OWN:
            place = self.path / name
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)

    def prepare(self, write: bool = True) -> TrainingState | None:
        """The state to go on from if this run was here before, else None.

        Args:
            write: write the config; one of the processes does.

        Raises:
            UsageError: another run was here; names the keys that differ.
            PyocoEvalError: its newest checkpoint is damaged.
        """
        stored = self.path / "config.yaml"
        if stored.is_file():
            before = load_config(stored)
            found = hindrances(before, self._config)
            if found:
                lines = "".join(f"\n  {key}: {old} -> {new}" for key, (old, new) in found.items())
                raise UsageError(
                    f"out: {self.path} holds a run with another config:{lines}\n"
                    "choose another folder, or delete that run with --overwrite"
                )
        if write:
            with atomic_path(stored) as path:
                path.write_text(dump_config(self._config), encoding="utf-8")
        newest = newest_state(self.checkpoints)
        return None if newest is None else open_state(newest)


def hindrances(before: TrainConfig, now: TrainConfig) -> dict[str, tuple[Any, Any]]:
    """The keys that differ and would make the rest of a run another run than its beginning."""
    free = _MAY_CHANGE if now.optimizer.decay == "cosine" else (*_MAY_CHANGE, "steps")
    return {
        key: values for key, values in differences(before, now).items() if not key.startswith(free)
    }
