"""Image weights in video networks."""

from dataclasses import replace

import pytest
import torch
from networks import perturbed, text

from pyoco_eval.diffusion.denoiser import Conditioning, KnownFrames
from pyoco_eval.errors import UsageError
from pyoco_eval.models.inflation import inflate
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import VideoUNet

TEST = PRESETS["test"]


@pytest.mark.parametrize("patch", [1, 2])
@pytest.mark.parametrize("name", ["test", "tiny-shapes"])
def test_an_inflated_network_is_the_image_network_frame_by_frame(name: str, patch: int) -> None:
    config = replace(PRESETS[name], patch=patch)
    image, video = perturbed(VideoUNet(config.image())).eval(), VideoUNet(config).eval()
    inflate(image.state_dict(), video)
    x, c_noise, cond = torch.randn(2, 4, 3, 16, 16), torch.tensor([0.3, -1.0]), text(3, 0)
    with torch.no_grad():
        expected = torch.stack([image(x[:, [t]], c_noise, cond)[:, 0] for t in range(4)], 1)
        found = video(x, c_noise, cond)
    scale = expected.abs().max().item()
    assert scale > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 * max(1, scale))


@pytest.mark.parametrize("patch", [1, 2])
def test_an_inflated_interpolation_network_starts_without_regard_to_known_frames(
    patch: int,
) -> None:
    config = replace(TEST, patch=patch)
    image = perturbed(VideoUNet(config.image())).eval()
    video = VideoUNet(replace(config, known_frames=True)).eval()
    inflate(image.state_dict(), video)
    x, c_noise = torch.randn(1, 3, 3, 8, 8), torch.zeros(1)
    known = KnownFrames(torch.randn_like(x), torch.tensor([[True, False, True]]))
    found = video(x, c_noise, Conditioning(known=known))
    torch.testing.assert_close(found, image(x, c_noise), rtol=1e-5, atol=1e-5)


def test_training_moves_temporal_layers_away_from_zero() -> None:
    image, video = perturbed(VideoUNet(TEST.image())), VideoUNet(TEST)
    inflate(image.state_dict(), video)
    optimizer = torch.optim.SGD(video.parameters(), 0.1)
    x, c_noise = torch.randn(1, 3, 3, 8, 8), torch.zeros(1)
    before = video(x, c_noise).detach()
    for _ in range(2):
        optimizer.zero_grad()
        (video(x, c_noise) - x.flip(1)).square().mean().backward()
        optimizer.step()
    temporal = [p for name, p in video.named_parameters() if "temporal.output.weight" in name]
    assert temporal
    assert all(weight.any() for weight in temporal)
    changed = x.clone()
    changed[:, 2] += 1
    difference = (video(changed, c_noise) - video(x, c_noise)).abs().amax((2, 3, 4))
    assert (difference > 0).all()
    assert not torch.equal(before, video(x, c_noise))


def test_every_mismatch_is_named_and_nothing_is_changed() -> None:
    state = VideoUNet(TEST.image()).state_dict()
    state["output.weight"] = state["output.weight"][:, :4]
    state["foreign"] = torch.zeros(3)
    del state["noise.first.bias"]
    video = VideoUNet(TEST)
    before = {name: tensor.clone() for name, tensor in video.state_dict().items()}
    with pytest.raises(UsageError, match="3 tensors do not fit") as caught:
        inflate(state, video)
    message = str(caught.value)
    assert "noise.first.bias: missing" in message
    assert "foreign: the network has no such tensor" in message
    assert "output.weight: shape (3, 4, 3, 3), the network has (3, 8, 3, 3)" in message
    assert all(torch.equal(tensor, before[name]) for name, tensor in video.state_dict().items())


def test_other_widths_list_some_and_count_the_rest() -> None:
    state = VideoUNet(replace(TEST, channels=16).image()).state_dict()
    with pytest.raises(UsageError, match=r"and \d+ more"):
        inflate(state, VideoUNet(TEST))


def test_an_image_network_is_no_target() -> None:
    image = VideoUNet(TEST.image())
    with pytest.raises(UsageError, match="temporal=true"):
        inflate(image.state_dict(), image)
