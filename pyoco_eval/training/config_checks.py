"""What no type says of a training config: ranges, and keys that need or exclude each other."""

import math
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.diffusion.weighting import LossWeighting
from pyoco_eval.errors import UsageError
from pyoco_eval.priors import parse_prior
from pyoco_eval.training.config import LossConfig, TrainConfig
from pyoco_eval.videos.frame_size import sides, size_text

PIPELINE: Final = "diffusers:"
"""Begins the spec of a pipeline's own text encoder."""


def out_of_range(config: TrainConfig) -> Iterator[str]:
    """One line for every value that cannot be meant."""

    def value_of(key: str) -> Any:
        found: Any = config
        for name in key.split("."):
            found = getattr(found, name)
        return found

    for key, least in _LEAST.items():
        value = value_of(key)
        value = min(value) if isinstance(value, tuple) else value
        if value is not None and not value >= least:
            yield f"{key}: must be at least {least}, found {value}"
    for key in _ABOVE_ZERO:
        value = value_of(key)
        if value is not None and not (value > 0 and math.isfinite(value)):
            yield f"{key}: must be above 0, found {value}"
    for key in _PROBABILITIES:
        if not 0 <= value_of(key) <= 1:
            yield f"{key}: is a probability, found {value_of(key)}"
    if not 0 <= config.max_replaced <= 1:
        yield f"max_replaced: is a share, found {config.max_replaced}"
    log = config.log
    if log.keep_every % log.checkpoint_every:
        yield f"log.keep_every: must be a multiple of log.checkpoint_every, {log.checkpoint_every}"
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]+)?", config.hardware.device):
        yield f"hardware.device: is auto, cpu, cuda or cuda:1, found {config.hardware.device}"
    yield from _never_learnt(config)
    yield from _buckets(config)
    yield from _validation(config)
    yield from _sharding(config)
    for section, data, used in (
        ("data", config.data, True),
        ("joint.data", config.joint.data, config.joint.per_video > 0),
        ("validation.data", config.validation.data, config.validation.every > 0),
    ):
        if data.source != "shapes" and data.path is None and used:
            yield f"{section}.path: must be given for {section}.source={data.source}"
        if data.source == "images" and data.num_frames != 1:
            yield f"{section}.num_frames: pictures have 1 frame, found {data.num_frames}"
        if data.fps is not None and data.stride != 1:
            yield f"{section}.stride and {section}.fps: give one of them"
    if config.joint.per_video:
        if config.data.num_frames == 1:
            yield "joint.per_video: images join videos; data.num_frames is 1"
        if config.joint.data.num_frames != 1:
            yield f"joint.data.num_frames: must be 1, found {config.joint.data.num_frames}"
        if sides(config.joint.data.size) != sides(config.data.size):
            yield (
                f"joint.data.size: must be data.size, {config.data.size}, "
                f"found {config.joint.data.size}"
            )
    latent = config.latent
    if latent.vae is None and (latent.cache, latent.scaling_factor) != (None, None):
        yield "latent.vae: must be given where latent.cache or latent.scaling_factor is"
    try:
        LossWeighting.parse(config.loss.weighting)
    except UsageError as error:
        yield f"loss.weighting: {error}"
    yield from _specs(config)
    if config.model.train == "temporal" and config.data.num_frames == 1:
        yield "model.train: temporal layers are for videos; data.num_frames is 1"
    if config.optimizer.temporal_lr is not None:
        if config.data.num_frames == 1:
            yield "optimizer.temporal_lr: temporal layers are for videos; data.num_frames is 1"
        if config.model.train == "temporal":
            yield (
                "optimizer.temporal_lr: model.train=temporal trains no other layers; "
                "give their rate as optimizer.lr, and leave this out"
            )
    model = config.model
    if model.preset is None and model.diffusers is None and config.init is None:
        yield "model.preset: must be given where there is no init; see docs/training.md"
    if model.diffusers is not None:
        yield from _diffusers(config)


