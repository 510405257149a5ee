"""From the name of a generator to the generator."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.generation.request import VideoGenerator
from pyoco_eval.videos.frame_size import Size, sides

_OPTIONS: Final = {"call": "--set", "embeddings": "--text-embeddings"}
"""Options of the command line that are called otherwise."""


@dataclass(frozen=True)
class GeneratorOptions:
    """How to generate; what does not apply to a kind of generator is refused, not ignored.

    Attributes:
        device: where networks run.
        precision: `fp32` or `bf16`.
        sampler, prior: specs for own checkpoints; None for the model's own.
        guidance_scale: 1 for none; None for the generator's default.
        num_frames: T; None for the generator's default.
        size: of the frames, a side or (height, width); None for the generator's default.
        fps: of the videos; None for the generator's default.
        embeddings: folder of precomputed text embeddings, for own checkpoints.
        call: further arguments of a diffusers pipeline's call.
    """

    device: torch.device | str = "cpu"
    precision: str = "fp32"
    sampler: str | None = None
    prior: str | None = None
    guidance_scale: float | None = None
    num_frames: int | None = None
    size: Size | None = None
    fps: float | None = None
    embeddings: Path | None = None
    call: Mapping[str, float] = field(default_factory=dict)

    def refuse(self, spec: str, *names: str) -> None:
        """Raises UsageError if one of `names` is set, which has no meaning for `spec`."""
        for name in names:
            if getattr(self, name) not in (None, {}, "fp32"):
                option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
                raise UsageError(f"{option} {getattr(self, name)}: has no meaning for {spec}")


def open_generator(spec: str | Path, options: GeneratorOptions | None = None) -> VideoGenerator:
    """A generator, ready to use.

    Args:
        spec: a folder of `pyoco_eval.models.checkpoint` or a training run; `diffusers:PATH-OR-ID`;
            or `python:package.module:callable`.
        options: see `GeneratorOptions`.

    Raises:
        UsageError: an option that has no meaning for it.
        MissingError: a package or the model is not there.
        PyocoEvalError: a model that cannot be read.
    """
    options = options or GeneratorOptions()
    name = str(spec)
    if name.startswith("python:"):
        from pyoco_eval.generation.python_callable import load_callable

        options.refuse(
            name,
            "precision", "sampler", "prior", "guidance_scale", "num_frames", "size",
            "embeddings", "call",
        )  # fmt: skip
        return load_callable(name, fps=options.fps)
    if name.startswith("diffusers:"):
        from pyoco_eval.generation.diffusers_pipeline import DEFAULT_FPS, load_diffusers

        options.refuse(name, "sampler", "prior", "embeddings")
        call = dict(options.call)
        if options.guidance_scale is not None:
            call["guidance_scale"] = options.guidance_scale
        if options.num_frames is not None:
            call["num_frames"] = options.num_frames
        if options.size is not None:
            if {"height", "width"} & call.keys():
                raise UsageError("--size and --set height or width: give one of them")
            call["height"], call["width"] = sides(options.size)
        return load_diffusers(
            name,
            device=options.device,
            dtype=torch.bfloat16 if options.precision == "bf16" else torch.float32,
            options=call,
            fps=options.fps or DEFAULT_FPS,
        )
    from pyoco_eval.generation.checkpoint import load_checkpoint

    options.refuse(name, "call")
    return load_checkpoint(Path(spec), options)
