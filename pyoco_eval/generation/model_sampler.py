"""One sampling of a model trained here, from what is told of videos to their pixels.

Axes: B batch, T frames, C channels, H, W.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch

from pyoco_eval.devices import arithmetic
from pyoco_eval.diffusion.denoiser import Conditioning, TextEmbedding
from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.generation.request import Request
from pyoco_eval.models.checkpoint import Model
from pyoco_eval.models.ensemble import refuse_lone_expert
from pyoco_eval.models.first_stage import FirstStage
from pyoco_eval.models.text import TextEncoder
from pyoco_eval.priors import NoisePrior
from pyoco_eval.products import products
from pyoco_eval.seeding import torch_generator

_CHECKED_AT_ONCE: Final = 256


@dataclass(frozen=True)
class Manner:
    """How a model is sampled.

    Attributes:
        sampler, prior: of the noise and its removal.
        guidance_scale: of classifier-free guidance; 1 for none.
        precision: `fp32`, or `bf16` under autocast.
        tf32, compiled: see `GeneratorOptions`.
        check_texts: whether `ModelSampler.check` asks the encoders for every prompt.
    """

    sampler: SamplerSpec
    prior: NoisePrior
    guidance_scale: float = 1.0
    precision: str = "fp32"
    tf32: bool = False
    compiled: bool = False
    check_texts: bool = False


class ModelSampler:
    """A model with its text encoders, ready to be asked.

    Args:
        model: on its device.
        encoders: one for each text input of the network.
        manner: how to sample.
        first_stage: decodes the samples of a latent model.

    Raises:
        UsageError: options that do not fit the model.
    """

    def __init__(
        self,
        model: Model,
        encoders: Sequence[TextEncoder],
        manner: Manner,
        first_stage: FirstStage | None = None,
    ) -> None:
        info = model.info
        refuse_lone_expert(info, model.folder)
        if (info.latent is None) != (first_stage is None):
            raise UsageError(
                f"{model.folder}: a latent model, and no other, needs its first stage to decode"
            )
        conditional = bool(encoders) or info.unet.num_classes > 0
        if manner.guidance_scale != 1 and not conditional:
            raise UsageError(
                f"--guidance-scale {manner.guidance_scale:g}: {model.folder} takes no text and no "
                "classes to guide by"
            )
        self.model = model
        self.manner = replace(manner, sampler=manner.sampler.within(info.unet.sigma_range))
        self._encoders = tuple(encoders)
        self._first_stage = first_stage
        self.device = next(model.network.parameters()).device
        if manner.compiled:
            for network in model.networks:
                network.compile()

    def recipe(self, shape: Mapping[str, str], notes: Sequence[str]) -> dict[str, str]:
        """What decides the pixels besides the request.

        Args:
            shape: entries of the recipe about frames and their number.
            notes: what is unusual, in words.
        """
        model, manner = self.model, self.manner
        info = model.info
        return {
            "generator": "checkpoint",
            "model": f"sha256:{model.sha256}",
            "description": f"sha256:{info.digest()}",
            **({} if info.latent is None else {"vae": f"sha256:{info.latent.sha256}"}),
            "step": str(info.step),
            "sampler": str(manner.sampler),
            "prior": manner.prior.spec,
            "guidance_scale": f"{manner.guidance_scale:g}",
            **shape,
            "precision": arithmetic(manner.precision, self.device, tf32=manner.tf32),
            **({"compile": "on"} if manner.compiled else {}),
            **({"notes": "; ".join(notes)} if notes else {}),
            **{f"text:{e.name}": f"{e.spec}@{e.digest}" for e in self._encoders},
        }

    def check(self, requests: Sequence[Request]) -> None:
        """Raises UsageError for prompts or labels the model has no use for or does not know."""
        info, folder = self.model.info, self.model.folder
        classes = info.unet.num_classes
        for request in requests:
            if request.prompt is not None and not self._encoders:
                raise UsageError(f"{folder}: takes no text; ask without prompts")
            if request.label is not None and not 0 <= request.label < classes:
                known = f"knows labels 0 to {classes - 1}" if classes else "takes no labels"
                raise UsageError(f"label {request.label}: {folder} {known}")
        if self.manner.check_texts:
            texts = list(dict.fromkeys(r.prompt for r in requests if r.prompt is not None))
            for start in range(0, len(texts), _CHECKED_AT_ONCE):
                for encoder in self._encoders:
                    encoder.encode(texts[start : start + _CHECKED_AT_ONCE])

    def sample(
        self,
        requests: Sequence[Request],
        num_frames: int,
        size: tuple[int, int],
        given: Conditioning | None = None,
        stream: str = "sample",
    ) -> list[np.ndarray]:
        """Videos uint8 (T, H, W, 3), one for each request.

        Args:
            num_frames, size: T and (H, W) in pixels.
            given: what is known of the B videos beside their requests; without text and labels.
            stream: names the random numbers of this sampling among others of the same requests.

        Raises:
            PyocoEvalError: the samples are not finite.
        """
        model, manner = self.model, self.manner
        generators = [torch_generator(stream, request.seed) for request in requests]
        noise = manner.prior.sample(
            model.info.frame_shape(size),
            num_frames,
            generators,
            dtype=torch.float64,
            device=self.device,
        )
        told = self._told(requests)
        if given is not None:
            told = replace(given.to(self.device), text=told.text, labels=told.labels)
        half = torch.autocast(self.device.type, torch.bfloat16, enabled=manner.precision == "bf16")
        with torch.inference_mode(), products(tf32=manner.tf32), half:
            x = manner.sampler.sample(
                model.denoiser,
                noise,
                cond=told,
                prior=manner.prior,
                generators=generators,
                guidance_scale=manner.guidance_scale,
            )
            if self._first_stage is not None:
                x = self._first_stage.decode(x)
        if not bool(x.isfinite().all()):
            raise PyocoEvalError(
                f"{model.folder}: samples are infinite or no numbers, with {manner.sampler}, "
                f"guidance {manner.guidance_scale:g} and {manner.precision}; try a lower "
                "--guidance-scale, more steps, or --precision fp32"
            )
        levels = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return list(levels.movedim(2, -1).cpu().numpy())

    def _told(self, requests: Sequence[Request]) -> Conditioning:
        labels = None
        if self.model.info.unet.num_classes:
            numbers = [-1 if request.label is None else request.label for request in requests]
            labels = torch.tensor(numbers, dtype=torch.int64)
        text = {encoder.name: self._embed(encoder, requests) for encoder in self._encoders}
        return Conditioning(text, labels).to(self.device)

    def _embed(self, encoder: TextEncoder, requests: Sequence[Request]) -> TextEmbedding:
        """Embeddings of the prompts; a request without one is a dropped text."""
        given = torch.tensor([request.prompt is not None for request in requests])
        prompts = [request.prompt for request in requests if request.prompt is not None]
        if not prompts:
            shape = len(requests), 1
            return TextEmbedding(
                torch.zeros(*shape, encoder.width), torch.zeros(shape, dtype=torch.bool)
            )
        found = encoder.encode(prompts)
        rows = given.cumsum(0).sub(1).clamp_min(0).to(found.mask.device)
        embedding = TextEmbedding(found.tokens[rows], found.mask[rows])
        return embedding.dropped(~given.to(found.mask.device))


@contextmanager
def steady_threads() -> Iterator[None]:
    """As many threads of torch as a power of two allows, at most 16.

    Between such numbers work is cut so that the networks give the same bits; others, which cut it
    into unlike parts, differ by 1e-8.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(2 ** min(4, before.bit_length() - 1))
    try:
        yield
    finally:
        torch.set_num_threads(before)
