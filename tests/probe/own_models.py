"""Small image models of this package with random weights, on disk."""

from dataclasses import replace
from pathlib import Path

import torch

from pyoco_eval.models.checkpoint import ModelInfo, save_model
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import VideoUNet


def save_image_model(folder: Path, *, size: tuple[int, int] = (16, 16), text: bool = False) -> Path:
    torch.manual_seed(0)
    unet = PRESETS["test"].image()
    if not text:
        unet = replace(unet, text=())
    network = VideoUNet(unet)
    for parameter in network.parameters():  # fresh networks end in zeros
        torch.nn.init.normal_(parameter, std=0.05)
    encoders = ("shapes",) if text else ()
    info = ModelInfo(
        unet=unet, kind="image", num_frames=1, fps=8, size=size, text_encoders=encoders
    )
    save_model(folder, network, info)
    return folder
