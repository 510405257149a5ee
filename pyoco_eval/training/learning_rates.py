"""Which weights learn how fast, and how that changes from step to step."""

import math

from pyoco_eval.models.inflation import temporal_names
from pyoco_eval.models.network import VideoNetwork
from pyoco_eval.training.config import OptimizerConfig, TrainConfig
from pyoco_eval.training.network import trained_names


def rate_groups(network: VideoNetwork, config: TrainConfig) -> list[tuple[float, list[str]]]:
    """The rate after the warm-up, and the names of the trained parameters that have it.

    One group of all; with `optimizer.temporal_lr` the layers that an image model has, then the
    temporal ones.
    """
    rates, trained = config.optimizer, trained_names(network, config)
    names = [name for name, _ in network.named_parameters() if name in trained]
    if rates.temporal_lr is None:
        return [(rates.lr, names)]
    temporal = temporal_names(network)
    return [
        (rates.lr, [name for name in names if name not in temporal]),
        (rates.temporal_lr, [name for name in names if name in temporal]),
    ]


def scheduled(peak: float, config: OptimizerConfig, step: int, steps: int) -> float:
    """The rate in step number `step`, from 0, of `steps`, of what has `peak` after the warm-up."""
    if step < config.warmup_steps:
        return peak * (step + 1) / config.warmup_steps
    if config.decay == "constant":
        return peak
    done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * done))
