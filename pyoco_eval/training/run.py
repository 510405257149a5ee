"""A training run from its config to its model: what `pyoco-eval train` does."""

import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path

from pyoco_eval.models.latent_space import network_sides
from pyoco_eval.models.sampling_notes import (
    FEW_UNCONDITIONAL,
    frozen_note,
    guidance_note,
    is_frozen,
)
from pyoco_eval.training.conditions import unconditional_share
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.data.batches import Batches
from pyoco_eval.training.data.buckets import counted, in_words, own_bucket
from pyoco_eval.training.data.feeding import CudaMover
from pyoco_eval.training.data.latents import check_same_space, deviation_notes
from pyoco_eval.training.data.video_examples import VideoExamples
from pyoco_eval.training.engine import Engine
from pyoco_eval.training.finetuning import check_same_pipeline
from pyoco_eval.training.outputs.checkpoints import newest_state
from pyoco_eval.training.outputs.interrupts import Interrupts, Stop, StoppedError
from pyoco_eval.training.outputs.monitor import NobodyWatches, RunMonitor
from pyoco_eval.training.outputs.run_folder import RunFolder
from pyoco_eval.training.outputs.run_writer import RunWriter
from pyoco_eval.training.outputs.validation_picture import MEAN
from pyoco_eval.training.setup import RunSetup, make_parts
from pyoco_eval.training.trainer import StepResult
from pyoco_eval.videos.frame_size import sides

_GLANCE_SECONDS = 0.5
"""How often the loss is looked at for the live line; looking waits for the device."""

_SLOW_SECONDS = 2.0
"""Processes whose steps take longer also ask each other within a step whether to stop."""


def train(
    config: TrainConfig, *, watcher: RunMonitor | None = None, overwrite: bool = False
) -> Path:
    """Train, or go on where an earlier call was stopped.

    Under `torchrun` or `accelerate launch` every process calls this.

    Args:
        config: of the run.
        watcher: told how it goes.
        overwrite: delete the run that is in `config.out`.

    Returns:
        The folder of the model.

    Raises:
        StoppedError: a signal or a file `stop` in the folder asked for the end; the state is kept.
        PyocoEvalError: and its other kinds, with what to do.
    """
    with Interrupts().listening() as interrupts:
        engine = Engine(config.hardware)
        folder = RunFolder(config)
        try:
            with folder.locked() if engine.is_main else nullcontext():
                if engine.is_main:
                    folder.withdraw_stop()
                    if overwrite:
                        folder.clear()
                engine.wait()
                _Run(config, engine, folder, watcher or NobodyWatches(), interrupts).go()
                engine.wait_for_the_last_time()
        finally:
            engine.end()
        return folder.model