def _diffusers(config: TrainConfig) -> Iterator[str]:
    """What a pipeline of diffusers decides by itself."""
    model, own = config.model, f"{PIPELINE}{config.model.diffusers}"
    if model.preset is not None:
        yield "model.preset: model.diffusers names the network; give one of them"
    unknown = sorted(set(model.overrides) - {"heads", "max_frames"})
    if unknown:
        yield (
            f"model.overrides: {unknown[0]} is of a preset; with model.diffusers there are heads "
            "and max_frames"
        )
    if any(type(number) is not int for number in model.overrides.values()):
        yield "model.overrides: heads and max_frames are whole numbers"
    if config.data.num_frames == 1:
        yield "model.diffusers: becomes a video model; data.num_frames is 1"
    if config.latent.vae is None:
        yield "latent.vae: a pipeline of diffusers works on latents; leave it out for its own VAE"
    if config.condition.encoders not in ((), (own,)):
        yield (
            f"condition.encoders: the network reads {own} alone; leave them out, or give [] for no "
            "text"
        )
    if config.condition.labels or config.condition.known_every:
        yield "condition: a pipeline of diffusers takes no labels and no known frames"
    usual = LossConfig()
    keys = ("P_mean", "P_std", "expert")
    if any(getattr(config.loss, key) != getattr(usual, key) for key in keys):
        yield (
            "loss.P_mean, loss.P_std and loss.expert: a pipeline of diffusers is trained at "
            "its own timesteps; leave them out"
        )


def _buckets(config: TrainConfig) -> Iterator[str]:
    data, buckets = config.data, config.data.buckets
    if config.joint.data.buckets:
        yield "joint.data.buckets: pictures join videos of one size; leave it out"
    if config.validation.data.buckets:
        yield "validation.data.buckets: held-out data has one length and size; leave it out"
    if not buckets:
        return
    if data.source not in ("ucf101", "videos"):
        yield f"data.buckets: {data.source} have no lengths and sizes that are known at the start"
    if config.joint.per_video:
        yield "data.buckets: pictures join videos of one size; set joint.per_video=0"
    if len(set(buckets)) < len(buckets):
        yield "data.buckets: names one of them twice"
    if min(min(bucket[1:]) for bucket in buckets) < 8 or min(b[0] for b in buckets) < 1:
        yield "data.buckets: frames are 1 or more, and 8 pixels or more high and wide"
    if (data.num_frames, *sides(data.size)) not in buckets:
        yield (
            f"data.num_frames and data.size: {data.num_frames} frames of {size_text(data.size)} "
            "are none of data.buckets; sheets and the model need one of them"
        )
    if data.num_frames < max(length for length, _, _ in buckets):
        yield "data.num_frames: must be that of the longest of data.buckets"


def _never_learnt(config: TrainConfig) -> Iterator[str]:
    """Parts of the network, or of its use, that the run would never train."""
    condition, conditional = config.condition, config.condition.encoders or config.condition.labels
    for key, used in (("text_dropout", condition.encoders), ("label_dropout", condition.labels)):
        if used and max(getattr(condition, key), condition.all_dropout) == 1:
            yield f"condition.{key}: 1 drops it from every sample, and nothing of it is learnt"
    if config.log.guidance_scale != 1 and not conditional:
        yield (
            f"log.guidance_scale: {config.log.guidance_scale:g} guides by texts or labels, and the "
            "network is told none; set 1, or name condition.encoders or condition.labels"
        )
    if condition.known_random and not condition.known_every:
        yield "condition.known_random: is of networks with condition.known_every"
    if condition.known_every:
        if condition.known_every == 1:
            yield "condition.known_every: 1 tells all frames, and none is left to learn"
        if config.data.num_frames == 1:
            yield "condition.known_every: frames of videos are told; data.num_frames is 1"
        if config.model.train == "temporal":
            yield (
                "condition.known_every: known frames enter the network's first layer, which "
                "model.train=temporal does not train"
            )


