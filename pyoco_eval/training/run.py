"""A training run from its config to its model: what `pyoco-eval train` does."""

import math
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.models.checkpoint import save_model
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.engine import Engine
from pyoco_eval.training.interrupts import Interrupts, StoppedError
from pyoco_eval.training.log import TrainingLog
from pyoco_eval.training.parts import Parts, make_parts
from pyoco_eval.training.run_folder import RunFolder
from pyoco_eval.training.samples import Batch, batches, collate
from pyoco_eval.training.samples_sheet import SampleSheet
from pyoco_eval.training.state_folder import save_state
from pyoco_eval.training.trainer import StepResult
from pyoco_eval.training.watch import NobodyWatches, Watcher

_GLANCE_SECONDS = 0.5
"""How often the loss is looked at for the live line; looking waits for the device."""

_AGREE_STEPS = 10
"""Several processes ask each other this often whether to stop."""


def train(config: TrainConfig, *, watcher: Watcher | None = None, overwrite: bool = False) -> Path:
    """Train, or go on where an earlier call was stopped.

    Under `torchrun` or `accelerate launch` every process calls this.

    Args:
        config: of the run.
        watcher: told how it goes.
        overwrite: delete the run that is in `config.out`.

    Returns:
        The folder of the model.

    Raises:
        StoppedError: a signal asked for the end; the state is kept.
        PyocoEvalError: and its other kinds, with what to do.
    """
    engine = Engine(config.hardware)
    folder = RunFolder(config)
    try:
        with folder.locked() if engine.is_main else nullcontext():
            if overwrite and engine.is_main:
                folder.clear()
            engine.wait()
            _Run(config, engine, folder, watcher or NobodyWatches()).go()
            engine.wait()
    finally:
        engine.end()
    return folder.model


class _Window:
    """What happened since the last entry of the log."""

    def __init__(self, loss_sum: float, count: int, device: torch.device) -> None:
        self.loss_sum = torch.tensor(loss_sum, dtype=torch.float64, device=device)
        self.count = count
        self.steps_here = 0
        self.skipped = 0
        self.data_seconds = 0.0
        self.step_seconds = 0.0

    def add(self, result: StepResult, batch: Batch, data_seconds: float, seconds: float) -> None:
        self.loss_sum += result.loss
        self.count += 1
        self.steps_here += 1
        self.skipped += batch.skipped
        self.data_seconds += data_seconds
        self.step_seconds += seconds


