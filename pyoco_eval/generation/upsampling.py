"""A model that needs videos as a generator: frames between frames, or larger frames.

Every video is made from one that is there. With stage frames known exactly, noise is drawn for all
frames together and the known ones stay what they are (docs/cascade.md says why that is right).

Axes: B batch, T frames, C channels, H, W.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np
import torch

from pyoco_eval.diffusion.augmentation import HIGHEST, augmented
from pyoco_eval.diffusion.denoiser import Conditioning, KnownFrames
from pyoco_eval.errors import UsageError
from pyoco_eval.generation.model_sampler import ModelSampler, steady_threads
from pyoco_eval.generation.request import Request
from pyoco_eval.models.checkpoint import Model, ModelInfo
from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.efficient_unet import EfficientUNet
from pyoco_eval.models.sampling_notes import sampling_notes
from pyoco_eval.priors import IndependentPrior
from pyoco_eval.seeding import torch_generator
from pyoco_eval.videos.frame_size import size_text

Shape = tuple[int, int, int]
"""T, H, W of a video."""

Inputs = Callable[[Request], np.ndarray]
"""The video that one is made from: uint8 (T, H, W, 3)."""


class UpsamplingTask(Protocol):
    """What a network makes of a video."""

    @property
    def stream(self) -> str:
        """Names its random numbers."""
        ...

    def shape(self, given: Shape) -> Shape:
        """Of what is made of a video."""
        ...

    def told(self, frames: torch.Tensor, seeds: Sequence[int]) -> Conditioning:
        """What the network is told of videos (B, T, 3, H, W) in [-1, 1]."""
        ...

    def recipe(self) -> Mapping[str, str]:
        """Entries of the recipe."""
        ...


@dataclass(frozen=True)
class Interpolation(UpsamplingTask):
    """Frames between frames.

    Attributes:
        every: distance of the known frames in what is made: 5 puts four between two.
    """

    every: int

    @property
    def stream(self) -> str:
        return f"interpolate/{self.every}"

    def shape(self, given: Shape) -> Shape:
        return (given[0] - 1) * self.every + 1, *given[1:]

    def told(self, frames: torch.Tensor, seeds: Sequence[int]) -> Conditioning:
        del seeds
        length = self.shape((frames.shape[1], 0, 0))[0]
        known = frames.new_zeros(len(frames), length, *frames.shape[2:])
        mask = torch.zeros(known.shape[:2], dtype=torch.bool)
        known[:, :: self.every], mask[:, :: self.every] = frames, True
        return Conditioning(known=KnownFrames(known, mask))

    def recipe(self) -> Mapping[str, str]:
        return {"task": "interpolation", "every": str(self.every)}


@dataclass(frozen=True)
class Enlargement(UpsamplingTask):
    """Larger frames.

    Attributes:
        factor: of height and width.
        augmentation: share of noise in the frames that the network is told.
    """

    factor: int
    augmentation: float

    @property
    def stream(self) -> str:
        return f"enlarge/{self.factor}"

    def shape(self, given: Shape) -> Shape:
        return given[0], given[1] * self.factor, given[2] * self.factor

    def told(self, frames: torch.Tensor, seeds: Sequence[int]) -> Conditioning:
        sized = f"{frames.shape[3]}x{frames.shape[4]}"  # each stage of a cascade has its own noise
        generators = [torch_generator("augmentation", sized, seed) for seed in seeds]
        num_frames, *size = frames.shape[1:]
        noise = IndependentPrior().sample((size[0], size[1], size[2]), num_frames, generators)
        share = torch.full((len(frames),), self.augmentation)
        return Conditioning(low=augmented(frames, share, noise))

    def recipe(self) -> Mapping[str, str]:
        return {
            "task": "super-resolution",
            "factor": str(self.factor),
            "augmentation": f"{self.augmentation:g}",
        }


def task_of(
    info: ModelInfo, place: object, *, every: int | None, augmentation: float | None
) -> UpsamplingTask:
    """What a model is for.

    Args:
        place: of the model, for messages.
        every: of the known frames; None for the distance it was trained at.
        augmentation: share of noise for a network that enlarges; None for 0.

    Raises:
        UsageError: it makes videos from nothing, or an option that is not for it.
    """
    enlarges = isinstance(info.unet, EfficientConfig)
    if every is not None and not info.unet.known_frames:
        raise UsageError(f"every {every}: {place} does not fill in frames")
    if augmentation is not None and not enlarges:
        raise UsageError(f"augmentation {augmentation:g}: {place} does not enlarge frames")
    if isinstance(info.unet, EfficientConfig):
        share = augmentation or 0.0
        if not 0 <= share <= HIGHEST:
            raise UsageError(f"augmentation {share:g}: is a share of noise, 0 to {HIGHEST}")
        return Enlargement(info.unet.factor, share)
    if not info.unet.known_frames:
        raise UsageError(
            f"{place}: makes videos from nothing; `pyoco-eval sample` does, and in a cascade it "
            "is the first stage"
        )
    config = info.provenance.get("config", {})
    trained = config.get("condition", {}).get("known_every") if isinstance(config, dict) else None
    distance = every or trained
    if type(distance) is not int or distance < 2:
        raise UsageError(f"{place}: say how far known frames are apart: every=5, at least 2")
    return Interpolation(distance)


class UpsamplingGenerator:
    """Videos from videos.

    Args:
        sampler: of a model that needs videos.
        task: what it makes of them.
        inputs: reads them.
        shapes: T, H, W of the videos there are, for checks beforehand.
        fps: of the videos that are given.
        given: recipe of the videos that are given, by name.

    Raises:
        UsageError: videos that the network cannot take.
    """

    def __init__(
        self,
        sampler: ModelSampler,
        task: UpsamplingTask,
        inputs: Inputs,
        shapes: Sequence[Shape],
        *,
        fps: float,
        given: Mapping[str, str],
    ) -> None:
        model, manner = sampler.model, sampler.manner
        self._sampler, self._task, self._inputs = sampler, task, inputs
        notes: dict[str, None] = {}
        for shape in sorted(set(shapes)):
            made = task.shape(shape)
            check_shape(model, shape, made)
            manner.prior.frame_covariance(made[0])
            found = sampling_notes(
                model.info, manner.prior, made[0], manner.guidance_scale, made[1:]
            )
            notes |= dict.fromkeys(found)
        self.fps = fps * (task.every if isinstance(task, Interpolation) else 1)
        self.recipe: Mapping[str, str] = {
            **sampler.recipe(task.recipe(), list(notes)),
            **{f"from:{key}": value for key, value in given.items()},
        }

    def check(self, requests: Sequence[Request]) -> None:
        """See `ModelSampler.check`."""
        self._sampler.check(requests)

    def generate(self, requests: Sequence[Request]) -> list[np.ndarray]:
        """See `VideoGenerator`: on a CPU one at a time, elsewhere those of one shape together."""
        videos = [(request, self._inputs(request)) for request in requests]
        if self._sampler.device.type == "cpu":
            with steady_threads():
                return [self._made([request], [frames])[0] for request, frames in videos]
        made: list[np.ndarray] = []
        for _, group in groupby(videos, key=lambda video: video[1].shape):
            asked, given = zip(*group, strict=True)
            made += self._made(asked, given)
        return made

    def _made(self, requests: Sequence[Request], videos: Sequence[np.ndarray]) -> list[np.ndarray]:
        frames = torch.from_numpy(np.stack(videos)).movedim(-1, 2).float() / 127.5 - 1
        length, height, width = self._task.shape((frames.shape[1], *frames.shape[3:]))
        told = self._task.told(frames, [request.seed for request in requests])
        return self._sampler.sample(requests, length, (height, width), told, self._task.stream)


def check_shape(model: Model, given: Shape, made: Shape) -> None:
    """Raises UsageError if a network cannot make a video of this shape of one of that."""
    multiple = model.info.size_multiple
    if any(side % multiple for side in made[1:]):
        factor = made[1] // given[1]
        raise UsageError(
            f"videos of {size_text(given[1:])}: {model.folder} takes multiples of "
            f"{max(1, multiple // factor)}; --input-size resizes them first"
        )
    if made[0] < 2 and model.info.unet.known_frames:
        raise UsageError(f"a video of one frame: {model.folder} fills in frames between two")


def set_frames_at_once(model: Model, count: int) -> None:
    """Let networks that enlarge take so many frames at a time; 0 for all together.

    Raises:
        UsageError: the model has no such network.
    """
    for network in model.networks:
        if not isinstance(network, EfficientUNet):
            if not count:
                continue
            raise UsageError(f"frames_at_once {count}: {model.folder} does not enlarge frames")
        network.frames_at_once = count
