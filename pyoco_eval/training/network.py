"""The network a config asks for, with the weights it starts from.

Reference: Ge et al., Preserve Your Own Correlation (2023), §4: the video model starts as the image
model, inflated.
"""

import difflib
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.errors import UsageError
from pyoco_eval.models.building import build
from pyoco_eval.models.checkpoint import Model, ModelInfo, load_model
from pyoco_eval.models.config import TextInput, UNetConfig
from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.efficient_unet import EfficientUNet
from pyoco_eval.models.inflation import inflate, temporal_names
from pyoco_eval.models.latent_space import LatentSpace, in_words, same_space
from pyoco_eval.models.network import NetworkConfig, VideoNetwork
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.state import load_state
from pyoco_eval.models.text.encoder import TextEncoder
from pyoco_eval.models.unet import VideoUNet
from pyoco_eval.seeding import derive_seed
from pyoco_eval.training.config import SuperResolutionConfig, TrainConfig
from pyoco_eval.training.data.buckets import buckets_of
from pyoco_eval.training.finetuning import finetuned_network
from pyoco_eval.videos.frame_size import size_text

OwnConfig = UNetConfig | EfficientConfig
"""What a network of this package is built from."""


def build_network(
    config: TrainConfig,
    encoders: Sequence[TextEncoder],
    num_classes: int,
    latent: LatentSpace | None = None,
) -> VideoNetwork:
    """The network on the CPU, float32, in training mode.

    Args:
        encoders: that it listens to.
        num_classes: that it knows, 0 for none.
        latent: the space it works in; None for pixels.

    Raises:
        UsageError: no such preset, or a network that `config.init` does not fit; says what differs.
        MissingError: there is no model at `config.init`, or no pipeline at `model.diffusers`.
    """
    if config.model.diffusers is not None:
        network: VideoNetwork = finetuned_network(config)
        check_sizes(config, network.config, latent)
    else:
        network = _own_network(config, encoders, num_classes, latent)
    only_trained(network, config)
    network.gradient_checkpointing = config.hardware.gradient_checkpointing
    return network


def _own_network(
    config: TrainConfig,
    encoders: Sequence[TextEncoder],
    num_classes: int,
    latent: LatentSpace | None,
) -> VideoNetwork:
    start = None if config.init is None else load_model(Path(config.init))
    text = tuple(TextInput(encoder.name, encoder.width) for encoder in encoders)
    known = None if start is None else own_config(start.info, config)
    unet = network_config(config, known, text, num_classes, latent)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "weights"))
        network = build(unet)
    assert isinstance(network, VideoUNet | EfficientUNet)
    if start is not None:
        _start_from(network, start, config, latent)
    return network


def network_config(
    config: TrainConfig,
    start: OwnConfig | None,
    text: tuple[TextInput, ...],
    num_classes: int,
    latent: LatentSpace | None = None,
) -> OwnConfig:
    """The network that a config asks for, without making it.

    Args:
        start: of the model at `config.init`.
        text: what it listens to.
        num_classes: that it knows, 0 for none.
        latent: the space it works in; None for pixels.

    Raises:
        UsageError: no such preset, or data that does not fit the network.
    """
    unet = _unet(config, start)
    _check_known(unet, config)
    _check_enlarging(unet, config, latent)
    unet = replace(
        unet,
        temporal=config.data.num_frames > 1,
        text=text,
        text_width=(unet.text_width or max(source.width for source in text)) if text else 0,
        num_classes=num_classes,
        frame_channels=unet.frame_channels if latent is None else latent.channels,
    )
    check_sizes(config, unet, latent)
    return unet


def check_sizes(config: TrainConfig, unet: NetworkConfig, latent: LatentSpace | None) -> None:
    """Raises UsageError if frames, of any bucket, do not fit the levels of the network."""
    multiple = unet.size_multiple * (1 if latent is None else latent.downscale)
    for _, height, width in buckets_of(config.data):
        if height % multiple or width % multiple:
            key = "data.buckets" if config.data.buckets else "data.size"
            raise UsageError(
                f"{key}: {size_text((height, width))} is no multiple of {multiple}, "
                f"which the levels of the network{'' if latent is None else ' and of the VAE'} need"
            )


def check_levels(config: TrainConfig, unet: NetworkConfig) -> None:
    """Raises UsageError if noise is asked for that a network of timesteps does not know."""
    SamplerSpec.parse(config.log.sampler).within(unet.sigma_range)
    low, high = unet.sigma_range or (0, math.inf)
    for sigma in config.validation.sigmas:
        if not low <= sigma <= high:
            raise UsageError(
                f"validation.sigmas: {sigma:g} is none the network knows, {low:.4g} to {high:.4g}"
            )


