"""The parts of a run, made from its config."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pyoco_eval.diffusion.experts import WHOLE, TrainedExpert
from pyoco_eval.diffusion.loss import EDMLoss
from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.diffusion.weighting import LossWeighting
from pyoco_eval.errors import UsageError
from pyoco_eval.models.building import build
from pyoco_eval.models.checkpoint import ModelInfo, model_folder, read_info
from pyoco_eval.models.network import NetworkConfig, VideoNetwork
from pyoco_eval.models.state import load_state
from pyoco_eval.models.text.load import load_text_encoder
from pyoco_eval.priors import NoisePrior, parse_prior
from pyoco_eval.provenance import code_state, environment
from pyoco_eval.training.conditions import Conditioner, unconditional_share
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.config_file import config_tree
from pyoco_eval.training.data.buckets import buckets_of
from pyoco_eval.training.data.draws import Drawing
from pyoco_eval.training.data.enlarging import enlarging_task
from pyoco_eval.training.data.example import ExampleSet
from pyoco_eval.training.data.examples import open_examples
from pyoco_eval.training.data.latents import Latents
from pyoco_eval.training.data.samples import TrainingSamples
from pyoco_eval.training.engine import Engine
from pyoco_eval.training.network import build_network, check_levels
from pyoco_eval.training.outputs.checkpoints import Tensors
from pyoco_eval.training.trainer import Trainer
from pyoco_eval.training.validation import Validation
from pyoco_eval.videos.frame_size import sides

_FPS_OF_IMAGES = 8.0
"""What a model without a frame rate of its own states: that of the moving shapes."""


@dataclass(frozen=True)
class RunSetup:
    """What a run works with.

    Attributes:
        examples: the data.
        samples: the data by number of the sample.
        prior: of the noise.
        conditioner: what the network is told.
        trainer: network, average and optimizer.
        unet: of the network.
        class_names: that the network knows.
        validation: on held-out samples; None without.
        code: that runs. Its files may be edited or exchanged while it does.
        latents: makes what the network sees; None where that is pixels.
    """

    config: TrainConfig
    examples: ExampleSet
    samples: TrainingSamples
    prior: NoisePrior
    conditioner: Conditioner
    trainer: Trainer
    unet: NetworkConfig
    class_names: tuple[str, ...]
    validation: Validation | None
    code: dict[str, str]
    latents: Latents | None = None

    def averaged(self, weights: Tensors) -> VideoNetwork:
        """A network with these weights, in evaluation mode, on their device."""
        with torch.random.fork_rng(devices=[]):
            network = build(self.unet)
        load_state(network, weights)
        return network.to(next(iter(weights.values())).device).eval()

    def info(self, step: int) -> ModelInfo:
        """The description of the model after `step` steps."""
        config, loss = self.config, self.config.loss
        node = loss.expert
        fps = self.examples.fps or _FPS_OF_IMAGES
        return ModelInfo(
            unet=self.unet,  # type: ignore[arg-type]  # one of the three
            kind="video" if self.unet.temporal else "image",
            num_frames=config.data.num_frames,
            fps=fps,
            size=sides(config.data.size),
            sigma_data=loss.sigma_data,
            prior=self.prior.spec,
            text_encoders=config.condition.encoders,
            labels=self.class_names,
            sampler=str(SamplerSpec.parse(config.log.sampler).within(self.unet.sigma_range)),
            step=step,
            latent=None if self.latents is None else self.latents.first_stage.space,
            expert=None if node == WHOLE else TrainedExpert(node, loss.P_mean, loss.P_std),
            provenance=self._provenance(step),
        )

    def _provenance(self, step: int) -> dict[str, Any]:
        config = self.config
        init = None
        if config.init is not None:
            init = {"model": config.init, "sha256": read_info(model_folder(Path(config.init)))[1]}
        return {
            "config": config_tree(config),
            "samples": step * config.batch,
            **({"buckets": config.data.buckets} if config.data.buckets else {}),
            "data": {"name": self.examples.name, "examples": len(self.examples)},
            "text_encoders": {e.spec: e.digest for e in self.conditioner.encoders},
            "text_precision": {e.spec: e.precision for e in self.conditioner.encoders},
            "init": init,
            "unconditional_share": unconditional_share(config.condition),
            "code": self.code,
            "environment": environment(),
        }


def make_parts(config: TrainConfig, engine: Engine) -> RunSetup:
    """Open the data and build the rest.

    Raises:
        UsageError: keys of the config that do not go together, or data that is not there.
        MissingError: a text encoder, a model or a package is not there.
    """
    if config.batch % engine.size:
        raise UsageError(
            f"batch: {config.batch} samples do not divide among {engine.size} processes"
        )
    examples = open_examples(config.data)
    images = open_examples(config.joint.data) if config.joint.per_video else None
    class_names: tuple[str, ...] = ()
    if config.condition.labels:
        class_names = examples.class_names
        if not class_names:
            raise UsageError(f"condition.labels: {examples.name} states no classes")
        if images is not None and images.class_names not in ((), class_names):
            raise UsageError("condition.labels: the classes of images and videos differ")
    folder = config.condition.embeddings
    stored = None if folder is None else Path(folder)
    encoders = tuple(
        load_text_encoder(
            spec, engine.device, half=config.condition.precision == "bf16", embeddings=stored
        )
        for spec in config.condition.encoders
    )
    latents = None if config.latent.vae is None else Latents(config, engine.device)
    space = None if latents is None else latents.first_stage.space
    network = build_network(config, encoders, len(class_names), space)
    prior = parse_prior(config.prior)
    for length, _, _ in buckets_of(config.data):
        prior.frame_covariance(length)
    conditioner = Conditioner(config.condition, encoders, config.seed)
    loss = EDMLoss(
        prior,
        config.loss.P_mean,
        config.loss.P_std,
        config.loss.sigma_data,
        LossWeighting.parse(config.loss.weighting, network.config.output_weighting),
        network.config.levels,
        config.loss.expert,
    )
    check_levels(config, network.config)
    drawing = Drawing(
        config, loss, conditioner.drops, space, enlarging_task(config, network.config)
    )
    trainer = Trainer(config, engine, network, conditioner, loss, drawing, latents)
    validation = None
    if config.validation.every:
        validation = Validation(config, engine, trainer, conditioner, loss, class_names)
    return RunSetup(
        config,
        examples,
        TrainingSamples(config, examples, images, drawing),
        prior,
        conditioner,
        trainer,
        network.config,
        class_names,
        validation,
        code_state(),
        latents,
    )
