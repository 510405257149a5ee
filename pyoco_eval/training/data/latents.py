"""Batches as a network sees them: pixels, or the latents of a frozen first stage.

Axes: B samples, T frames of a video and the pictures after it, C channels, H, W in pixels; c
channels, h, w of latents.

A latent is the mean of the VAE's posterior, or a draw from it with the sample's own seed: the same
sample has the same latents in any process and after any restart, and other draws in every epoch.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import torch

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.models.checkpoint import INFO, read_info
from pyoco_eval.models.first_stage import FirstStage, open_first_stage
from pyoco_eval.models.latent_space import LatentSpace, in_words, same_space
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.data.draws import posterior_draws
from pyoco_eval.training.data.latent_cache import LatentCache
from pyoco_eval.training.data.samples import Batch, TrainingSamples, collate

_MEASURED = 8
_NOTED_RATIO = 1.25
"""A `loss.sigma_data` further from the deviation of the data than this is noted."""


def pixels(batch: Batch, device: torch.device | str) -> torch.Tensor:
    """Frames (B, T, 3, H, W) in [-1, 1]."""
    frames = batch.frames.to(device, non_blocking=True).permute(0, 1, 4, 2, 3)
    return frames.float() / 127.5 - 1


class Latents:
    """Makes the latents of batches.

    Attributes:
        first_stage: on the device of the run.

    Args:
        config: of the run, with a `latent.vae`.
        device: of the run.

    Raises:
        UsageError: no `AutoencoderKL`.
        MissingError: diffusers or the files are not there.
        PyocoEvalError: damaged files.
    """

    def __init__(self, config: TrainConfig, device: torch.device | str) -> None:
        latent = config.latent
        assert latent.vae is not None
        self.first_stage: FirstStage = open_first_stage(
            latent.vae,
            device,
            f"latent.vae: {latent.vae}",
            scaling_factor=latent.scaling_factor,
            frames_at_once=latent.frames_at_once,
        )
        self._seed = config.seed
        self._draws = latent.draw == "sample"
        self._cache = (
            None if latent.cache is None else LatentCache(latent.cache, self.first_stage.space)
        )

    def __call__(self, batch: Batch) -> torch.Tensor:
        """float32 (B, T, c, h, w), on the device of the run.

        Raises:
            PyocoEvalError: the cache is damaged or cannot be written.
        """
        frames = batch.frames.reshape(-1, *batch.frames.shape[2:])
        if self._cache is None:
            moments = self._moments(frames)
        else:
            moments = self._cache.moments(frames, self._moments).to(self.first_stage.device)
        moments = moments.reshape(*batch.frames.shape[:2], *moments.shape[1:])
        mean: torch.Tensor = moments[:, :, 0]
        deviation = moments[:, :, 1]
        if not self._draws:
            return mean.contiguous()
        noise = None if batch.draws is None else batch.draws.posterior
        if noise is None:
            noise = posterior_draws(self._seed, batch.numbers, mean.shape[1:])
        return mean + deviation * noise.to(deviation)

    def deviation(self, samples: TrainingSamples) -> float:
        """Standard deviation over all values of the first samples.

        Raises:
            PyocoEvalError: one of them cannot be had.
        """
        values = []
        for number in range(_MEASURED):
            batch = collate([samples[number]])
            if isinstance(batch, PyocoEvalError):
                raise batch
            values.append(self(batch).flatten())
        return float(torch.cat(values).std())

    def _moments(self, frames: torch.Tensor) -> torch.Tensor:
        """(N, 2, c, h, w) of frames uint8 (N, H, W, 3)."""
        return self.first_stage.moments(frames.permute(0, 3, 1, 2).float() / 127.5 - 1)


def check_same_space(checkpoint: Path, space: LatentSpace | None) -> None:
    """Hold the VAE of a run against that of its checkpoint, whatever their places.

    Raises:
        UsageError: they differ.
    """
    if not (checkpoint / INFO).is_file():  # written before checkpoints had descriptions
        return
    before = read_info(checkpoint)[0].latent
    if same_space(before, space):
        return
    raise UsageError(
        f"latent.vae: the run began with {in_words(before)}, and goes on with {in_words(space)}: "
        "its weights are of the former. Name the same files, or train in another folder"
    )


def deviation_notes(deviation: float, sigma_data: float) -> Iterator[str]:
    """A sentence where `loss.sigma_data` is not what the data has."""
    if not abs(math.log(max(deviation, 1e-12) / sigma_data)) < math.log(_NOTED_RATIO):
        yield (
            f"latents of the first samples have a standard deviation of {deviation:.3g}, and "
            f"loss.sigma_data is {sigma_data:g}: preconditioning and noise levels are made for "
            f"that; set loss.sigma_data={deviation:.2g}, or a latent.scaling_factor that makes "
            "it so"
        )
