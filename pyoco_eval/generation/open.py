"""From the name of a generator to the generator."""

from pathlib import Path

import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.generation.request import GeneratorOptions, VideoGenerator
from pyoco_eval.videos.frame_size import sides


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
            "precision", "tf32", "compile", "sampler", "prior", "guidance_scale", "num_frames",
            "size", "embeddings", "call",
        )  # fmt: skip
        return load_callable(name, fps=options.fps)
    if name.startswith("diffusers:"):
        from pyoco_eval.generation.diffusers_pipeline import DEFAULT_FPS, load_diffusers

        options.refuse(name, "compile", "sampler", "embeddings")
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
            tf32=options.tf32,
            prior=options.prior,
        )
    from pyoco_eval.generation.checkpoint import load_checkpoint

    options.refuse(name, "call")
    return load_checkpoint(Path(spec), options)