class _Run:
    def __init__(
        self,
        config: TrainConfig,
        engine: Engine,
        folder: RunFolder,
        watcher: RunMonitor,
        interrupts: Interrupts,
    ) -> None:
        self.config = config
        self.engine = engine
        self.folder = folder
        self.watcher = watcher
        self.interrupts = interrupts
        self.parts: RunSetup = make_parts(config, engine)
        self.trainer = self.parts.trainer
        latents = self.parts.latents
        state = folder.prepare(write=engine.is_main)
        if state is not None:
            place = newest_state(folder.checkpoints)
            assert place is not None
            check_same_space(place, None if latents is None else latents.first_stage.space)
            check_same_pipeline(place, self.parts.unet)
            self.trainer.restore(state)
        self.first = self.trainer.step
        self.writer = RunWriter(config, engine, folder, self.parts, watcher, state)
        self.deviation = None
        if latents is not None and engine.is_main:
            self.deviation = latents.deviation(self.parts.samples)
        self.slowest = 0.0  # seconds of a step in any process

    def go(self) -> None:
        if self.engine.is_main:
            self.watcher.started(self.first, self.config.steps, self._about())
            for note in self._notes():
                self.watcher.noted(f"note: {note}")
        if self.first:
            self.writer.model()
            if self._sheet_was_lost():
                self.writer.sheet()
            if self.writer.lacks(MEAN):
                self.writer.complete(self._validated())
        try:
            self._steps()
            self.writer.finish()
        finally:
            self.writer.close()

    def _steps(self) -> None:
        config = self.config
        steps = range(self.first, config.steps)
        glanced = began = time.perf_counter()
        with Batches(
            self.parts.samples,
            steps,
            config.batch,
            workers=config.hardware.workers,
            rank=self.engine.rank,
            size=self.engine.size,
            given_up=lambda: self.interrupts.asked != Stop.NOBODY,
            mover=self._mover(),
        ) as source:
            for _ in steps:
                batch = source.next_or_none()
                waited = time.perf_counter() - began
                self._stop_if_asked()
                assert batch is not None, "only a process that is asked gives up"
                result = self.trainer.train_on(batch, self._given_up)
                if result is None:
                    self._stop_if_asked()
                    raise AssertionError("a step was given up though nobody asked")
                self.slowest = time.perf_counter() - began
                self.writer.window.add(result, batch, waited, self.slowest)
                loss = None
                if time.perf_counter() - glanced > _GLANCE_SECONDS:
                    glanced = time.perf_counter()
                    loss = self.writer.window.glance()
                if self.engine.is_main:
                    self.watcher.advanced(self.trainer.step, loss)
                self._after_step(result)
                began = time.perf_counter()

    def _mover(self) -> CudaMover | None:
        """A cache of latents wants frames on the host."""
        if self.engine.device.type != "cuda":
            return None
        return CudaMover(self.engine.device, frames=self.parts.latents is None)

    def _sheet_was_lost(self) -> bool:
        """Whether the run was killed between the checkpoint of this step and its samples."""
        every, steps = self.config.log.samples_every, self.config.steps
        due = every > 0 and (self.first % every == 0 or self.first == steps)
        path = self.folder.samples / f"step-{self.first:08d}.png"
        return self.engine.sum(float(due and self.engine.is_main and not path.exists())) > 0

    def _after_step(self, result: StepResult) -> None:
        step, log = self.trainer.step, self.config.log
        last = step == self.config.steps
        if step % log.every == 0 or last:
            self.writer.entry(result, self._validated())
        if step % log.checkpoint_every == 0 or last:
            self.writer.state()
        if log.samples_every and (step % log.samples_every == 0 or last):
            self.writer.sheet()

    def _validated(self) -> Mapping[str, float]:
        """Losses on held-out samples where they are due; nothing if a process is to stop."""
        validation = self.parts.validation
        if validation is None or not validation.due(self.trainer.step):
            return {}
        losses = validation.losses(
            lambda: self.interrupts.asked != Stop.NOBODY, lambda: self._asked() != Stop.NOBODY
        )
        return losses or {}

    def _asked(self) -> Stop:
        """Whether any process is to stop. All ask at the same place."""
        here = self.interrupts.asked
        if self.engine.is_main and self.folder.stop_asked():
            here = Stop.SCHEDULER
        asked, self.slowest = self.engine.most(float(here), self.slowest)
        return Stop(int(asked))

    def _given_up(self) -> bool:
        """Within a step: whether to lose it for the sake of an early checkpoint."""
        return self.slowest > _SLOW_SECONDS and self._asked() != Stop.NOBODY

    def _stop_if_asked(self) -> None:
        """Raises StoppedError where a process was asked to stop, after a checkpoint."""
        who = self._asked()
        if who == Stop.NOBODY:
            return
        if self.trainer.step not in (0, self.writer.saved):
            self.writer.state()
        self.writer.finish()
        if self.engine.is_main:
            self.folder.withdraw_stop()
        # torchrun kills all soon after the first of them has ended.
        self.engine.wait_for_the_last_time()
        raise StoppedError(
            f"{self.folder.path}: stopped after step {self.trainer.step} of "
            f"{self.config.steps}; the same command goes on from there",
            who,
        )

    def _notes(self) -> Iterator[str]:
        """What the run may do, but hardly means."""
        config, prior = self.config, self.parts.prior
        share, scale = unconditional_share(config.condition), config.log.guidance_scale
        if scale != 1 and share is not None and share < FEW_UNCONDITIONAL:
            yield guidance_note(scale, share)
        if self.deviation is not None and not self.parts.unet.levels:
            yield from deviation_notes(self.deviation, config.loss.sigma_data)
        if config.data.num_frames > 1 and is_frozen(prior, config.data.num_frames):
            yield frozen_note(prior)

    def _about(self) -> dict[str, str]:
        config, parts = self.config, self.parts
        shape = in_words(own_bucket(config.data))
        examples = parts.examples
        if isinstance(examples, VideoExamples) and examples.bucket_of is not None:
            shape = counted(config.data.buckets, examples.bucket_of)
        parameters = sum(average.numel() for average in self.trainer.ema)
        begin = config.init or config.model.diffusers
        images = f" and {config.joint.per_video} images" if config.joint.per_video else ""
        about = {
            "run": str(self.folder.path),
            "network": f"{parameters:,} parameters" + (f", from {begin}" * bool(begin)),
            "data": f"{parts.examples.name}, {len(parts.examples):,} examples, {shape}{images}",
            "prior": parts.prior.spec,
            "device": f"{self.engine.device} x {self.engine.size}, {config.hardware.precision}",
        }
        if parts.latents is not None:
            space = parts.latents.first_stage.space
            height, width = network_sides(sides(config.data.size), space)
            about["latents"] = (
                f"{space.channels} x {height} x {width} of "
                f"{space.vae}@{space.sha256[:12]}, standard deviation {self.deviation:.3g}"
            )
        return about
