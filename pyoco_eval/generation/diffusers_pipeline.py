"""Pipelines of diffusers as generators: `diffusers:PATH-OR-ID`.

Text-to-video pipelines give videos; image pipelines give videos of one frame, for metrics of
frames. Each sample has a generator of its own on the CPU, so that its noise is its own.

Axes: B batch, T frames, H, W; three channels RGB.
"""

import importlib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from pyoco_eval.devices import refuse_faulty_conv3d
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.features.loading.torchvision_operators import import_torchvision
from pyoco_eval.generation.pipeline_noise import PipelineNoise, pipeline_noise
from pyoco_eval.generation.request import Request
from pyoco_eval.models.hub import folder_digest, model_folder
from pyoco_eval.products import products

DEFAULT_FPS: Final = 8.0
_FILES: Final = (
    "model_index.json",
    "**/*.json",
    "**/*.safetensors",
    "**/*.txt",
    "**/*.model",
)
_OWN: Final = {"prompt", "class_labels", "batch_size", "generator", "output_type"}
"""Arguments of a pipeline that are not the user's to set."""


class DiffusersGenerator:
    """Videos of a diffusers pipeline.

    Args:
        pipeline: on its device.
        spec: how the user named it.
        model: hash of its files.
        options: further arguments of its call, such as num_frames, height, guidance_scale or
            num_inference_steps; what it does not take is refused.
        fps: of the videos; pipelines do not say.
        tf32: see `GeneratorOptions`.
        noise: what videos start from; None for noise of the pipeline's own.

    Raises:
        UsageError: the pipeline needs inputs besides text or class, or does not take an option.
    """

    def __init__(
        self,
        pipeline: Any,
        spec: str,
        model: str,
        *,
        options: Mapping[str, float] | None = None,
        fps: float = DEFAULT_FPS,
        tf32: bool = False,
        noise: PipelineNoise | None = None,
    ) -> None:
        self._tf32 = tf32
        self._pipeline = pipeline
        self._noise = noise
        self._options = {**(noise.call if noise is not None else {}), **(options or {})}
        self.fps = float(fps)
        parameters = inspect.signature(pipeline.__call__).parameters
        self._takes = {name for name in ("prompt", "class_labels") if name in parameters}
        named = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        foreign = [
            name
            for name in named
            if parameters[name].default is inspect.Parameter.empty and name not in _OWN
        ]
        if foreign or "generator" not in named or {"image", "video"} & set(named):
            needs = ", ".join(foreign or sorted({"image", "video"} & set(named))) or "no generator"
            raise UsageError(
                f"{spec}: {type(pipeline).__name__} takes {needs}; only pipelines from text, from "
                "classes or from noise alone, with a random generator of their own, can be used"
            )
        unknown = [name for name in self._options if name not in named or name in _OWN]
        if unknown:
            raise UsageError(
                f"{spec}: {type(pipeline).__name__} takes no {', '.join(unknown)}; it takes "
                f"{', '.join(name for name in named if name not in _OWN)}"
            )
        self.recipe: Mapping[str, str] = {
            "generator": spec.partition(":")[0],
            "model": model,
            "pipeline": type(pipeline).__name__,
            "diffusers": importlib.import_module("diffusers").__version__,
            "sampler": _scheduler(pipeline),
            **({"prior": noise.prior.spec} if noise is not None else {}),
            **({"tf32": "on"} if tf32 else {}),
            **{name: f"{value:g}" for name, value in sorted(self._options.items())},
        }

    def check(self, requests: Sequence[Request]) -> None:
        """Raises UsageError for requests without what the pipeline needs, or with more."""
        name = type(self._pipeline).__name__
        for request in requests:
            if ("prompt" in self._takes) != (request.prompt is not None):
                what = "needs a prompt" if "prompt" in self._takes else "takes no prompt"
                raise UsageError(f"request {request.index}: {name} {what}")
            if "class_labels" in self._takes and request.label is None:
                raise UsageError(f"request {request.index}: {name} needs a class label")

    def generate(self, requests: Sequence[Request]) -> list[np.ndarray]:
        """See `VideoGenerator`. On a CPU videos are made one at a time."""
        if torch.device(self._pipeline.device).type == "cpu" or not self._takes:
            return [self._call([request])[0] for request in requests]
        return self._call(requests)

    def _call(self, requests: Sequence[Request]) -> list[np.ndarray]:
        given: dict[str, Any] = dict(self._options)
        if "prompt" in self._takes:
            given["prompt"] = [request.prompt for request in requests]
        if "class_labels" in self._takes:
            given["class_labels"] = [request.label for request in requests]
        given["generator"] = [torch.Generator().manual_seed(request.seed) for request in requests]
        if self._noise is not None:
            latents = self._noise.latents(self._pipeline, self._options, given["generator"])
            given["latents"] = latents.to(self._pipeline.device)
        if not self._takes:
            given["generator"] = given["generator"][0]
        with torch.inference_mode(), products(tf32=self._tf32):
            output = self._pipeline(**given, output_type="np")
        return _as_videos(output, len(requests), str(self.recipe["pipeline"]))


