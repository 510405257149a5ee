"""The noise that a pipeline of diffusers starts from: what its `prepare_latents` returns.

Axes: B samples, T frames, C channels, h, w of the latents.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.generation.diffusers_pipeline import open_diffusers_pipeline

_CHANNELS = ("num_channels_latents", "num_channels", "channels", "latent_channels")
_FRAMES = ("num_frames", "video_length", "frames")


def open_pipeline(spec: str) -> Any:
    """The pipeline that `diffusers:PATH-OR-ID` names."""
    return open_diffusers_pipeline(spec)[0]


def latents_of(pipeline: Any) -> Callable[[tuple[int, ...], torch.Generator], torch.Tensor]:
    """Its `prepare_latents` as a function of a shape (B, T, C, h, w) and a generator.

    Heights and widths are given in pixels, as pipelines take them; the noise level that schedulers
    multiply with is taken out again.

    Raises:
        UsageError: the method takes no number of frames, or more than is known of it.
    """
    method = getattr(pipeline, "prepare_latents", None)
    if method is None:
        raise UsageError(f"{type(pipeline).__name__}: has no prepare_latents: it makes no videos")
    name = f"{type(pipeline).__name__}.prepare_latents"
    takes = inspect.signature(method).parameters
    frames, channels = (
        next((word for word in words if word in takes), None) for words in (_FRAMES, _CHANNELS)
    )
    if frames is None or channels is None:
        raise UsageError(f"{name}: takes no number of frames and channels: it makes no videos")
    scale, over_time = _compression(pipeline)

    def draw(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        num_samples, num_frames, num_channels, height, width = shape
        # With as many frames as channels nobody could tell the two axes of the result apart.
        asked = num_frames + (num_frames == num_channels)
        known = {
            "batch_size": num_samples, channels: num_channels,
            frames: (asked - 1) * over_time + 1,
            "height": height * scale, "width": width * scale,
            "dtype": torch.float32, "device": torch.device("cpu"), "generator": generator,
            "latents": None,
        }  # fmt: skip
        needs = {
            n for n, p in takes.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD
        }
        if unknown := sorted(needs - known.keys()):
            raise UsageError(f"{name}: needs {', '.join(unknown)}, which is not known here")
        found = method(**{word: value for word, value in known.items() if word in takes})
        found = found[0] if isinstance(found, tuple) else found
        noise = _frames_first(found, (num_samples, asked, *shape[2:]), name)[:, :num_frames]
        return noise / float(getattr(pipeline.scheduler, "init_noise_sigma", 1.0))

    return draw


def _compression(pipeline: Any) -> tuple[int, int]:
    """Pixels a latent spans in space, and frames in time."""
    space = getattr(pipeline, "vae_scale_factor_spatial", getattr(pipeline, "vae_scale_factor", 8))
    time = getattr(pipeline, "vae_scale_factor_temporal", 1)
    return int(space), int(time)


def _frames_first(found: torch.Tensor, shape: tuple[int, ...], name: str) -> torch.Tensor:
    if found.shape == shape:
        return found
    swapped = found.transpose(1, 2) if found.ndim == 5 else found
    if swapped.shape == shape:
        return swapped
    raise PyocoEvalError(
        f"{name}: returns shape {tuple(found.shape)} for (B, T, C, h, w) = {shape}"
    )
