"""Parameter counts of the paper, and configurations as JSON."""

import json

import pytest
import torch

from pyoco_eval.diffusion.denoiser import Conditioning, LowResolution
from pyoco_eval.errors import UsageError
from pyoco_eval.models.building import build, count_parameters
from pyoco_eval.models.config import UNetConfig
from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import VideoUNet

# Ge et al. (2023), §5.1.
PUBLISHED = {
    "ucf-69m": 69e6,
    "ucf-112m": 112e6,
    "ucf-253m": 253e6,
    "t2v-base": 1.08e9,
    "t2v-interpolation": 1.08e9,
    "t2v-superres": 313e6,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_video_networks_have_the_published_number_of_parameters(name: str) -> None:
    assert PRESETS[name].temporal
    assert count_parameters(PRESETS[name]) == pytest.approx(PUBLISHED[name], rel=0.01)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_runs_on_the_meta_device(name: str) -> None:
    config = PRESETS[name]
    with torch.device("meta"):
        network = build(config)
        x = torch.zeros(2, 3, config.frame_channels, 64, 64)
        cond = None
        if isinstance(config, EfficientConfig):
            cond = Conditioning(low=LowResolution(torch.zeros(2, 3, 3, 16, 16), torch.zeros(2)))
        assert network(x, torch.zeros(2), cond, num_images=1).shape == x.shape


@pytest.mark.parametrize("name", PRESETS)
def test_a_configuration_survives_json(name: str) -> None:
    config = PRESETS[name]
    assert type(config).from_json(json.loads(json.dumps(config.to_json()))) == config


def test_the_image_network_lacks_temporal_layers_alone() -> None:
    config = PRESETS["test"]
    names = {name for name, _ in VideoUNet(config).named_parameters()}
    image_names = {name for name, _ in VideoUNet(config.image()).named_parameters()}
    assert image_names < names
    assert all(".temporal." in name for name in names - image_names)
    assert config.image().video() == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widths": 3}, r"U-Net\.widths: no such key"),
        ({"channels": "wide"}, r"U-Net\.channels: must be a whole number"),
        ({"num_blocks": [1]}, "one entry per level"),
        ({"temporal_attention": [2]}, "names level 2; levels are 0 to 1"),
        ({"head_channels": 6}, "no multiple of head_channels 6"),
        ({"text_width": 0}, "give text_width"),
        ({"text": [{"name": "t5"}]}, r"U-Net\.text\.0\.width: .*required"),
    ],
)
def test_configurations_no_network_can_have(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        UNetConfig.from_json({**PRESETS["test"].to_json(), **change})