def only_trained(network: VideoNetwork, config: TrainConfig) -> None:
    """Ask for gradients of those parameters alone that the optimizer changes."""
    trained = trained_names(network, config)
    for name, parameter in network.named_parameters():
        if name in network.fixed:
            continue
        # Group norm's backward pass on CPUs fails in torch 2.13 where its scale needs no gradient.
        parameter.requires_grad_(name in trained or parameter.ndim == 1)


def trained_names(network: VideoNetwork, config: TrainConfig) -> frozenset[str]:
    """Names of the parameters that the optimizer changes."""
    if config.model.train == "temporal":
        return temporal_names(network)
    return frozenset(name for name, _ in network.named_parameters()) - network.fixed


def own_config(info: ModelInfo, config: TrainConfig) -> OwnConfig:
    """Of the model at `config.init`; raises UsageError if its network is one of diffusers."""
    if isinstance(info.unet, OwnConfig):
        return info.unet
    raise UsageError(
        f"init: {config.init} is a U-Net of diffusers with temporal layers; name its pipeline as "
        "model.diffusers, too"
    )


def _unet(config: TrainConfig, start: OwnConfig | None) -> OwnConfig:
    name = config.model.preset
    if name is None:
        assert start is not None
        unet: OwnConfig = start
    elif name in PRESETS:
        unet = PRESETS[name]
    else:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(PRESETS)}"
        raise UsageError(f"model.preset: {name!r} is no preset; {hint}")
    if not config.model.overrides:
        return unet
    try:
        return type(unet).from_json({**unet.to_json(), **config.model.overrides})
    except UsageError as error:
        raise UsageError(f"model.overrides: {error}") from error


def _check_enlarging(unet: OwnConfig, config: TrainConfig, latent: LatentSpace | None) -> None:
    """A network that enlarges is trained on pixels, and `superres` is of no other network."""
    name, crop = config.model.preset or config.init, config.superres.crop
    if not isinstance(unet, EfficientConfig):
        if config.superres != SuperResolutionConfig():
            raise UsageError(f"superres: {name} enlarges no frames; use preset t2v-superres")
        return
    if latent is not None:
        raise UsageError(f"latent.vae: {name} enlarges pixels; leave it out")
    if crop is None:
        return
    for _, height, width in buckets_of(config.data):
        if crop % unet.size_multiple or crop > min(height, width):
            raise UsageError(
                f"superres.crop: {crop} is no multiple of {unet.size_multiple} within frames of "
                f"{size_text((height, width))}"
            )


def _check_known(unet: OwnConfig, config: TrainConfig) -> None:
    """A network that fills in frames is trained on some that are known, and no other is."""
    name = config.model.preset or config.init
    every = config.condition.known_every
    if unet.known_frames and not every:
        raise UsageError(
            f"model.preset: {name} fills in frames between known ones, and would never see one; "
            "tell some with condition.known_every, such as 5 for frames 1, 6, 11, …"
        )
    if every and not unet.known_frames:
        raise UsageError(
            f"condition.known_every: {name} takes no known frames; use preset t2v-interpolation, "
            "or --set model.overrides.known_frames=true"
        )


def _start_from(
    network: VideoUNet | EfficientUNet,
    start: Model,
    config: TrainConfig,
    latent: LatentSpace | None,
) -> None:
    info = start.info
    assert isinstance(info.unet, OwnConfig)
    if not same_space(info.latent, latent):
        raise UsageError(
            f"latent.vae: the model {config.init} works on {in_words(info.latent)}, the config "
            f"asks for {in_words(latent)}; use the same"
        )
    listened = [source.name for source in info.unet.text]
    asked = [source.name for source in network.config.text]
    if listened != asked:
        raise UsageError(
            f"condition.encoders: the model {config.init} listens to {info.text_encoders or 'none'}"
            f", the config names {list(config.condition.encoders) or 'none'}; use the same"
        )
    if info.sigma_data != config.loss.sigma_data:
        raise UsageError(
            f"loss.sigma_data: {config.init} was trained with {info.sigma_data}, not "
            f"{config.loss.sigma_data}"
        )
    state = start.network.state_dict()
    try:
        if network.config.temporal and not info.unet.temporal:
            inflate(state, network)
        else:
            load_state(network, state)
    except UsageError as error:
        raise UsageError(f"init: {config.init} does not fit the network: {error}") from error
