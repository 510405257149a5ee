"""An image model that this package trained, for the probe: of pixels or of latents.

Axes: T frames (a batch of images here), C channels, H, W.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch

from pyoco_eval.diffusion.denoiser import Conditioning
from pyoco_eval.errors import UsageError
from pyoco_eval.models.checkpoint import Model
from pyoco_eval.models.ensemble import open_model, refuse_lone_expert
from pyoco_eval.models.first_stage import find_first_stage
from pyoco_eval.models.text import TextEncoder, load_text_encoder
from pyoco_eval.probe.image_model import ImageModel, same
from pyoco_eval.videos.frame_size import compact, size_text

_SIGMA_MIN, _SIGMA_MAX = 0.002, 80.0
"""Karras et al. (2022), Table 1."""


def open_own_model(folder: Path, device: torch.device) -> ImageModel:
    """A model folder, or the run folder that holds one.

    Raises:
        UsageError: it is a model of videos, or of a part of the noise levels.
        MissingError: there is no model, or no VAE of its latents.
        PyocoEvalError: damaged files.
    """
    model = open_model(folder, device=device)
    refuse_lone_expert(model.info, folder)
    if model.info.kind != "image":
        raise UsageError(
            f"--model {folder}: is a model of videos, which has no noise map of a single frame; "
            "the probe needs the image model it was made from"
        )
    size = compact(*model.info.size)
    space, digest = model.info.latent, model.sha256
    encode: Callable[[torch.Tensor], torch.Tensor] = same
    decode: Callable[[torch.Tensor], torch.Tensor] = same
    if space is not None:
        stage = find_first_stage(space, model.folder, device)
        encode, decode = stage.encode, stage.decode
        digest = hashlib.sha256(f"{digest}\n{space.sha256}".encode()).hexdigest()
    return ImageModel(
        name=f"own-{size_text(size)}px@{digest[:8]}",
        digest=digest,
        denoiser=model.denoiser,
        size=size,
        sigma_min=_SIGMA_MIN,
        sigma_max=_SIGMA_MAX,
        encode=encode,
        decode=decode,
        condition=_Words(model, device),
        latent=space is not None,
        device=device,
    )


class _Words:
    """Prompts for a network that drops its text itself where there is none."""

    def __init__(self, model: Model, device: torch.device) -> None:
        self._specs = model.info.text_encoders
        self._device = device
        self._encoders: list[TextEncoder] | None = None

    def __call__(self, prompt: str | None, count: int) -> Conditioning | None:
        if prompt is None:
            return None
        if not self._specs:
            raise UsageError("--prompt: this model takes no text; leave it out")
        if self._encoders is None:
            self._encoders = [load_text_encoder(spec, self._device) for spec in self._specs]
        text = {encoder.name: encoder.encode([prompt] * count) for encoder in self._encoders}
        return Conditioning(text).to(self._device)