def load_diffusers(
    spec: str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    options: Mapping[str, float] | None = None,
    fps: float = DEFAULT_FPS,
    tf32: bool = False,
    prior: str | None = None,
) -> DiffusersGenerator:
    """The pipeline that `diffusers:PATH-OR-ID` names. No code of the model's own is run.

    Videos start from noise of `prior`; without one from that of the export's `noise.json`; without
    either from what the pipeline draws.

    Raises:
        UsageError: not such a spec, or a pipeline that cannot be used.
        MissingError: diffusers or the model is not there.
        PyocoEvalError: the folder cannot be read as a pipeline.
    """
    pipeline, folder = open_diffusers_pipeline(spec, dtype)
    if dtype == torch.bfloat16:
        networks = (part for part in pipeline.components.values() if isinstance(part, nn.Module))
        refuse_faulty_conv3d(networks, torch.device(device))
    pipeline.set_progress_bar_config(disable=True)
    model = folder_digest(folder, _FILES)
    noise = pipeline_noise(folder, pipeline, prior)
    return DiffusersGenerator(
        pipeline.to(device), spec, model, options=options, fps=fps, tf32=tf32, noise=noise
    )


def open_diffusers_pipeline(spec: str, dtype: torch.dtype = torch.float32) -> tuple[Any, Path]:
    """The pipeline that `diffusers:PATH-OR-ID` names, and its folder; see `load_diffusers`."""
    _, _, place = spec.partition(":")
    if not place:
        raise UsageError(f"generator {spec!r}: write diffusers:PATH-OR-ID")
    diffusers = _import_diffusers()
    folder = model_folder(place, _FILES, spec)
    if not (folder / "model_index.json").is_file():
        raise PyocoEvalError(
            f"{spec}: {folder} has no model_index.json, which a folder of a diffusers pipeline has"
        )
    try:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True
        )
    except Exception as error:  # whatever one of many classes says of one of many files
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise PyocoEvalError(f"{spec}: {folder} cannot be read as a pipeline: {reason}") from error
    return pipeline, folder


def _import_diffusers() -> Any:
    import_torchvision()
    try:
        diffusers = importlib.import_module("diffusers")
    except ImportError as error:
        raise MissingError(
            f"diffusers cannot be imported ({error}): pip install 'pyoco-eval[diffusers]'"
        ) from error
    diffusers.utils.logging.disable_progress_bar()
    return diffusers


def _scheduler(pipeline: Any) -> str:
    return type(pipeline.scheduler).__name__ if hasattr(pipeline, "scheduler") else "none"


def _as_videos(output: Any, count: int, name: str) -> list[np.ndarray]:
    """The output's frames (B, T, H, W, 3) or images (B, H, W, 3), of 0 to 1, as uint8 videos."""
    found = getattr(output, "frames", None)
    if found is None and getattr(output, "images", None) is not None:
        found = [np.asarray(image)[None] for image in output.images]
    if found is None or len(found) != count:
        raise PyocoEvalError(f"{name}: returned no frames or images, one for each request")
    videos = [np.asarray(video) for video in found]
    if any(not np.issubdtype(v.dtype, np.floating) or not np.isfinite(v).all() for v in videos):
        raise PyocoEvalError(f"{name}: returned values that are not finite numbers of 0 to 1")
    return [(video * 255).round().clip(0, 255).astype(np.uint8) for video in videos]