class _Run:
    def __init__(
        self, config: TrainConfig, engine: Engine, folder: RunFolder, watcher: Watcher
    ) -> None:
        self.config = config
        self.engine = engine
        self.folder = folder
        self.watcher = watcher
        self.parts: Parts = make_parts(config, engine)
        self.trainer = self.parts.trainer
        state = folder.prepare(write=engine.is_main)
        self.window = _Window(0.0, 0, engine.device)
        if state is not None:
            self.trainer.restore(state)
            share = state.loss_sum if engine.is_main else 0.0
            self.window = _Window(share * engine.size, state.loss_count, engine.device)
        self.first = self.trainer.step
        self.log = TrainingLog(folder.path, self.first) if engine.is_main else None

    def go(self) -> None:
        if self.engine.is_main:
            self.watcher.started(self.first, self.config.steps, self._about())
        if self.first:
            self._save_model()
        try:
            self._steps()
        finally:
            if self.log is not None:
                self.log.close()

    def _steps(self) -> None:
        config = self.config
        with Interrupts().listening() as interrupts:
            share = {"rank": self.engine.rank, "size": self.engine.size}
            steps = range(self.first, config.steps)
            source = batches(
                self.parts.samples, steps, config.batch, workers=config.hardware.workers, **share
            )
            glanced = time.perf_counter()
            for _ in steps:
                began = time.perf_counter()
                batch = next(source)
                waited = time.perf_counter() - began
                result = self.trainer.train_on(batch)
                self.window.add(result, batch, waited, time.perf_counter() - began)
                loss = None
                if time.perf_counter() - glanced > _GLANCE_SECONDS:
                    glanced = time.perf_counter()
                    loss = float(self.window.loss_sum) / self.window.count
                stop = self._agree(interrupts.asked)
                if self.engine.is_main:
                    self.watcher.advanced(self.trainer.step, loss)
                self._after_step(result, stop)
                if stop:
                    source.close()
                    raise StoppedError(
                        f"{self.folder.path}: stopped after step {self.trainer.step} of "
                        f"{config.steps}; the same command goes on from there"
                    )

    def _after_step(self, result: StepResult, stop: bool) -> None:
        step, log = self.trainer.step, self.config.log
        last = step == self.config.steps
        if step % log.every == 0 or last:
            self._write_entry(result)
        if step % log.checkpoint_every == 0 or last or stop:
            self._save_state()
        if log.samples_every and (step % log.samples_every == 0 or last):
            self._write_sheet()

    def _agree(self, asked: bool) -> bool:
        if self.engine.size == 1:
            return asked
        if self.trainer.step % _AGREE_STEPS:
            return False
        return self.engine.sum(float(asked)) > 0

    def _mean_loss(self) -> float:
        """Since the last entry, over all processes; one that is no number ends the run."""
        loss = self.engine.mean(float(self.window.loss_sum)) / max(1, self.window.count)
        if not math.isfinite(loss):
            raise PyocoEvalError(
                f"{self.folder.path}: the loss became {loss} by step {self.trainer.step}; the last "
                "checkpoint is from before. Lower optimizer.lr, raise optimizer.warmup_steps, or "
                "train with hardware.precision=fp32"
            )
        return loss

    def _write_entry(self, result: StepResult) -> None:
        window, engine, step = self.window, self.engine, self.trainer.step
        norm = result.gradient_norm
        entry: dict[str, Any] = {
            "step": step,
            "samples": step * self.config.batch,
            "loss": self._mean_loss(),
            "gradient_norm": None if norm is None else float(norm),
            "learning_rate": self.trainer.last_rate,
            "steps_per_second": round(window.steps_here / max(window.step_seconds, 1e-9), 3),
            "data_share": round(window.data_seconds / max(window.step_seconds, 1e-9), 4),
            "skipped": int(engine.sum(window.skipped)),
        }
        if self.log is not None:
            self.log.add(entry)
            self.watcher.logged(entry)
        self.window = _Window(0.0, 0, engine.device)

    def _save_state(self) -> None:
        loss = self._mean_loss()
        state = self.trainer.state(loss * self.window.count, self.window.count)
        if self.engine.is_main:
            place = save_state(self.folder.checkpoints, state, self.config.log.keep)
            self.watcher.noted(f"checkpoint {place}")
        self._save_model()

    def _save_model(self) -> None:
        weights = self.trainer.averages()
        if self.engine.is_main:
            network = self.parts.averaged(weights)
            self.parts.prior.save(self.folder.model)
            save_model(self.folder.model, network, self.parts.info(self.trainer.step))

    def _write_sheet(self) -> None:
        weights = self.trainer.averages()
        if self.log is not None:
            numbers = range(self.config.log.num_samples)
            first = collate([self.parts.samples[number] for number in numbers])
            if isinstance(first, PyocoEvalError):
                raise first
            parts = self.parts
            sheet = SampleSheet(
                self.config, parts.prior, parts.conditioner, first, parts.class_names
            )
            path = self.folder.samples / f"step-{self.trainer.step:08d}.png"
            pixels = sheet.write(parts.averaged(weights), path)
            self.log.add_picture("samples", pixels, self.trainer.step)
            self.watcher.noted(f"samples {path}")
        self.engine.wait()

    def _about(self) -> dict[str, str]:
        config, parts = self.config, self.parts
        parameters = sum(average.numel() for average in self.trainer.ema)
        images = f" and {config.joint.per_video} images" if config.joint.per_video else ""
        return {
            "run": str(self.folder.path),
            "network": f"{parameters:,} parameters" + (f", from {config.init}" * bool(config.init)),
            "data": f"{parts.examples.name}, {len(parts.examples):,} examples, "
            f"{config.data.num_frames} x {config.data.size} x {config.data.size}{images}",
            "prior": parts.prior.spec,
            "device": f"{self.engine.device} x {self.engine.size}, {config.hardware.precision}",
        }
