"""From a loaded model and options to its sampler: encoders, prior, precision, first stage."""

from collections.abc import Sequence
from typing import Final

import torch

from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.errors import UsageError
from pyoco_eval.generation.model_sampler import Manner, ModelSampler
from pyoco_eval.generation.request import GeneratorOptions
from pyoco_eval.models.checkpoint import Model
from pyoco_eval.models.first_stage import find_first_stage
from pyoco_eval.models.motion_config import MotionConfig
from pyoco_eval.models.text import TextEncoder, load_text_encoder
from pyoco_eval.models.text.pipeline import beside, check_text
from pyoco_eval.priors import parse_prior

DEFAULT_SAMPLER: Final = "deis"


def refuse_mps(device: torch.device | str) -> None:
    """Raises UsageError for Apple's GPUs."""
    if torch.device(device).type == "mps":
        raise UsageError(
            "--device mps: samplers keep their state in float64, which it lacks; use cpu"
        )


def model_sampler(model: Model, options: GeneratorOptions) -> ModelSampler:
    """A model with all that its description names.

    Raises:
        UsageError: an option that does not fit the model.
        MissingError: one of its text encoders, or its VAE, is not there.
        PyocoEvalError: a file is damaged.
    """
    info = model.info
    encoders = _encoders(model, options)
    lacking = {source.name for source in info.unet.text} - {encoder.name for encoder in encoders}
    if lacking:
        raise UsageError(
            f"{model.folder}: its network takes text of {', '.join(sorted(lacking))}, but its "
            "model.json names no encoder for it"
        )
    own = options.prior is None
    manner = Manner(
        SamplerSpec.parse(options.sampler or info.sampler or DEFAULT_SAMPLER),
        parse_prior(info.prior, folder=model.folder) if own else parse_prior(options.prior or ""),
        1.0 if options.guidance_scale is None else options.guidance_scale,
        _precision(model, options),
        options.tf32,
        options.compile,
        options.embeddings is not None or "shapes" in info.text_encoders,
    )
    latent = info.latent
    first_stage = None if latent is None else find_first_stage(latent, model.folder, options.device)
    return ModelSampler(model, encoders, manner, first_stage)


def _precision(model: Model, options: GeneratorOptions) -> str:
    if options.precision != "auto":
        return options.precision
    try:
        trained = model.info.provenance["config"]["hardware"]["precision"]
    except (KeyError, TypeError):
        trained = "fp32"
    on_gpu = torch.device(options.device).type == "cuda"
    return "bf16" if on_gpu and trained == "bf16" else "fp32"


def _encoders(model: Model, options: GeneratorOptions) -> list[TextEncoder]:
    info, stored = model.info, options.embeddings
    if not isinstance(info.unet, MotionConfig):
        specs: Sequence[str] = info.text_encoders
    else:
        specs = [beside(s, model.folder) if stored is None else s for s in info.text_encoders]
    encoders = [load_text_encoder(spec, options.device, embeddings=stored) for spec in specs]
    if isinstance(info.unet, MotionConfig):
        for encoder in encoders:
            check_text(encoder, info.unet.pipeline["text_encoder"], model.folder)
    return encoders
