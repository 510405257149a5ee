"""The state of a training run and one step of it.

Axes: B samples, T frames of a video, N pictures after it, C channels, H, W.

References: Ge et al., Preserve Your Own Correlation (2023), §3-4; Karras et al. (2022), §5.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import nn

from pyoco_eval.diffusion.loss import EDMLoss
from pyoco_eval.diffusion.precondition import EDMDenoiser
from pyoco_eval.models.unet import VideoUNet
from pyoco_eval.seeding import derive_seed, torch_generator
from pyoco_eval.training.conditions import Conditioner
from pyoco_eval.training.config import OptimizerConfig, TrainConfig
from pyoco_eval.training.ema import ema_weight, update_ema
from pyoco_eval.training.engine import Engine, clip_gradients, local, placed, whole
from pyoco_eval.training.network import trained_names
from pyoco_eval.training.samples import Batch
from pyoco_eval.training.state_folder import Tensors, TrainingState

_MOMENTS: Final = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class StepResult:
    """Of one step on this process.

    Attributes:
        loss: mean over its samples, float64 on its device.
        gradient_norm: before clipping; None without.
    """

    loss: torch.Tensor
    gradient_norm: torch.Tensor | None


class Trainer:
    """Network, average and optimizer of one process.

    Attributes:
        step: steps done.
        last_rate: the learning rate of the last of them.
        ema: this process's parts of the averaged weights.

    Args:
        config: of the run.
        engine: the processes.
        network: with the weights to start from.
        conditioner: makes what the network is told.
        loss: the objective.
    """

    def __init__(
        self,
        config: TrainConfig,
        engine: Engine,
        network: VideoUNet,
        conditioner: Conditioner,
        loss: EDMLoss,
    ) -> None:
        self.config = config
        self.step = 0
        self.last_rate = 0.0
        self._engine = engine
        self._conditioner = conditioner
        self._loss = loss
        rates = config.optimizer
        network = network.to(engine.device).train()
        if config.hardware.compile:
            network.compile()
        self._denoiser = engine.wrap(EDMDenoiser(network, config.loss.sigma_data))
        trained = trained_names(network, config)
        self._names = [name for name, _ in network.named_parameters()]
        self._trained = [
            parameter
            for name, parameter in zip(self._names, self._parameters(), strict=True)
            if name in trained
        ]
        self._optimizer = torch.optim.AdamW(
            self._trained,
            lr=rates.lr,
            betas=rates.betas,
            eps=rates.eps,
            weight_decay=rates.weight_decay,
            fused=True,
        )
        self.ema = [local(parameter).detach().clone() for parameter in self._parameters()]

    def train_on(self, batch: Batch) -> StepResult:
        """One optimizer step on this process's samples of the step, and one of the average."""
        rate = learning_rate(self.config.optimizer, self.step, self.config.steps)
        self.last_rate = rate
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        parts = batch.split(self.config.hardware.micro_batch or len(batch.numbers))
        total = torch.zeros((), dtype=torch.float64, device=self._engine.device)
        for number, part in enumerate(parts):
            with self._engine.accumulating(self._denoiser, number < len(parts) - 1):
                loss = self.losses(part).sum() / len(batch.numbers)
                torch.autograd.backward(loss)
            total += loss.detach()
        norm = None
        if self.config.optimizer.clip_norm is not None:
            norm = clip_gradients(self._trained, self.config.optimizer.clip_norm)
        self._optimizer.step()
        self._denoiser.zero_grad(set_to_none=True)
        self.step += 1
        average = self.config.ema
        keep = ema_weight(
            self.step * self.config.batch,
            self.config.batch,
            average.halflife_samples,
            average.warmup_ratio,
        )
        update_ema(self.ema, [local(parameter) for parameter in self._parameters()], keep)
        return StepResult(total, norm)

    def losses(self, batch: Batch) -> torch.Tensor:
        """Of each sample of a batch, (B,), with noise, noise levels and drops of their own."""
        device, seed = self._engine.device, self.config.seed
        clean = batch.frames.to(device, non_blocking=True).permute(0, 1, 4, 2, 3)
        clean = clean.float() / 127.5 - 1
        generators = [torch_generator(seed, "noise", number) for number in batch.numbers]
        num_images = self.config.joint.per_video
        torch.manual_seed(derive_seed(seed, "dropout", batch.numbers[0]))
        cond = self._conditioner.videos(batch).to(device)
        image_cond = self._conditioner.images(batch).to(device) if num_images else None
        with self._engine.autocast():
            return self._loss(
                self._denoiser,
                clean,
                cond,
                generators,
                num_images=num_images,
                image_cond=image_cond,
            )

    def state(self, loss_sum: float = 0.0, loss_count: int = 0) -> TrainingState:
        """All that the next step depends on, gathered whole; every process must call this.

        Args:
            loss_sum, loss_count: what the log has not told yet.
        """
        parameters = self._parameters()
        named = list(zip(self._names, parameters, strict=True))
        optimizer: Tensors = {}
        for name, parameter in named:
            moments = self._optimizer.state.get(parameter, {})
            for moment in _MOMENTS:
                if moment in moments:
                    optimizer[f"{moment}/{name}"] = whole(moments[moment])
        weights = {name: whole(parameter.detach()) for name, parameter in named}
        return TrainingState(self.step, weights, self.averages(), optimizer, loss_sum, loss_count)

    def averages(self) -> Tensors:
        """The averaged weights by name, gathered whole; every process must call this."""
        found = {}
        for name, average, parameter in zip(self._names, self.ema, self._parameters(), strict=True):
            if average.shape == parameter.shape:
                found[name] = average
            else:
                found[name] = whole(_sharded(average, parameter))
        return found

    def restore(self, state: TrainingState) -> None:
        """Go on from a state; shapes are those of this network."""
        self.step = state.step
        with torch.no_grad():
            for place, (name, parameter) in enumerate(
                zip(self._names, self._parameters(), strict=True)
            ):
                parameter.copy_(placed(state.network[name], parameter))
                self.ema[place] = local(placed(state.ema[name], parameter.detach()))
                moments = self._optimizer.state[parameter]
                for moment in _MOMENTS:
                    if f"{moment}/{name}" in state.optimizer:
                        stored = state.optimizer[f"{moment}/{name}"]
                        moments[moment] = placed(stored, parameter.detach())
                        moments["step"] = torch.tensor(float(state.step), device=parameter.device)

    def _parameters(self) -> list[nn.Parameter]:
        return list(self._denoiser.parameters())


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """Of step number `step`, from 0, of `steps`."""
    rate = config.lr
    if step < config.warmup_steps:
        return rate * (step + 1) / config.warmup_steps
    if config.decay == "constant":
        return rate
    done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    return rate * 0.5 * (1 + math.cos(math.pi * done))


def _sharded(part: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A process's part as the sharded tensor it belongs to, laid out as `like`."""
    from torch.distributed.tensor import DTensor

    assert isinstance(like, DTensor)
    return DTensor.from_local(
        part, like.device_mesh, like.placements, shape=like.shape, stride=like.stride()
    )
