"""A text-to-image pipeline of diffusers as the start of a video model.

Reference: Ge et al., Preserve Your Own Correlation (2023), §4: the video model starts as an image
model, and is finetuned with correlated noise.
"""

from pathlib import Path

import torch

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.models.checkpoint import load_model, model_folder, read_info
from pyoco_eval.models.motion_config import MotionConfig
from pyoco_eval.models.motion_unet import MotionUNet
from pyoco_eval.models.pipeline import Pipeline, open_pipeline
from pyoco_eval.models.state import load_state
from pyoco_eval.models.text.load import load_text_encoder
from pyoco_eval.seeding import derive_seed
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.config_checks import PIPELINE
from pyoco_eval.training.data.buckets import buckets_of

_MAX_FRAMES = 32
"""As published motion adapters have it."""


def finetuned_config(config: TrainConfig) -> tuple[Pipeline, MotionConfig]:
    """The pipeline at `model.diffusers`, and the video network; no weights are loaded.

    Raises:
        UsageError: a pipeline that cannot become a video model; says why.
        MissingError: diffusers or the files are not there.
        PyocoEvalError: damaged files.
    """
    place = config.model.diffusers
    assert place is not None
    pipeline = open_pipeline(place, f"model.diffusers: {place}")
    longest = max(length for length, _, _ in buckets_of(config.data))
    numbers = {"max_frames": max(_MAX_FRAMES, longest), **config.model.overrides}
    found = pipeline.config(told=bool(config.condition.encoders), **numbers)
    if longest > found.max_frames:
        raise UsageError(
            f"model.overrides.max_frames: {found.max_frames} is less than data.num_frames, "
            f"{longest}"
        )
    return pipeline, found


def finetuned_network(config: TrainConfig) -> MotionUNet:
    """The network with the pipeline's weights, or those of the model at `init`, on the CPU.

    Raises:
        UsageError, MissingError, PyocoEvalError: as `finetuned_config`; or `init` does not fit.
    """
    pipeline, found = finetuned_config(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "weights"))
        network = MotionUNet(found)
    if config.init is not None:
        _start_from(network, Path(config.init))
        return network
    encoder = load_text_encoder(f"{PIPELINE}{config.model.diffusers}")
    with torch.no_grad():
        network.start_from(pipeline.unet(), encoder.encode([""]).tokens[0])
    return network


def check_same_pipeline(checkpoint: Path, unet: object) -> None:
    """Hold the pipeline of a run against that of its checkpoint, whatever their places.

    Raises:
        PyocoEvalError: they differ.
    """
    before = read_info(checkpoint)[0].unet
    if isinstance(unet, MotionConfig) and before != unet:
        raise PyocoEvalError(
            f"model.diffusers: the run in {checkpoint.parent.parent} began with other files of the "
            "pipeline; name those, or train in another folder"
        )


def _start_from(network: MotionUNet, init: Path) -> None:
    start = load_model(model_folder(init))
    info = start.info
    if not isinstance(info.unet, MotionConfig):
        raise UsageError(
            f"init: {init} is a U-Net of this package; with model.diffusers, init names a model "
            "that was trained so"
        )
    if info.unet.pipeline["text_encoder"] != network.config.pipeline["text_encoder"]:
        raise UsageError(f"init: {init} listens to another text encoder than model.diffusers has")
    try:
        load_state(network, start.network.state_dict())
    except UsageError as error:
        raise UsageError(f"init: {init} does not fit the network: {error}") from error