def _validation(config: TrainConfig) -> Iterator[str]:
    validation, every = config.validation, config.log.every
    sigmas = validation.sigmas
    positive = all(sigma > 0 and math.isfinite(sigma) for sigma in sigmas)
    rise = all(float(f"{low:.4g}") < float(f"{high:.4g}") for low, high in pairwise(sigmas))
    if not positive or not rise:  # the log names them to four digits
        yield f"validation.sigmas: must be above 0 and rise, found {list(sigmas)}"
    if not validation.every:
        return
    if validation.every % every:
        yield f"validation.every: must be a multiple of log.every, {every}"
    held_out = validation.data
    if all(getattr(held_out, key) == getattr(config.data, key) for key in _WHICH):
        yield "validation.data: these are the samples that are trained on; name held-out ones"
    for key, shape in (("size", sides), ("num_frames", int)):
        here, there = getattr(held_out, key), getattr(config.data, key)
        if shape(here) != shape(there):
            yield f"validation.data.{key}: must be data.{key}, {there}, found {here}"


def _sharding(config: TrainConfig) -> Iterator[str]:
    hardware = config.hardware
    if hardware.sharding != "fsdp":
        asked = {"shard_size": None, "param_dtype": "fp32", "reduce_dtype": "fp32"}
        for key, default in asked.items():
            if getattr(hardware, key) != default:
                yield f"hardware.{key}: is of hardware.sharding=fsdp, found {hardware.sharding}"
    if hardware.param_dtype == "bf16" and hardware.precision != "bf16":
        yield "hardware.param_dtype: bf16 needs hardware.precision=bf16"
    if hardware.async_checkpoints and hardware.checkpoints != "sharded":
        yield "hardware.async_checkpoints: needs hardware.checkpoints=sharded"


def _specs(config: TrainConfig) -> Iterator[str]:
    """Values that are written as specifications; files they name are not looked for yet."""
    if not config.prior.startswith("empirical:") or config.prior == "empirical:":
        try:
            parse_prior(config.prior)
        except UsageError as error:
            yield f"prior: {error}"
    try:
        SamplerSpec.parse(config.log.sampler)
    except UsageError as error:
        yield f"log.sampler: {error}"


_PROBABILITIES = (
    *("condition.text_dropout", "condition.label_dropout", "condition.all_dropout"),
    *("condition.known_random", "superres.augmentation"),
)
_WHICH = ("source", "path", "split", "only")
_LEAST = {
    "seed": 0,
    "steps": 1,
    "batch": 1,
    "data.size": 8,
    "data.num_frames": 1,
    "data.stride": 1,
    "data.limit": 1,
    "data.shuffle_shards": 1,
    "joint.per_video": 0,
    "latent.frames_at_once": 1,
    "condition.known_every": 0,
    "superres.crop": 8,
    "joint.data.size": 8,
    "joint.data.stride": 1,
    "joint.data.limit": 1,
    "joint.data.shuffle_shards": 1,
    "optimizer.warmup_steps": 0,
    "optimizer.weight_decay": 0,
    "optimizer.max_skipped": 1,
    "hardware.micro_batch": 1,
    "hardware.workers": 0,
    "hardware.threads": 1,
    "validation.every": 0,
    "validation.samples": 1,
    "validation.data.stride": 1,
    "validation.data.limit": 1,
    "validation.data.shuffle_shards": 1,
    "hardware.shard_size": 2,
    "log.every": 1,
    "log.checkpoint_every": 1,
    "log.keep": 1,
    "log.keep_every": 0,
    "log.samples_every": 0,
    "log.num_samples": 1,
    "log.guidance_scale": 0,
}
_ABOVE_ZERO = (
    "latent.scaling_factor",
    "data.fps",
    "joint.data.fps",
    "validation.data.fps",
    "loss.P_std",
    "loss.sigma_data",
    "optimizer.lr",
    "optimizer.temporal_lr",
    "optimizer.eps",
    "optimizer.clip_norm",
    "ema.halflife_samples",
    "ema.warmup_ratio",
)
