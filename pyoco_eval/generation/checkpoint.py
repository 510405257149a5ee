"""A model trained here as a generator of videos from nothing but requests.

Axes: T frames, H, W.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.generation.model_sampler import ModelSampler, steady_threads
from pyoco_eval.generation.open_sampler import model_sampler, refuse_mps
from pyoco_eval.generation.request import GeneratorOptions, Request
from pyoco_eval.models.checkpoint import Model
from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.ensemble import open_model
from pyoco_eval.models.sampling_notes import sampling_notes
from pyoco_eval.videos.frame_size import Size, sides, size_text


class CheckpointGenerator:
    """Videos of a diffusion model.

    Args:
        sampler: of the model.
        num_frames: T; None for the T it was trained on.
        size: of the frames; None for that of the training.
        fps: of the videos; None for the model's.

    Raises:
        UsageError: a network that cannot be sampled on its own, or options that do not fit it.
    """

    def __init__(
        self,
        sampler: ModelSampler,
        *,
        num_frames: int | None = None,
        size: Size | None = None,
        fps: float | None = None,
    ) -> None:
        model, manner = sampler.model, sampler.manner
        info = model.info
        _check_makes_videos(model)
        if info.kind == "image" and num_frames not in (None, 1):
            raise UsageError(f"--num-frames {num_frames}: {model.folder} is an image model")
        self._size = info.size if size is None else sides(size)
        multiple = info.size_multiple
        if any(side % multiple for side in self._size):
            raise UsageError(
                f"--size {size_text(self._size)}: the levels of {model.folder} need multiples of "
                f"{multiple}"
            )
        self._num_frames = num_frames or info.num_frames
        manner.prior.frame_covariance(self._num_frames)
        self._sampler = sampler
        self.fps = float(fps or info.fps)
        notes = sampling_notes(
            info, manner.prior, self._num_frames, manner.guidance_scale, self._size
        )
        shape = {"num_frames": str(self._num_frames), "size": "{}x{}".format(*self._size)}
        self.recipe: Mapping[str, str] = sampler.recipe(shape, list(notes))

    def check(self, requests: Sequence[Request]) -> None:
        """See `ModelSampler.check`."""
        self._sampler.check(requests)

    def generate(self, requests: Sequence[Request]) -> list[np.ndarray]:
        """See `VideoGenerator`.

        On a CPU videos are made one at a time: its kernels, and so the last bits, differ with the
        size of a batch.
        """
        if self._sampler.device.type != "cpu":
            return self._sampler.sample(requests, self._num_frames, self._size)
        with steady_threads():
            return [
                self._sampler.sample([request], self._num_frames, self._size)[0]
                for request in requests
            ]


def _check_makes_videos(model: Model) -> None:
    info, remedy = model.info, "`pyoco-eval upsample` runs it on videos, a cascade on samples"
    if info.unet.known_frames:
        raise UsageError(
            f"{model.folder}: fills in frames between known ones and makes no videos on its own; "
            f"{remedy}"
        )
    if isinstance(info.unet, EfficientConfig):
        raise UsageError(f"{model.folder}: enlarges videos and makes none on its own; {remedy}")


def load_checkpoint(folder: Path, options: GeneratorOptions) -> CheckpointGenerator:
    """The model of a folder, or of a training run, as a generator.

    Raises:
        UsageError: an option that does not fit the model.
        MissingError: the model or one of its text encoders is not there.
        PyocoEvalError: a file is damaged.
    """
    refuse_mps(options.device)
    return CheckpointGenerator(
        model_sampler(open_model(folder, device=options.device), options),
        num_frames=options.num_frames,
        size=options.size,
        fps=options.fps,
    )
