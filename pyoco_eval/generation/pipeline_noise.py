"""The noise that a diffusers pipeline starts from, where it is not to be independent.

diffusers draws independent noise for every frame, and takes other noise as `latents`. What our own
export wrote says in `noise.json` which prior its model was trained with.

Axes: B batch, C channels of the latent, T frames, h, w of the latent.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.parsing import parse_json
from pyoco_eval.priors import NoisePrior, parse_prior

NOISE: Final = "noise.json"
"""Written by `generation.export`."""

TAKES_LATENTS: Final = ("AnimateDiffPipeline", "TextToVideoSDPipeline")
"""Pipelines whose call takes `latents` (B, C, T, h, w) of unit variance."""


@dataclass(frozen=True)
class PipelineNoise:
    """Draws `latents` of a prior.

    Attributes:
        prior: of the noise.
        call: arguments of the pipeline's call as the model was trained, for those not given.
    """

    prior: NoisePrior
    call: Mapping[str, float]

    def latents(
        self, pipeline: Any, call: Mapping[str, float], generators: Sequence[torch.Generator]
    ) -> torch.Tensor:
        """Noise (B, C, T, h, w) on the CPU, in the pipeline's dtype; row b from generator b.

        Args:
            pipeline: one of `TAKES_LATENTS`.
            call: arguments of the call that follows; its own defaults stand for others.
            generators: CPU generators, one per video.
        """
        defaults = inspect.signature(pipeline.__call__).parameters
        told = {**self.call, **call}
        config, factor = pipeline.unet.config, pipeline.vae_scale_factor
        num_frames = int(told.get("num_frames", defaults["num_frames"].default))
        height, width = (
            int(told[side]) // factor if side in told else config.sample_size
            for side in ("height", "width")
        )
        noise = self.prior.sample((config.in_channels, height, width), num_frames, list(generators))
        return noise.transpose(1, 2).to(pipeline.unet.dtype)


def pipeline_noise(folder: Path, pipeline: Any, asked: str | None) -> PipelineNoise | None:
    """What a pipeline is to start from; None for what it draws itself.

    Args:
        folder: of the pipeline.
        pipeline: as loaded.
        asked: spec of a prior, which comes before that of `noise.json`.

    Raises:
        UsageError: no prior, or the pipeline takes no noise of it.
        PyocoEvalError: `noise.json` is damaged.
    """
    trained = _trained(folder)
    if asked is None and trained is None:
        return None
    name = type(pipeline).__name__
    if name not in TAKES_LATENTS:
        raise UsageError(
            f"--prior {asked or trained[0].spec}: {name} draws its noise itself; noise of a prior "  # type: ignore[index]
            f"can be given to {' and '.join(TAKES_LATENTS)}"
        )
    call = trained[1] if trained is not None else {}
    if asked is not None:
        return PipelineNoise(parse_prior(asked), call)
    assert trained is not None
    return PipelineNoise(trained[0], call)


def _trained(folder: Path) -> tuple[NoisePrior, dict[str, float]] | None:
    path = folder / NOISE
    if not path.is_file():
        return None
    try:
        noise = parse_json(path.read_text(encoding="utf-8"))
        height, width = (int(side) for side in noise["size"])
        call = {"num_frames": int(noise["num_frames"]), "height": height, "width": width}
        return parse_prior(str(noise["prior"]), folder=folder), dict(call)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise PyocoEvalError(f"{path}: is damaged ({type(error).__name__}: {error})") from error
