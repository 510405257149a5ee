"""What is random about training samples: noise level, noise, what is dropped.

Axes: B samples, T frames of a video, N pictures after it; C, H, W of what the network sees.

Every draw has a seed of its own, made of the run's seed and the number of the sample. So it is the
same in whatever process it is made: in those that read samples, while the network works.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from pyoco_eval.diffusion.denoiser import LABELS
from pyoco_eval.diffusion.loss import EDMLoss
from pyoco_eval.models.latent_space import LatentSpace, network_sides
from pyoco_eval.seeding import numpy_generator, torch_generator
from pyoco_eval.training.config import ConditionConfig, TrainConfig
from pyoco_eval.training.data.buckets import buckets_of
from pyoco_eval.training.data.enlarging import ON_HOST, EnlargingTask

Drops = Mapping[str, torch.Tensor]
"""Name of a text encoder, or `LABELS` -> bool (B,): which samples lose it."""

_FLOAT = 4


@dataclass(frozen=True)
class Draws:
    """Of the samples of a batch.

    Attributes:
        sigma: noise levels, float32 (B,).
        noise: of unit variance, float32 (B, T + N, C, H, W).
        drops: of the videos; `image_drops` of the B * N pictures, sample by sample.
        posterior: normal, float32 (B, T + N, C, H, W), which picks latents; None where their means
            are taken.
        small: of the frames that a network enlarges, see `EnlargingTask.draw`; None for others.
    """

    sigma: torch.Tensor
    noise: torch.Tensor
    drops: Drops
    image_drops: Drops
    posterior: torch.Tensor | None = None
    small: Mapping[str, torch.Tensor] | None = None

    def rows(self, own: slice, images: slice) -> "Draws":
        """Those of some samples and of their pictures."""
        return Draws(
            self.sigma[own],
            self.noise[own],
            {name: drop[own] for name, drop in self.drops.items()},
            {name: drop[images] for name, drop in self.image_drops.items()},
            None if self.posterior is None else self.posterior[own],
            None if self.small is None else {name: v[own] for name, v in self.small.items()},
        )

    def moved(self, move: Callable[[torch.Tensor], torch.Tensor]) -> "Draws":
        """With every tensor where `move` puts it."""
        changed: dict[str, Any] = {}
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(value, torch.Tensor):
                changed[part.name] = move(value)
            elif value is not None:
                changed[part.name] = {
                    name: tensor if name in ON_HOST else move(tensor)
                    for name, tensor in value.items()
                }
        return replace(self, **changed)


@dataclass(frozen=True)
class DropDraws:
    """Draws what is dropped.

    Attributes:
        config: how often.
        encoders: names of the text encoders.
        seed: of the run.
    """

    config: ConditionConfig
    encoders: tuple[str, ...]
    seed: int

    def videos(self, numbers: Sequence[int]) -> Drops:
        """Of the samples with these numbers."""
        return self._of([f"{number}" for number in numbers])

    def images(self, numbers: Sequence[int], per_video: int) -> Drops:
        """Of the pictures that go with them, sample by sample."""
        return self._of([f"{number}/{n}" for number in numbers for n in range(per_video)])

    def _of(self, names: Sequence[str]) -> Drops:
        config = self.config
        everything = self._drawn("all", names, config.all_dropout)
        drops = {
            name: self._drawn(f"text/{name}", names, config.text_dropout) | everything
            for name in self.encoders
        }
        if config.labels:
            drops[LABELS] = self._drawn("label", names, config.label_dropout) | everything
        return drops

    def _drawn(self, what: str, names: Sequence[str], probability: float) -> torch.Tensor:
        """bool (B,): which of the samples lose `what`; each draw is the sample's own."""
        if not probability:
            return torch.zeros(len(names), dtype=torch.bool)
        return torch.tensor(
            [numpy_generator(self.seed, "drop", what, n).random() < probability for n in names],
            dtype=torch.bool,
        )


@dataclass(frozen=True)
class Drawing:
    """Draws for any samples of a run; may be handed to other processes.

    Attributes:
        config: of the run.
        loss: whose noise it is.
        drops: what draws the rest.
        space: of the latents; None for pixels.
        enlarging: what a network that enlarges is asked; None for others.
    """

    config: TrainConfig
    loss: EDMLoss
    drops: DropDraws
    space: LatentSpace | None = None
    enlarging: EnlargingTask | None = None

    @property
    def sample_bytes(self) -> int:
        """Of the largest sample, its frames included."""
        pictures = self.config.joint.per_video
        draws = 2 if self._picks_latents else 1
        return max(
            (length + pictures)
            * (3 * height * width + draws * _FLOAT * _size(self._shape(height, width)))
            for length, height, width in buckets_of(self.config.data)
        )

    def __call__(self, numbers: Sequence[int], frames: Sequence[int]) -> Draws:
        """Of the samples `numbers`, whose frames have the shape (B, T + N, height, width, 3)."""
        config, per_video = self.config, self.config.joint.per_video
        shape, total = self._shape(frames[2], frames[3]), frames[1]
        generators = [torch_generator(config.seed, "noise", number) for number in numbers]
        sigma = self.loss.draw_sigmas(generators)  # before the noise, from the same generators
        noise = self.loss.draw_noise(shape, total, generators, num_images=per_video)
        posterior = None
        if self._picks_latents:
            posterior = posterior_draws(config.seed, numbers, (total, *shape))
        small = None
        if self.enlarging is not None:
            seeded = [torch_generator(config.seed, "small", number) for number in numbers]
            small = self.enlarging.draw(seeded, total, (frames[2], frames[3]))
        return Draws(
            sigma,
            noise,
            self.drops.videos(numbers),
            self.drops.images(numbers, per_video),
            posterior,
            small,
        )

    @property
    def _picks_latents(self) -> bool:
        return self.space is not None and self.config.latent.draw == "sample"

    def _shape(self, height: int, width: int) -> tuple[int, int, int]:
        if self.enlarging is not None:
            return 3, *self.enlarging.size(height, width)
        channels = 3 if self.space is None else self.space.channels
        return channels, *network_sides((height, width), self.space)


def posterior_draws(seed: int, numbers: Sequence[int], shape: Sequence[int]) -> torch.Tensor:
    """Which latents of a posterior the samples get: normal, float32 (B, *shape)."""
    return torch.stack(
        [
            torch.randn(tuple(shape), generator=torch_generator(seed, "latent", number))
            for number in numbers
        ]
    )


def _size(shape: Sequence[int]) -> int:
    return int(torch.Size(shape).numel())
