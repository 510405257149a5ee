"""The U-Net: images and videos, text and labels, joint batches, precision, gradients."""

from dataclasses import replace

import pytest
import torch
from networks import perturbed, text

from pyoco_eval.diffusion.denoiser import Conditioning, KnownFrames, TextEmbedding
from pyoco_eval.errors import UsageError
from pyoco_eval.models.config import TextInput
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import VideoUNet

TEST = PRESETS["test"]


@pytest.fixture(scope="module")
def video() -> VideoUNet:
    return perturbed(VideoUNet(TEST)).eval()


@pytest.fixture(scope="module")
def image() -> VideoUNet:
    return perturbed(VideoUNet(TEST.image())).eval()


def frames(num_videos: int, num_frames: int, size: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(num_videos * 100 + num_frames)
    return torch.randn(num_videos, num_frames, 3, size, size, generator=generator)


def test_a_fresh_network_is_zero() -> None:
    assert not VideoUNet(TEST)(frames(1, 3), torch.zeros(1)).any()


def test_an_image_network_treats_frames_one_by_one(image: VideoUNet) -> None:
    x, c_noise, cond = frames(2, 3), torch.tensor([0.3, -1.0]), text(2, 0)
    expected = torch.stack([image(x[:, [t]], c_noise, cond)[:, 0] for t in range(3)], 1)
    torch.testing.assert_close(image(x, c_noise, cond), expected, rtol=1e-5, atol=1e-5)


def test_a_video_network_mixes_the_frames_of_one_video_and_of_no_other(video: VideoUNet) -> None:
    x, c_noise = frames(2, 4), torch.zeros(2)
    changed = x.clone()
    changed[0, 3] += 1
    difference = (video(changed, c_noise) - video(x, c_noise)).abs().amax((2, 3, 4))
    assert (difference[0] > 1e-4).all()
    assert (difference[1] < 1e-6).all()


def test_rows_do_not_depend_on_their_batch(video: VideoUNet) -> None:
    x, c_noise, cond = frames(3, 2), torch.tensor([0.5, -0.5, 0.0]), text(1, 4, 0)
    whole = video(x, c_noise, cond)
    embedding = cond.text["shapes"]
    for row in range(3):
        own = Conditioning(
            {"shapes": TextEmbedding(embedding.tokens[[row]], embedding.mask[[row]])}
        )
        found = video(x[[row]], c_noise[[row]], own)
        torch.testing.assert_close(found, whole[[row]], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("num_images", [1, 2])
def test_a_joint_batch_is_videos_and_images_side_by_side(
    video: VideoUNet, image: VideoUNet, num_images: int
) -> None:
    spatial = {
        name: weight for name, weight in video.state_dict().items() if "temporal" not in name
    }
    image.load_state_dict(spatial)
    x, c_noise, cond = frames(2, 3 + num_images), torch.tensor([0.4, -0.8]), text(3, 1)
    image_cond = text(*range(2 * num_images), num_tokens=6)
    joint = video(x, c_noise, cond, num_images=num_images, image_cond=image_cond)

    alone = video(x[:, :3], c_noise, cond)
    torch.testing.assert_close(joint[:, :3], alone, rtol=1e-5, atol=1e-5)
    pictures = x[:, 3:].flatten(0, 1)[:, None]
    alone = image(pictures, c_noise.repeat_interleave(num_images), image_cond)
    torch.testing.assert_close(joint[:, 3:].flatten(0, 1)[:, None], alone, rtol=1e-5, atol=1e-5)


def test_a_batch_of_images_alone_leaves_temporal_layers_out(
    video: VideoUNet, image: VideoUNet
) -> None:
    spatial = {
        name: weight for name, weight in video.state_dict().items() if "temporal" not in name
    }
    image.load_state_dict(spatial)
    x, c_noise = frames(1, 3), torch.zeros(1)
    found = video(x, c_noise, num_images=3)
    torch.testing.assert_close(found, image(x, c_noise), rtol=1e-5, atol=1e-5)


def test_tokens_outside_the_mask_are_not_seen(video: VideoUNet) -> None:
    x, c_noise, cond = frames(2, 2), torch.zeros(2), text(2, 3)
    embedding = cond.text["shapes"]
    expected = video(x, c_noise, cond)
    others = torch.where(embedding.mask[:, :, None], embedding.tokens, 100.0)
    found = video(x, c_noise, Conditioning({"shapes": TextEmbedding(others, embedding.mask)}))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    others = embedding.tokens + embedding.mask[:, :, None] * torch.randn(64)
    found = video(x, c_noise, Conditioning({"shapes": TextEmbedding(others, embedding.mask)}))
    assert (found - expected).abs().max() > 1e-3


def test_dropped_empty_and_missing_text_are_the_same_learned_token(video: VideoUNet) -> None:
    x, c_noise, cond = frames(1, 2), torch.zeros(1), text(3)
    missing = video(x, c_noise)
    for other in (cond.unconditional(), text(0), text(0, num_tokens=0), Conditioning()):
        torch.testing.assert_close(video(x, c_noise, other), missing, rtol=1e-5, atol=1e-5)
    assert (video(x, c_noise, cond) - missing).abs().max() > 1e-3


def test_text_encoders_are_dropped_one_by_one() -> None:
    config = replace(TEST, text=(TextInput("t5", 12), TextInput("clip", 10)))
    network = perturbed(VideoUNet(config)).eval()
    mask = torch.ones(1, 3, dtype=torch.bool)
    both = Conditioning(
        {
            "t5": TextEmbedding(torch.randn(1, 3, 12), mask),
            "clip": TextEmbedding(torch.randn(1, 3, 10), mask),
        }
    )
    x, c_noise = frames(1, 1), torch.zeros(1)
    outputs = [
        network(x, c_noise, both.dropped({name: torch.tensor([True]) for name in names}))
        for names in ((), ("t5",), ("clip",), ("t5", "clip"))
    ]
    for i, first in enumerate(outputs):
        for second in outputs[:i]:
            assert (first - second).abs().max() > 1e-3
    torch.testing.assert_close(outputs[3], network(x, c_noise), rtol=1e-5, atol=1e-5)


def test_labels_and_none_differ_row_by_row() -> None:
    network = perturbed(VideoUNet(replace(TEST, num_classes=3))).eval()
    x, c_noise = frames(1, 1).expand(4, -1, -1, -1, -1), torch.zeros(4)
    found = network(x, c_noise, Conditioning(labels=torch.tensor([0, 2, -1, 2])))
    torch.testing.assert_close(found[1], found[3], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found[2], network(x, c_noise)[2], rtol=1e-5, atol=1e-5)
    assert (found[0] - found[1]).abs().max() > 1e-3
    assert (found[2] - found[1]).abs().max() > 1e-3


def test_known_frames_are_seen_where_they_are_known() -> None:
    network = perturbed(VideoUNet(replace(TEST, known_frames=True))).eval()
    x, given, c_noise = frames(1, 4), frames(1, 4) + 1, torch.zeros(1)
    mask = torch.tensor([[True, False, False, True]])
    found = network(x, c_noise, Conditioning(known=KnownFrames(given, mask)))
    elsewhere = torch.where(mask[:, :, None, None, None], given, torch.nan)
    again = network(x, c_noise, Conditioning(known=KnownFrames(elsewhere, mask)))
    torch.testing.assert_close(again, found, rtol=0, atol=0)
    none = network(x, c_noise, Conditioning(known=KnownFrames(given, mask & False)))
    torch.testing.assert_close(none, network(x, c_noise), rtol=0, atol=0)
    assert (found - none).abs().max() > 1e-3


@pytest.mark.parametrize("checkpointing", [False, True])
def test_every_parameter_gets_a_gradient(checkpointing: bool) -> None:
    network = perturbed(VideoUNet(replace(TEST, num_classes=3)))
    network.gradient_checkpointing = checkpointing
    cond = replace(text(2, 0), labels=torch.tensor([1, -1]))
    network(frames(2, 3), torch.tensor([0.1, 0.2]), cond, num_images=1).square().sum().backward()
    silent = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert silent == []


def test_gradient_checkpointing_changes_memory_and_not_gradients() -> None:
    network = perturbed(VideoUNet(TEST))
    cond, gradients = text(2), []
    for network.gradient_checkpointing in (False, True):
        network.zero_grad()
        network(frames(1, 3), torch.zeros(1), cond).square().sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1])


