"""The loss of the averaged model on held-out samples, at noise levels that stay the same.

Axes: B samples of a pass, M samples in all, L noise levels.

The loss of training jumps about, for every step draws other samples, levels and noise. Here all
three are the same at every step, in every run and whatever the number of processes, so two numbers
differ by what was learnt in between. Nothing is dropped of what the network is told.

The default levels are the middles of five equally likely parts of the levels that are trained on:
their mean estimates what the loss of training would be on these samples.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import torch

from pyoco_eval.diffusion.loss import EDMLoss
from pyoco_eval.errors import UsageError
from pyoco_eval.seeding import torch_generator
from pyoco_eval.training.conditions import Conditioner
from pyoco_eval.training.config import JointConfig, TrainConfig
from pyoco_eval.training.data.batches import Batches
from pyoco_eval.training.data.examples import open_examples
from pyoco_eval.training.data.samples import Batch, TrainingSamples
from pyoco_eval.training.engine import Engine
from pyoco_eval.training.outputs.validation_picture import LEVEL, MEAN
from pyoco_eval.training.trainer import Trainer

_QUANTILES: Final = (0.1, 0.3, 0.5, 0.7, 0.9)


def level_name(sigma: float) -> str:
    """Key of the log for a noise level."""
    return f"{LEVEL}{sigma:.4g}"


def default_sigmas(loss: EDMLoss) -> tuple[float, ...]:
    """Quantiles of the levels that are trained on."""
    return tuple(loss.quantile(share) for share in _QUANTILES)


class Validation:
    """Of one run, in one of its processes.

    Attributes:
        sigmas: the L noise levels.

    Args:
        config: of the run, with `validation.every` above 0.
        class_names: that the network knows.

    Raises:
        UsageError: the data is not there, or has other classes.
    """

    def __init__(
        self,
        config: TrainConfig,
        engine: Engine,
        trainer: Trainer,
        conditioner: Conditioner,
        loss: EDMLoss,
        class_names: tuple[str, ...],
    ) -> None:
        self.sigmas = config.validation.sigmas or default_sigmas(loss)
        self._config = config
        self._engine = engine
        self._trainer = trainer
        self._conditioner = conditioner
        self._loss = loss
        # Not the seed of the run: runs that differ in it are compared on the same samples.
        held_out = replace(config, data=config.validation.data, joint=JointConfig(), seed=0)
        examples = open_examples(held_out.data)
        if class_names and examples.class_names != class_names:
            raise UsageError(
                f"validation.data: the classes of {examples.name} are not those of the training "
                "data; the network knows no others"
            )
        self._samples = TrainingSamples(held_out, examples)

    def due(self, step: int) -> bool:
        """Whether losses are wanted after this step."""
        return step % self._config.validation.every == 0 or step == self._config.steps

    def losses(
        self,
        asked: Callable[[], bool] = lambda: False,
        given_up: Callable[[], bool] = lambda: False,
    ) -> dict[str, float] | None:
        """The mean over samples and levels, and that of each level, by key of the log.

        All processes share the samples and call this together; all get the same.

        Args:
            asked: this process is to stop; a wait for data is then broken off.
            given_up: any process is to stop, and all hear the same. None is returned then.
        """
        count, size = self._config.validation.samples, self._engine.size
        hardware = self._config.hardware
        most = hardware.micro_batch or self._config.batch // size
        passes = math.ceil(count / (size * most))
        each = math.ceil(count / (size * passes))  # all processes make as many passes
        found = torch.zeros(
            count, len(self.sigmas), dtype=torch.float64, device=self._engine.device
        )
        with (
            self._trainer.averaged() as denoiser,
            Batches(
                self._samples,
                range(passes),
                each * size,
                workers=hardware.workers,
                rank=self._engine.rank,
                size=size,
                given_up=asked,
            ) as source,
        ):
            for _ in range(passes):
                batch = source.next_or_none()
                if given_up():
                    return None
                assert batch is not None, "only a process that is asked gives up"
                numbers = [number for number in batch.numbers if number < count]
                losses = self._at_every_level(denoiser, batch)
                found[numbers] = losses[: len(numbers)]
        means = self._engine.added(found).mean(dim=0).tolist()
        named = dict(zip(map(level_name, self.sigmas), means, strict=True))
        return {MEAN: sum(means) / len(means), **named}

    def _at_every_level(self, denoiser: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """(B, L)."""
        clean = self._trainer.clean(batch)
        told = self._conditioner.describe(batch.captions, batch.labels)
        cond = replace(told, known=self._conditioner.known(batch, clean)).to(self._engine.device)
        enlarging = self._trainer.enlarging
        if enlarging is not None:
            seeded = [torch_generator("validation", "small", number) for number in batch.numbers]
            height, width = clean.shape[3:]
            clean, low = enlarging(clean, enlarging.draw(seeded, clean.shape[1], (height, width)))
            cond = replace(cond, low=low)
        columns = []
        for sigma in self.sigmas:
            name = level_name(sigma)
            generators = [torch_generator("validation", name, number) for number in batch.numbers]
            levels = torch.full((len(clean),), sigma)
            with self._engine.autocast():
                columns.append(self._loss.at(levels, denoiser, clean, cond, generators).double())
        return torch.stack(columns, dim=1)
