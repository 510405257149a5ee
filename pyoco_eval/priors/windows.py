"""Noise for videos longer than a model was trained on: earlier noise again, in another order.

Axes: T frames.

The first L frames (`length`) have noise of their own. After them come chunks of S frames
(`stride`): a chunk shows the noise maps of the chunk L frames before it, shuffled. So every L
neighbouring frames, counted in chunks, hold the noise of one video of L frames, which is what the
model knows, while far frames stay alike.

    covariance   1 (i = j); 1 / S for frames of two chunks a multiple of L apart; else 0

on average over the shuffles. Given a shuffle, two frames share their noise or do not: it is not
jointly normal.

Reference: Qiu et al., FreeNoise: Tuning-Free Longer Video Diffusion via Noise Rescheduling (2023),
§3.2, local noise shuffling.
"""

from dataclasses import dataclass

import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.priors.base import NoisePrior, frame_lags


@dataclass(frozen=True)
class WindowsPrior(NoisePrior):
    """`windows:length=16,stride=4`.

    Attributes:
        length: L, frames the model was trained on.
        stride: S, frames of a chunk; it divides L.

    Raises:
        UsageError: S does not divide L.
    """

    length: int
    stride: int

    def __post_init__(self) -> None:
        if self.stride < 1 or self.length < 1 or self.length % self.stride:
            raise UsageError(
                f"noise prior {self.spec}: length must be a multiple of stride, both positive"
            )

    @property
    def spec(self) -> str:
        return f"windows:length={self.length},stride={self.stride}"

    @property
    def told_by_frames(self) -> bool:
        return False

    def frame_covariance(self, num_frames: int) -> torch.Tensor:
        same = frame_lags(num_frames) == 0
        chunk = torch.arange(num_frames) // self.stride
        place = chunk % (self.length // self.stride)
        shared = (place[:, None] == place[None]) & (chunk[:, None] != chunk[None])
        return (shared.double() / self.stride).masked_fill(same, 1)

    def _fill(self, frames: torch.Tensor, generator: torch.Generator) -> None:
        for frame in frames[: self.length]:
            frame.normal_(generator=generator)
        for start in range(self.length, len(frames), self.stride):
            source = start - self.length
            order = torch.randperm(self.stride, generator=generator) + source
            chunk = frames[start : start + self.stride]
            chunk.copy_(frames[order[: len(chunk)]])