def test_bfloat16_stays_near_float32(video: VideoUNet) -> None:
    x, c_noise, cond = frames(1, 3), torch.zeros(1), text(2)
    expected = video(x, c_noise, cond)
    with torch.autocast("cpu", torch.bfloat16):
        found = video(x, c_noise, cond)
    assert found.dtype == torch.bfloat16
    assert ((found - expected).norm() / expected.norm()).item() < 0.03


def test_a_patch_is_one_position_of_the_first_level() -> None:
    whole, patched = VideoUNet(TEST), VideoUNet(replace(TEST, patch=2))
    with torch.no_grad():
        for weights in (patched.input.weight, patched.output.weight):
            assert weights.numel() == 4 * whole.get_parameter("input.weight").numel()
        perturbed(patched)
    sizes: list[torch.Size] = []
    patched.input.register_forward_hook(lambda *given: sizes.append(given[2].shape))
    x = torch.randn(1, 2, 3, 8, 12)
    assert patched(x, torch.zeros(1)).shape == x.shape
    assert sizes == [(2, TEST.channels, 4, 6)]
    assert patched.config.size_multiple == 4
    with pytest.raises(UsageError, match="multiple"):
        patched(x[..., :10], torch.zeros(1))


def test_float64_weights_compute_in_float64(video: VideoUNet) -> None:
    x, c_noise, cond = frames(1, 2), torch.zeros(1), text(2)
    double = VideoUNet(TEST).eval().double()
    double.load_state_dict(video.state_dict())
    found = double(x.double(), c_noise.double(), cond)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.float(), video(x, c_noise, cond), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_compiles_into_one_graph(video: VideoUNet) -> None:
    compiled = torch.compile(video, backend="eager", fullgraph=True)
    x, c_noise, cond = frames(1, 3), torch.zeros(1), text(2)
    with torch.no_grad():
        found = compiled(x, c_noise, cond, num_images=1)
        expected = video(x, c_noise, cond, num_images=1)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 1, 3, 7, 8), "multiples of 2"),
        ((1, 1, 4, 8, 8), r"\(B, T, 3, H, W\)"),
        ((1, 3, 8, 8), r"\(B, T, 3, H, W\)"),
    ],
)
def test_frames_it_cannot_take(video: VideoUNet, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        video(torch.zeros(shape), torch.zeros(1))


def test_conditioning_it_cannot_take(video: VideoUNet) -> None:
    x, c_noise = frames(2, 2), torch.zeros(2)
    other = {"t5": text(1, 1).text["shapes"]}
    with pytest.raises(UsageError, match="text from t5, but the network takes shapes"):
        video(x, c_noise, Conditioning(other))
    with pytest.raises(UsageError, match=r"needs \(2, L, 64\)"):
        video(x, c_noise, text(1))
    with pytest.raises(UsageError, match="class labels"):
        video(x, c_noise, Conditioning(labels=torch.tensor([0, 1])))
    known = KnownFrames(x, torch.ones(2, 2, dtype=torch.bool))
    with pytest.raises(UsageError, match="known frames"):
        video(x, c_noise, Conditioning(known=known))
    with pytest.raises(UsageError, match="num_images 3"):
        video(x, c_noise, num_images=3)
