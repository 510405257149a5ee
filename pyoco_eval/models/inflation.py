"""An image network becomes a video network that starts as the same map, frame by frame.

2-D kernels are used as 1×k×k ones, and the new temporal layers end in zeros. A network for
temporal interpolation reads more channels than the image network; their kernels start at zero.

Reference: Ge et al., Preserve Your Own Correlation (2023), §4, model architecture.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F

from pyoco_eval.errors import UsageError
from pyoco_eval.models.efficient_unet import EfficientUNet
from pyoco_eval.models.network import VideoNetwork
from pyoco_eval.models.state import load_state
from pyoco_eval.models.unet import VideoUNet

_INPUT = "input.weight"


def inflate(
    image_state_dict: Mapping[str, torch.Tensor], video_network: VideoUNet | EfficientUNet
) -> None:
    """Load an image network's weights into a video network of the same widths, in place.

    Temporal layers keep the weights they have: fresh ones add exactly nothing.

    Args:
        image_state_dict: `state_dict()` of a network of `video_network.config.image()`.
        video_network: with `config.temporal`.

    Raises:
        UsageError: the network is not a video network, or tensors do not fit; all are named.
    """
    if not video_network.config.temporal:
        raise UsageError("inflation goes into a video network: its U-Net must have temporal=true")
    state = dict(image_state_dict)
    kernel = state.get(_INPUT)
    config = video_network.config
    pixels = video_network.input.in_channels // config.input_channels  # of a patch
    more = config.input_channels - config.frame_channels
    if kernel is not None and more and kernel.shape[1] == config.frame_channels * pixels:
        state[_INPUT] = F.pad(kernel, (0, 0, 0, 0, 0, more * pixels))
    load_state(video_network, state, keep=temporal_names(video_network))


def temporal_names(network: VideoNetwork) -> frozenset[str]:
    """Names of the parameters an image network does not have."""
    return frozenset(
        f"{name}.{parameter}"
        for name, module in network.named_modules()
        if isinstance(module, network.temporal_layers)
        for parameter, _ in module.named_parameters()
    )
