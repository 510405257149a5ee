"""The state of a training run and one step of it.

Axes: B samples, T frames of a video, N pictures after it, C channels, H, W.

References: Ge et al., Preserve Your Own Correlation (2023), §3-4; Karras et al. (2022), §5.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from torch import nn

from pyoco_eval.diffusion.loss import EDMLoss
from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.models.network import VideoNetwork
from pyoco_eval.seeding import derive_seed
from pyoco_eval.training.conditions import Conditioner
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.data.draws import Drawing
from pyoco_eval.training.data.latents import Latents, pixels
from pyoco_eval.training.data.samples import Batch
from pyoco_eval.training.ema import ema_weight, update_ema
from pyoco_eval.training.engine import (
    Engine,
    clip_gradients,
    evaluating,
    gradient_norm,
    local,
    part_of,
    placed,
    whole,
)
from pyoco_eval.training.learning_rates import rate_groups, scheduled
from pyoco_eval.training.outputs.checkpoints import Tensors, TrainingState
from pyoco_eval.training.outputs.sharded_state import read_shards, stored_names

_MOMENTS: Final = ("exp_avg", "exp_avg_sq")


class NotFiniteError(PyocoEvalError):
    """The gradient of a step, or a weight, is infinite or no number."""


@dataclass(frozen=True)
class StepResult:
    """Of one step on this process.

    Attributes:
        loss: mean over its samples, float64 on its device.
        gradient_norm: before clipping, of all processes together.
        taken: false where loss or gradient were not finite and the step was skipped.
    """

    loss: torch.Tensor
    gradient_norm: float
    taken: bool = True


class Trainer:
    """Network, average and optimizer of one process.

    Attributes:
        step: steps done, those included that were skipped.
        skipped: steps whose loss or gradient was not finite; `skipped_in_a_row` of late.
        last_rates: the learning rates of the last of them: of all layers, or of those that an image
            model has and then of the temporal ones.
        ema: this process's parts of the averaged weights.
        enlarging: what a network that enlarges is asked; None for others.

    Args:
        config: of the run.
        engine: the processes.
        network: with the weights to start from.
        conditioner: makes what the network is told.
        loss: the objective.
        drawing: of what a batch comes without.
        latents: makes what the network is trained on, where that is not pixels.
    """

    def __init__(
        self,
        config: TrainConfig,
        engine: Engine,
        network: VideoNetwork,
        conditioner: Conditioner,
        loss: EDMLoss,
        drawing: Drawing,
        latents: Latents | None = None,
    ) -> None:
        self.config = config
        self.step = 0
        self.skipped = 0
        self.skipped_in_a_row = 0
        self._engine = engine
        self._conditioner = conditioner
        self._loss = loss
        self._drawing = drawing
        self.enlarging = drawing.enlarging
        self._latents = latents
        rates = config.optimizer
        network = network.to(engine.device).train()
        if config.hardware.compile:
            network.compile()
        self._denoiser = engine.wrap(network.denoiser(config.loss.sigma_data))
        self._names = [name for name, _ in network.named_parameters()]
        by_name = dict(zip(self._names, self._parameters(), strict=True))
        groups = rate_groups(network, config)
        self._peaks = [peak for peak, _ in groups]
        self.last_rates = [0.0 for _ in groups]
        self._trained = [by_name[name] for _, names in groups for name in names]
        self._optimizer = torch.optim.AdamW(
            [{"params": [by_name[name] for name in names]} for _, names in groups],
            lr=rates.lr,
            betas=rates.betas,
            eps=rates.eps,
            weight_decay=rates.weight_decay,
            fused=True,
        )
        self.ema = [local(parameter).detach().clone() for parameter in self._parameters()]

    def train_on(
        self, batch: Batch, given_up: Callable[[], bool] = lambda: False
    ) -> StepResult | None:
        """One optimizer step on this process's samples of the step, and one of the average.

        Args:
            given_up: asked between the passes of an accumulated batch; if true the step is undone
                and None returned. All processes must hear the same.

        Raises:
            NotFiniteError: loss or gradient are not finite, and the config does not skip such
                steps, or there were too many in a row. Nothing has changed then.
        """
        policy, steps = self.config.optimizer, self.config.steps
        self.last_rates = [scheduled(peak, policy, self.step, steps) for peak in self._peaks]
        for group, rate in zip(self._optimizer.param_groups, self.last_rates, strict=True):
            group["lr"] = rate
        parts = batch.split(self.config.hardware.micro_batch or len(batch.numbers))
        total = torch.zeros((), dtype=torch.float64, device=self._engine.device)
        for number, part in enumerate(parts):
            if number and given_up():
                self._denoiser.zero_grad(set_to_none=True)
                return None
            with self._engine.accumulating(self._denoiser, number < len(parts) - 1):
                loss = self.losses(part).sum() / len(batch.numbers)
                torch.autograd.backward(loss)
            total += loss.detach()
        norm = gradient_norm(self._trained)
        (bad,) = self._engine.most(float(not (norm.isfinite() & total.isfinite())))
        if bad:
            self._denoiser.zero_grad(set_to_none=True)
            self._skip(float(norm), float(total))
        else:
            self._take(norm)
        self.step += 1
        return StepResult(total, float(norm), not bad)

    def _take(self, norm: torch.Tensor) -> None:
        if self.config.optimizer.clip_norm is not None:
            clip_gradients(self._trained, self.config.optimizer.clip_norm, norm)
        self._optimizer.step()
        self._denoiser.zero_grad(set_to_none=True)
        self.skipped_in_a_row = 0
        average = self.config.ema
        keep = ema_weight(
            (self.step + 1) * self.config.batch,
            self.config.batch,
            average.halflife_samples,
            average.warmup_ratio,
        )
        update_ema(self.ema, [local(parameter) for parameter in self._parameters()], keep)

    def _skip(self, norm: float, loss: float) -> None:
        policy = self.config.optimizer
        self.skipped += 1
        self.skipped_in_a_row += 1
        if policy.nonfinite == "skip" and self.skipped_in_a_row <= policy.max_skipped:
            return
        row = self.skipped_in_a_row
        what = f"such a step, the {row}th in a row," if row > 1 else "such a step"
        raise NotFiniteError(
            f"step {self.step + 1}: the loss is {loss} and the norm of the gradient {norm}; {what} "
            "would ruin the weights and was not taken. The checkpoints are from before. "
            "Go on without such steps: --set optimizer.nonfinite=skip. If they come again, train "
            "in another folder with a lower optimizer.lr, more optimizer.warmup_steps, or "
            "hardware.precision=fp32"
        )

    def check_finite(self) -> None:
        """All processes together: raises NotFiniteError if a weight or an average is not finite."""
        parts = [local(parameter.detach()) for parameter in self._parameters()] + self.ema
        (bad,) = self._engine.most(float(not all(bool(part.isfinite().all()) for part in parts)))
        if bad:
            raise NotFiniteError(
                f"step {self.step}: weights are infinite or no numbers; nothing of them was "
                "written, the checkpoints are from before. Train in another folder with a lower "
                "optimizer.lr, more optimizer.warmup_steps, or hardware.precision=fp32"
            )

    def losses(self, batch: Batch) -> torch.Tensor:
        """Of each sample of a batch, (B,), with noise, noise levels and drops of their own."""
        device, num_images = self._engine.device, self.config.joint.per_video
        draws = batch.draws or self._drawing(batch.numbers, batch.frames.shape)
        batch = replace(batch, draws=draws)
        clean = self.clean(batch)
        torch.manual_seed(derive_seed(self.config.seed, "dropout", batch.numbers[0]))
        cond = self._conditioner.videos(batch, clean).to(device)
        if self.enlarging is not None:
            assert draws.small is not None
            clean, low = self.enlarging(clean, draws.small)
            cond = replace(cond, low=low)
        image_cond = self._conditioner.images(batch).to(device) if num_images else None
        with self._engine.autocast():
            return self._loss.of(
                draws.sigma,
                draws.noise,
                self._denoiser,
                clean,
                cond,
                num_images=num_images,
                image_cond=image_cond,
            )

    def clean(self, batch: Batch) -> torch.Tensor:
        """What noise is added to, (B, T + N, C, H, W) on this process's device: pixels in [-1, 1],
        or latents.
        """
        if self._latents is None:
            return pixels(batch, self._engine.device)
        return self._latents(batch)

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """The denoiser with the averaged weights, to be evaluated by all processes together.

        Weights and average change places for the time: nothing is gathered, and afterwards both
        are what they were, bit for bit.
        """
        parts = [local(parameter.detach()) for parameter in self._parameters()]
        _exchange(parts, self.ema)
        try:
            with evaluating(self._denoiser) as denoiser:
                yield denoiser
        finally:
            _exchange(parts, self.ema)

    def state(
        self, loss_sum: float = 0.0, loss_count: int = 0, *, gathered: bool = True
    ) -> TrainingState:
        """All that the next step depends on; every process must call this.

        Args:
            loss_sum, loss_count: what the log has not told yet.
            gathered: network and optimizer whole, on the first process alone, as the average
                always is; else this process's parts.
        """
        parameters = self._parameters()
        named = list(zip(self._names, parameters, strict=True))
        weights = {name: parameter.detach() for name, parameter in named}
        optimizer: Tensors = {}
        for name, parameter in named:
            moments = self._optimizer.state.get(parameter, {})
            for moment in _MOMENTS:
                if moment in moments:
                    optimizer[f"{moment}/{name}"] = moments[moment]
        if gathered:
            weights, optimizer = self._gathered(weights), self._gathered(optimizer)
        return TrainingState(
            self.step, weights, self.averages(), optimizer, loss_sum, loss_count, self.skipped
        )

    def averages(self) -> Tensors:
        """The averaged weights by name, whole, on the first process; every one must call this."""
        return self._gathered(self._divided_averages())

    def _divided_averages(self) -> Tensors:
        return {
            name: part_of(average, parameter.detach())
            for name, average, parameter in zip(
                self._names, self.ema, self._parameters(), strict=True
            )
        }

    def _gathered(self, tensors: Tensors) -> Tensors:
        """One after another, so that no device holds more than one whole tensor besides its parts:
        what was divided is kept by the first process, in the memory of its host.
        """
        kept: Tensors = {}
        for name, tensor in tensors.items():
            gathered = whole(tensor)
            if self._engine.is_main:
                kept[name] = gathered if gathered is tensor else gathered.cpu()
        return kept

    def restore(self, state: TrainingState) -> None:
        """Go on from a state; shapes are those of this network."""
        self.step, self.skipped = state.step, state.skipped
        taken = torch.tensor(float(state.step - state.skipped))
        if state.shards is not None:
            self._read_shards(state.shards, taken)
            return
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
                        moments["step"] = taken.to(parameter.device, copy=True)

    @torch.no_grad()
    def _read_shards(self, place: Path, taken: torch.Tensor) -> None:
        stored = stored_names(place)
        tensors = self._divided_averages()
        for name, parameter in zip(self._names, self._parameters(), strict=True):
            tensors[f"network/{name}"] = parameter.detach()
            for moment in _MOMENTS:
                key = f"optimizer/{moment}/{name}"
                if key in stored:
                    moments = self._optimizer.state[parameter]
                    tensors[key] = moments[moment] = torch.zeros_like(parameter.detach())
                    moments["step"] = taken.to(parameter.device, copy=True)
        read_shards(place, tensors, self._engine)

    def _parameters(self) -> list[nn.Parameter]:
        return list(self._denoiser.parameters())


def _exchange(ones: Sequence[torch.Tensor], others: Sequence[torch.Tensor]) -> None:
    for one, other in zip(ones, others, strict=True):
        kept = one.clone()
        one.copy_(other)
        other.copy_(kept)
