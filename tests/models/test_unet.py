"""The U-Net: images and videos, text and labels, joint batches."""

import pytest
import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.models.inflation import inflate
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import VideoUNet


def perturbed(network: VideoUNet, *, seed: int = 0) -> VideoUNet:
    """No weight is zero any more, so that every layer takes part."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return network


def test_an_inflated_network_is_the_image_network_frame_by_frame() -> None:
    config = PRESETS["test"]
    image, video = perturbed(config.image().build()), config.build()
    inflate(image.state_dict(), video)
    x, c_noise = torch.randn(2, 5, 3, 16, 16), torch.tensor([0.3, -1.0])
    expected = torch.stack([image(x[:, [t]], c_noise)[:, 0] for t in range(5)], 1)
    assert expected.std() > 0.1
    torch.testing.assert_close(video(x, c_noise), expected, rtol=0, atol=1e-6)


def test_frame_sizes_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(UsageError, match="multiples of 2"):
        PRESETS["test"].build()(torch.zeros(1, 1, 3, 15, 16), torch.zeros(1))
