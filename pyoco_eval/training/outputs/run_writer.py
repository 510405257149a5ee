"""What a run writes while it goes: entries of the log, checkpoints, models, sheets of samples.

All processes call every method together: weights are gathered from all of them. The first writes.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.models.checkpoint import describe_model, save_model
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.data.samples import Batch, Replaced, collate
from pyoco_eval.training.engine import Engine
from pyoco_eval.training.outputs.checkpoints import TrainingState, save_state
from pyoco_eval.training.outputs.log import TrainingLog
from pyoco_eval.training.outputs.monitor import RunMonitor
from pyoco_eval.training.outputs.run_folder import RunFolder
from pyoco_eval.training.outputs.samples_sheet import SampleSheet
from pyoco_eval.training.outputs.sharded_state import ShardWriter
from pyoco_eval.training.setup import RunSetup
from pyoco_eval.training.trainer import StepResult

_REPLACED = ("replaced_short", "replaced_broken")
_RATES = ("learning_rate", "temporal_learning_rate")
_ENOUGH_DRAWN = 100


class Window:
    """What happened since the last entry of the log.

    Args:
        loss_sum, count: of steps that an earlier process did since then.
    """

    def __init__(self, loss_sum: float, count: int, device: torch.device) -> None:
        self.loss_sum = torch.tensor(loss_sum, dtype=torch.float64, device=device)
        self.count = count
        self.steps_here = 0
        self.steps_skipped = 0
        self.replaced = Replaced()
        self.data_seconds = 0.0
        self.step_seconds = 0.0

    def add(self, result: StepResult, batch: Batch, data_seconds: float, seconds: float) -> None:
        """A step, with the seconds it waited for data and took in all."""
        if result.taken:
            self.loss_sum += result.loss
            self.count += 1
        else:
            self.steps_skipped += 1
        self.steps_here += 1
        self.replaced += batch.replaced
        self.data_seconds += data_seconds
        self.step_seconds += seconds

    def glance(self) -> float | None:
        """Mean loss of this process; None where no step was taken."""
        return float(self.loss_sum) / self.count if self.count else None


class RunWriter:
    """Writes what one run has to show.

    Attributes:
        window: what the next entry of the log will tell.
        saved: step of the newest checkpoint; None without.
    """

    def __init__(
        self,
        config: TrainConfig,
        engine: Engine,
        folder: RunFolder,
        parts: RunSetup,
        watcher: RunMonitor,
        state: TrainingState | None,
    ) -> None:
        self._config = config
        self._engine = engine
        self._folder = folder
        self._parts = parts
        self._trainer = parts.trainer
        self._watcher = watcher
        share, count = 0.0, 0
        if state is not None:
            share, count = (state.loss_sum if engine.is_main else 0.0), state.loss_count
        self.window = Window(share * engine.size, count, engine.device)
        self.saved = None if state is None else state.step
        self._shards: ShardWriter | None = None
        if config.hardware.checkpoints == "sharded":
            self._shards = ShardWriter(engine, background=config.hardware.async_checkpoints)
        first = 0 if state is None else state.step
        self._log = TrainingLog(folder.path, first) if engine.is_main else None
        entries = [] if self._log is None else self._log.entries
        self._replaced = Replaced(
            *(int(engine.sum(sum(entry.get(key, 0) for entry in entries))) for key in _REPLACED)
        )

    def entry(self, result: StepResult, validated: Mapping[str, float]) -> None:
        """A line in the log, with the losses on held-out samples where there are any."""
        window, engine, step = self.window, self._engine, self._trainer.step
        replaced = Replaced(
            int(engine.sum(window.replaced.short)), int(engine.sum(window.replaced.broken))
        )
        self._replaced += replaced
        entry: dict[str, Any] = {
            "step": step,
            "samples": step * self._config.batch,
            "loss": self._mean_loss(),
            "gradient_norm": result.gradient_norm,
            **dict(zip(_RATES, self._trainer.last_rates, strict=False)),
            "steps_per_second": round(window.steps_here / max(window.step_seconds, 1e-9), 3),
            "data_share": round(window.data_seconds / max(window.step_seconds, 1e-9), 4),
            "replaced_short": replaced.short,
            "replaced_broken": replaced.broken,
            "steps_skipped": window.steps_skipped,
            **validated,
        }
        if self._log is not None:
            self._log.add(entry)
            self._watcher.logged(entry)
        self.window = Window(0.0, 0, engine.device)
        self._check_replaced()

    def lacks(self, key: str) -> bool:
        """Whether the newest entry of the log is of this step and says nothing of `key`."""
        entries = [] if self._log is None else self._log.entries
        newest = entries[-1] if entries else {"step": -1}
        lacking = newest["step"] == self._trainer.step and key not in newest
        return self._engine.sum(float(lacking)) > 0

    def complete(self, more: Mapping[str, float]) -> None:
        """Put what a stopped run had no time for into the newest entry of the log."""
        if self._log is not None:
            self._log.complete(dict(more))

    def _check_replaced(self) -> None:
        """Raises PyocoEvalError where more samples are replaced than the config allows."""
        config, replaced = self._config, self._replaced
        drawn = self._trainer.step * config.batch * (1 + config.joint.per_video)
        drawn += replaced.short + replaced.broken
        share = (replaced.short + replaced.broken) / drawn
        if drawn < _ENOUGH_DRAWN or share <= config.max_replaced:
            return
        self.state()
        raise PyocoEvalError(
            f"{self._folder.path}: {replaced} of {drawn:,} that were drawn, {share:.0%}, and "
            f"max_replaced allows {config.max_replaced:.0%}: what is left is another dataset. "
            "`pyoco-eval inspect` says what is wrong with the files; --set max_replaced=1 goes on "
            "all the same"
        )

    def state(self) -> None:
        """A checkpoint to continue from, and the model of it.

        Raises:
            NotFiniteError: weights are not finite; nothing is written then.
        """
        self._trainer.check_finite()
        count = self.window.count
        state = self._trainer.state(
            (self._mean_loss() or 0.0) * count, count, gathered=self._shards is None
        )
        save = save_state if self._shards is None else self._shards.save
        if self._engine.is_main or self._shards is not None:
            log = self._config.log
            place = save(
                self._folder.checkpoints,
                state,
                log.keep,
                keep_every=log.keep_every,
                describe=partial(self._describe, state.step),
            )
            if self._engine.is_main:
                self._watcher.noted(f"checkpoint {place}")
        self.saved = state.step
        self.model(state.ema)

    def finish(self) -> None:
        """Wait for a checkpoint that is being written; raises PyocoEvalError if it cannot be."""
        if self._shards is not None:
            self._shards.finish()

    def _describe(self, step: int, folder: Path, sha256: str) -> None:
        self._parts.prior.save(folder)
        describe_model(folder, self._parts.info(step), sha256)

    def model(self, weights: Mapping[str, torch.Tensor] | None = None) -> None:
        """The averaged weights, gathered if they are not given."""
        if weights is None:
            weights = self._trainer.averages()
        if self._engine.is_main:
            network = self._parts.averaged(dict(weights))
            self._parts.prior.save(self._folder.model)
            save_model(self._folder.model, network, self._parts.info(self._trainer.step))

    def sheet(self) -> None:
        """A picture of samples of the averaged model."""
        weights = self._trainer.averages()
        if self._log is not None:
            numbers = self._parts.samples.of_own_size(self._config.log.num_samples)
            first = collate([self._parts.samples[number] for number in numbers])
            if isinstance(first, PyocoEvalError):
                raise first
            parts = self._parts
            sheet = SampleSheet(
                self._config,
                parts.prior,
                parts.conditioner,
                first,
                parts.class_names,
                parts.latents,
            )
            path = self._folder.samples / f"step-{self._trainer.step:08d}.png"
            told = self._replaced + self.window.replaced
            pixels = sheet.write(parts.averaged(weights), path, note=str(told) if told else "")
            if pixels is None:
                self._watcher.noted(f"no sheet {path}: samples are infinite or no numbers")
            else:
                self._log.add_picture("samples", pixels, self._trainer.step)
                self._watcher.noted(f"samples {path}")
        self._engine.wait()

    def close(self) -> None:
        """Wait for what is being written, and close the log."""
        if self._shards is not None:
            self._shards.close()
        if self._log is not None:
            self._log.close()

    def _mean_loss(self) -> float | None:
        """Of the steps taken since the last entry, over all processes."""
        if not self.window.count:
            return None
        return self._engine.mean(float(self.window.loss_sum)) / self.window.count
