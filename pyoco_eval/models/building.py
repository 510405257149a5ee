"""From the description of a network to the network, of whichever kind it is."""

import torch

from pyoco_eval.models.config import UNetConfig
from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.efficient_unet import EfficientUNet
from pyoco_eval.models.motion_config import MotionConfig
from pyoco_eval.models.motion_unet import MotionUNet
from pyoco_eval.models.network import NetworkConfig, VideoNetwork
from pyoco_eval.models.unet import VideoUNet


def build(config: NetworkConfig) -> VideoNetwork:
    """The network with fresh weights, from torch's global generator."""
    if isinstance(config, MotionConfig):
        return MotionUNet(config)
    if isinstance(config, EfficientConfig):
        return EfficientUNet(config)
    assert isinstance(config, UNetConfig)
    return VideoUNet(config)


def count_parameters(config: NetworkConfig) -> int:
    """Parameters of the network, counted without making them."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(config).parameters())
