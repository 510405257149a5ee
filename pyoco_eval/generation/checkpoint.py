"""A model trained here as a generator: text encoders, noise from the prior, sampler, uint8.

Axes: B batch, T frames, C channels, H, W.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import torch

from pyoco_eval.devices import arithmetic
from pyoco_eval.diffusion.denoiser import Conditioning, TextEmbedding
from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.generation.request import GeneratorOptions, Request
from pyoco_eval.models.checkpoint import Model, load_model
from pyoco_eval.models.first_stage import FirstStage, find_first_stage
from pyoco_eval.models.motion_config import MotionConfig
from pyoco_eval.models.sampling_notes import sampling_notes
from pyoco_eval.models.text import TextEncoder, load_text_encoder
from pyoco_eval.models.text.pipeline import beside, check_text
from pyoco_eval.priors import NoisePrior, parse_prior
from pyoco_eval.products import products
from pyoco_eval.seeding import torch_generator
from pyoco_eval.videos.frame_size import Size, sides, size_text

DEFAULT_SAMPLER: Final = "deis"
_CHECKED_AT_ONCE: Final = 256


class CheckpointGenerator:
    """Videos of a diffusion model.

    Args:
        model: on its device.
        encoders: one for each text input of the network.
        sampler, prior: how to sample.
        guidance_scale: of classifier-free guidance; 1 for none.
        num_frames: T; None for the T it was trained on.
        size: of the frames; None for that of the training.
        fps: of the videos; None for the model's.
        precision: `fp32`, or `bf16` under autocast.
        tf32: see `GeneratorOptions`.
        compiled: see `GeneratorOptions.compile`.
        check_texts: whether `check` asks the encoders for every prompt.
        first_stage: decodes the samples of a latent model.

    Raises:
        UsageError: a network that cannot be sampled on its own, or options that do not fit it.
    """

    def __init__(
        self,
        model: Model,
        encoders: Sequence[TextEncoder],
        sampler: SamplerSpec,
        prior: NoisePrior,
        *,
        guidance_scale: float = 1.0,
        num_frames: int | None = None,
        size: Size | None = None,
        fps: float | None = None,
        precision: str = "fp32",
        tf32: bool = False,
        compiled: bool = False,
        check_texts: bool = False,
        first_stage: FirstStage | None = None,
    ) -> None:
        info = model.info
        if (info.latent is None) != (first_stage is None):
            raise UsageError(
                f"{model.folder}: a latent model, and no other, needs its first stage to decode"
            )
        if info.unet.known_frames:
            raise UsageError(
                f"{model.folder}: fills in frames between known ones; it is part of a cascade and "
                "makes no videos on its own"
            )
        conditional = bool(encoders) or info.unet.num_classes > 0
        if guidance_scale != 1 and not conditional:
            raise UsageError(
                f"--guidance-scale {guidance_scale:g}: {model.folder} takes no text and no "
                "classes to guide by"
            )
        if info.kind == "image" and num_frames not in (None, 1):
            raise UsageError(f"--num-frames {num_frames}: {model.folder} is an image model")
        self._size = info.size if size is None else sides(size)
        multiple = info.size_multiple
        if any(side % multiple for side in self._size):
            raise UsageError(
                f"--size {size_text(self._size)}: the levels of {model.folder} need multiples of "
                f"{multiple}"
            )
        prior.frame_covariance(num_frames or info.num_frames)
        sampler = sampler.within(info.unet.sigma_range)
        self._model = model
        self._encoders = tuple(encoders)
        self._sampler = sampler
        self._prior = prior
        self._guidance_scale = guidance_scale
        self._num_frames = num_frames or info.num_frames
        self._precision = precision
        self._tf32 = tf32
        if compiled:
            model.network.compile()
        self._check_texts = check_texts
        self._first_stage = first_stage
        self._device = next(model.network.parameters()).device
        self.fps = float(fps or info.fps)
        notes = list(sampling_notes(info, prior, self._num_frames, guidance_scale, self._size))
        self.recipe: Mapping[str, str] = {
            "generator": "checkpoint",
            "model": f"sha256:{model.sha256}",
            "description": f"sha256:{info.digest()}",
            **({} if info.latent is None else {"vae": f"sha256:{info.latent.sha256}"}),
            "step": str(info.step),
            "sampler": str(sampler),
            "prior": prior.spec,
            "guidance_scale": f"{guidance_scale:g}",
            "num_frames": str(self._num_frames),
            "size": "{}x{}".format(*self._size),
            "precision": arithmetic(precision, self._device, tf32=tf32),
            **({"compile": "on"} if compiled else {}),
            **({"notes": "; ".join(notes)} if notes else {}),
            **{f"text:{e.name}": f"{e.spec}@{e.digest}" for e in encoders},
        }

    def check(self, requests: Sequence[Request]) -> None:
        """Raises UsageError for prompts or labels the model has no use for or does not know."""
        info, folder = self._model.info, self._model.folder
        classes = info.unet.num_classes
        for request in requests:
            if request.prompt is not None and not self._encoders:
                raise UsageError(f"{folder}: takes no text; ask without prompts")
            if request.label is not None and not 0 <= request.label < classes:
                known = f"knows labels 0 to {classes - 1}" if classes else "takes no labels"
                raise UsageError(f"label {request.label}: {folder} {known}")
        if self._check_texts:
            texts = list(dict.fromkeys(r.prompt for r in requests if r.prompt is not None))
            for start in range(0, len(texts), _CHECKED_AT_ONCE):
                for encoder in self._encoders:
                    encoder.encode(texts[start : start + _CHECKED_AT_ONCE])

    def generate(self, requests: Sequence[Request]) -> list[np.ndarray]:
        """See `VideoGenerator`.

        On a CPU videos are made one at a time: its kernels, and so the last bits, differ with the
        size of a batch.
        """
        if self._device.type != "cpu":
            return self._sample(requests)
        with _steady_threads():
            return [self._sample([request])[0] for request in requests]

    def _sample(self, requests: Sequence[Request]) -> list[np.ndarray]:
        info = self._model.info
        generators = [torch_generator("sample", request.seed) for request in requests]
        noise = self._prior.sample(
            info.frame_shape(self._size),
            self._num_frames,
            generators,
            dtype=torch.float64,
            device=self._device,
        )
        half = torch.autocast(self._device.type, torch.bfloat16, enabled=self._precision == "bf16")
        with torch.inference_mode(), products(tf32=self._tf32), half:
            x = self._sampler.sample(
                self._model.denoiser,
                noise,
                cond=self._conditioning(requests),
                prior=self._prior,
                generators=generators,
                guidance_scale=self._guidance_scale,
            )
            if self._first_stage is not None:
                x = self._first_stage.decode(x)
        if not bool(x.isfinite().all()):
            raise PyocoEvalError(
                f"{self._model.folder}: samples are infinite or no numbers, with {self._sampler}, "
                f"guidance {self._guidance_scale:g} and {self._precision}; try a lower "
                "--guidance-scale, more steps, or --precision fp32"
            )
        levels = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return list(levels.movedim(2, -1).cpu().numpy())

    def _conditioning(self, requests: Sequence[Request]) -> Conditioning | None:
        labels = None
        if self._model.info.unet.num_classes:
            numbers = [-1 if request.label is None else request.label for request in requests]
            labels = torch.tensor(numbers, dtype=torch.int64)
        text = {encoder.name: self._embed(encoder, requests) for encoder in self._encoders}
        if not text and labels is None:
            return None
        return Conditioning(text, labels).to(self._device)

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
def _steady_threads() -> Iterator[None]:
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


def load_checkpoint(folder: Path, options: GeneratorOptions) -> CheckpointGenerator:
    """The model of a folder, or of a training run, as a generator.

    Raises:
        UsageError: an option that does not fit the model.
        MissingError: the model or one of its text encoders is not there.
        PyocoEvalError: a file is damaged.
    """
    if torch.device(options.device).type == "mps":
        raise UsageError(
            "--device mps: samplers keep their state in float64, which it lacks; use cpu"
        )
    model = load_model(folder, device=options.device)
    info = model.info
    encoders = _encoders(model, options)
    lacking = {source.name for source in info.unet.text} - {encoder.name for encoder in encoders}
    if lacking:
        raise UsageError(
            f"{model.folder}: its network takes text of {', '.join(sorted(lacking))}, but its "
            "model.json names no encoder for it"
        )
    if options.prior is None:
        prior = parse_prior(info.prior, folder=model.folder)
    else:
        prior = parse_prior(options.prior)
    latent = info.latent
    return CheckpointGenerator(
        model,
        encoders,
        SamplerSpec.parse(options.sampler or info.sampler or DEFAULT_SAMPLER),
        prior,
        guidance_scale=1.0 if options.guidance_scale is None else options.guidance_scale,
        num_frames=options.num_frames,
        size=options.size,
        fps=options.fps,
        precision=_precision(model, options),
        tf32=options.tf32,
        compiled=options.compile,
        check_texts=options.embeddings is not None or "shapes" in info.text_encoders,
        first_stage=(
            None if latent is None else find_first_stage(latent, model.folder, options.device)
        ),
    )
