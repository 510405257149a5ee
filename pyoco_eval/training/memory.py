"""What a run needs of the memory of each process, found without allocating it.

The network is made on torch's meta device, and one micro-batch passes it forward and backward as
fake tensors: operators run for shapes and dtypes alone. What parameters, gradients, moments and the
average take follows from their shapes and is exact. What is gathered for a while, and activations,
are estimates: libraries work in buffers of their own, and allocators keep gaps.

Axes: B samples, T frames, C channels, H, W, L tokens, E width.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from pyoco_eval.diffusion.denoiser import Conditioning, KnownFrames, LowResolution
from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.models.building import build
from pyoco_eval.models.checkpoint import model_folder, read_info
from pyoco_eval.models.config import TextInput
from pyoco_eval.models.fake_run import TOKENS, LiveBytes, as_fake, empty_texts
from pyoco_eval.models.first_stage import read_space
from pyoco_eval.models.latent_space import LatentSpace, network_sides
from pyoco_eval.models.network import NetworkConfig, VideoNetwork
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.data.buckets import buckets_of, in_bucket
from pyoco_eval.training.data.enlarging import enlarging_task
from pyoco_eval.training.finetuning import finetuned_config
from pyoco_eval.training.network import (
    check_sizes,
    network_config,
    only_trained,
    own_config,
    trained_names,
)
from pyoco_eval.videos.frame_size import sides

_FLOAT: Final = 4
_BYTES: Final = {"fp32": 4, "bf16": 2}

_WIDTHS: Final = {"t5": 4096, "clip": 768, "shapes": 64}
"""Of T5-XXL and CLIP ViT-L/14. Other encoders change a projection of the network, no more."""


@dataclass(frozen=True)
class Memory:
    """Of the process that holds most, in bytes.

    Attributes:
        parameters: float32, this process's part.
        gradients: of those that need one.
        optimizer: both moments of those that are trained.
        average: the averaged weights.
        exchange: estimated: parameters and gradients that are whole for a while when several
            processes share them, or copies of gradients under way.
        activations: estimated: the most that a micro-batch keeps at once, its temporaries and the
            bfloat16 copies of weights included.
    """

    parameters: int
    gradients: int
    optimizer: int
    average: int
    exchange: int
    activations: int

    @property
    def total(self) -> int:
        """All of it together."""
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class MemoryPlan:
    """The memory of a run, and what was taken for granted.

    Attributes:
        size: number of processes; `shards` of them share one copy of the network.
        samples: of a micro-batch.
        num_parameters: of the network.
    """

    size: int
    shards: int
    samples: int
    num_parameters: int
    memory: Memory
    notes: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """A table for people."""
        share = f"divided by {self.shards}" if self.shards > 1 else "whole"
        told = {
            "parameters": f"{self.num_parameters:,}, float32, {share}",
            "optimizer": "two moments",
            "exchange": "estimated: whole for a while, between processes",
            "activations": f"estimated, {self.samples} samples at once",
        }
        yield f"memory of each of {self.size} processes, GiB"
        for field in fields(self.memory):
            value = getattr(self.memory, field.name) / 2**30
            yield f"  {field.name:<12}{value:10.3f}  {told.get(field.name, '')}".rstrip()
        yield f"  {'in all':<12}{self.memory.total / 2**30:10.3f}"
        for note in self.notes:
            yield f"note: {note}"


def plan_memory(config: TrainConfig, size: int = 1) -> MemoryPlan:
    """What each of `size` processes needs.

    Raises:
        UsageError: samples that do not divide among them, or a network that cannot be.
        MissingError: the network is that of a model that is not there.
    """
    if config.batch % size:
        raise UsageError(f"batch: {config.batch} samples do not divide among {size} processes")
    latent = _latent(config)
    unet, notes = _network(config, latent)
    with torch.device("meta"):
        network = build(unet)
    only_trained(network, config)
    shards = shards_of(config, size)
    samples = min(config.hardware.micro_batch or config.batch, config.batch // size)
    parameters = dict(network.named_parameters())
    trained = trained_names(network, config)
    every = sum(held(parameter, shards) for parameter in parameters.values())
    memory = Memory(
        parameters=every,
        gradients=sum(held(p, shards) for p in parameters.values() if p.requires_grad),
        optimizer=2 * sum(held(parameters[name], shards) for name in trained),
        average=every,
        exchange=_exchange(network, config, size, shards),
        activations=max(
            _activations(
                network, replace(config, data=in_bucket(config.data, bucket)), samples, latent
            )
            for bucket in buckets_of(config.data)
        ),
    )
    if config.condition.encoders and config.condition.embeddings is None:
        notes = (
            *notes,
            "the networks of text encoders come on top: condition.embeddings saves them",
        )
    if latent is not None:
        notes = (*notes, "the VAE, whole and in float32, comes on top")
    if config.hardware.sharding == "fsdp" and size == 1:
        notes = (*notes, "fsdp needs several processes: --world-size N shows the part of each")
    return MemoryPlan(
        size, shards, samples, sum(p.numel() for p in parameters.values()), memory, notes
    )


def shards_of(config: TrainConfig, size: int) -> int:
    """How many processes share one copy of the network."""
    if config.hardware.sharding != "fsdp":
        return 1
    shards = config.hardware.shard_size or size
    if size % shards and size > 1:
        raise UsageError(
            f"hardware.shard_size: {size} processes do not divide into groups of {shards}"
        )
    return min(shards, size)


def held(parameter: torch.Tensor, shards: int) -> int:
    """Bytes of the first process's part of a float32 tensor divided along its first axis."""
    rows = parameter.shape[0] if parameter.ndim else 1
    return _FLOAT * math.ceil(rows / shards) * (parameter.numel() // max(rows, 1))


def _exchange(network: VideoNetwork, config: TrainConfig, size: int, shards: int) -> int:
    """A copy of the gradients in buckets; or, of a divided network, what is gathered of it.

    The unit of all layers outside the stages stays whole through a step; of the stages one is at
    work while the next is fetched, and one has whole gradients. Where a batch is accumulated,
    gradients stay whole until its last pass.
    """
    whole = sum(_FLOAT * p.numel() for p in network.parameters() if p.requires_grad)
    if shards == 1:
        return whole if size > 1 else 0
    stages = [module for module in network.modules() if isinstance(module, network.stages)]
    sizes = [sum(p.numel() for p in stage.parameters()) for stage in stages]
    rest = _FLOAT * (sum(p.numel() for p in network.parameters()) - sum(sizes))
    gathered = _BYTES[config.hardware.param_dtype]
    if gathered != _FLOAT:  # gradients of what is gathered are of its dtype until they are summed
        whole -= (_FLOAT - gathered) * sum(sizes)
    accumulated = config.batch // size > (config.hardware.micro_batch or config.batch)
    return 2 * rest + 3 * gathered * max(sizes) + whole * accumulated


def _activations(
    network: VideoNetwork, config: TrainConfig, samples: int, latent: LatentSpace | None
) -> int:
    """The most bytes alive at once in a forward and backward pass, weights and gradients apart."""
    per_video = config.joint.per_video
    frames = config.data.num_frames + per_video
    network.gradient_checkpointing = config.hardware.gradient_checkpointing
    called = _called(network, config)
    with FakeTensorMode():
        as_fake(network)
        if config.hardware.param_dtype == "bf16":
            for module in network.modules():
                if isinstance(module, network.stages):
                    module.to(torch.bfloat16)
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.register_post_accumulate_grad_hook(_forget)  # type: ignore[no-untyped-call]
        frame = network_sides(sides(config.data.size), latent)
        enlarging = enlarging_task(config, network.config)
        if enlarging is not None:
            frame = enlarging.size(*frame)
        x = torch.empty(samples, frames, network.config.frame_channels, *frame)
        cond, images = _told(network, config, samples, x), None
        if enlarging is not None:
            small = x[..., :: enlarging.factor, :: enlarging.factor].clone()
            cond = replace(cond, low=LowResolution(small, torch.zeros(samples)))
        if per_video:
            images = _told(network, config, samples * per_video, None)
        with LiveBytes(network) as alive:
            with torch.autocast("cpu", torch.bfloat16, enabled=config.hardware.precision == "bf16"):
                denoised = called(
                    x, torch.ones(samples), cond, num_images=per_video, image_cond=images
                )
            torch.autograd.backward(denoised.square().mean())
    return int(alive.most)


def _called(network: VideoNetwork, config: TrainConfig) -> nn.Module:
    """What a step calls; where it looks at the noise levels, which are not real here, without that.

    The schedule of a network of timesteps has no activations of a size that counts.
    """
    return network if network.config.levels else network.denoiser(config.loss.sigma_data)


def _told(
    network: VideoNetwork, config: TrainConfig, rows: int, frames: torch.Tensor | None
) -> Conditioning:
    text = empty_texts(network, rows)
    known = None
    if config.condition.known_every and frames is not None:
        known = KnownFrames(frames, torch.ones(frames.shape[:2], dtype=torch.bool))
    labels = torch.zeros(rows, dtype=torch.int64) if network.config.num_classes else None
    return Conditioning(text, labels, known)


def _forget(parameter: torch.Tensor) -> None:
    parameter.grad = None


def _latent(config: TrainConfig) -> LatentSpace | None:
    vae, factor = config.latent.vae, config.latent.scaling_factor
    return None if vae is None else read_space(vae, f"latent.vae: {vae}", scaling_factor=factor)[0]


def _network(
    config: TrainConfig, latent: LatentSpace | None
) -> tuple[NetworkConfig, tuple[str, ...]]:
    """The network, and what about it is assumed. Nothing is loaded."""
    if config.model.diffusers is not None:
        unet = finetuned_config(config)[1]
        check_sizes(config, unet, latent)
        return unet, ()
    start, notes = None, []
    if config.init is not None:
        if Path(config.init).exists():
            start = own_config(read_info(model_folder(Path(config.init)))[0], config)
        elif config.model.preset is None:
            raise MissingError(f"init: the model at {config.init}, which is not there yet, decides")
        else:
            notes.append(f"init: there is no model at {config.init} yet")
    kinds = [spec.partition(":")[0] for spec in config.condition.encoders]
    told = start.text if start is not None else ()
    if start is None and config.model.preset in PRESETS:
        told = PRESETS[config.model.preset].text
    widths = {**_WIDTHS, **{source.name: source.width for source in told}}
    unknown = [kind for kind in kinds if kind not in widths]
    if unknown:
        raise UsageError(f"condition.encoders: {unknown[0]} is none of {', '.join(_WIDTHS)}")
    text = tuple(TextInput(kind, widths[kind]) for kind in kinds)
    notes += [
        f"texts of {source.name}: {TOKENS[source.name]} tokens of width {source.width}"
        for source in text
        if source.name != "shapes"
    ]
    classes = 0
    if config.condition.labels:
        classes = start.num_classes if start is not None and start.num_classes else 1000
        notes.append(f"classes: {classes:,} are assumed")
    return network_config(config, start, text, classes, latent), tuple(notes)
