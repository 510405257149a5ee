"""A text-to-image U-Net of diffusers with temporal layers: it starts as what it was."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers")
from pyoco_eval.diffusion.denoiser import Conditioning, KnownFrames, TextEmbedding
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.models.building import count_parameters
from pyoco_eval.models.checkpoint import ModelInfo, load_model, save_model
from pyoco_eval.models.config import TextInput
from pyoco_eval.models.inflation import temporal_names
from pyoco_eval.models.motion_config import MotionConfig, spatial_config
from pyoco_eval.models.motion_unet import MotionUNet, motion_state, spatial_state

sys.path.insert(0, str(Path(__file__).parents[1] / "probe"))
from small_pipelines import small_unet

SCHEDULE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}

LIKE_SD2 = {"attention_head_dim": (2, 4), "use_linear_projection": True, "upcast_attention": True}
DEEP = {
    "block_out_channels": (8, 16, 16, 16),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "layers_per_block": 2,
}


def config_of(unet: Any, **changes: Any) -> MotionConfig:
    settings: dict[str, Any] = {
        "spatial": json.loads(json.dumps(spatial_config(unet.config))),
        "schedule": SCHEDULE,
        "prediction": "epsilon",
        "text": (TextInput("prompt", 12),),
        "text_tokens": 5,
        "text_width": 12,
        "pipeline": {"unet": "0", "text_encoder": "1"},
        "heads": 4,
        "max_frames": 8,
    }
    return MotionConfig(**settings | changes)


def network_of(unet: Any, **changes: Any) -> MotionUNet:
    torch.manual_seed(1)
    network = MotionUNet(config_of(unet, **changes))
    network.start_from(unet, torch.randn(5, 12))
    return network.eval().double()


def stirred(network: MotionUNet) -> MotionUNet:
    """With temporal layers that do something."""
    torch.manual_seed(2)
    for name, parameter in network.named_parameters():
        if name in temporal_names(network):
            torch.nn.init.normal_(parameter, std=0.3)
    return network


def told(count: int, seed: int = 3) -> Conditioning:
    tokens = torch.randn(count, 5, 12, generator=torch.Generator().manual_seed(seed)).double()
    return Conditioning({"prompt": TextEmbedding(tokens, torch.ones(count, 5, dtype=torch.bool))})


def inputs(frames: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(4)
    return torch.randn(2, frames, 4, 8, 8).double(), torch.tensor([3.0, 700.5]).double()


@torch.no_grad()
def by_frame(unet: Any, x: torch.Tensor, noise: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """What diffusers' own image network makes of every frame."""
    frames = [unet(frame, noise, encoder_hidden_states=tokens).sample for frame in x.unbind(1)]
    return torch.stack(frames, 1)


@pytest.mark.parametrize("changes", [{}, LIKE_SD2, DEEP], ids=["plain", "sd2", "deep"])
def test_it_starts_as_the_image_network_frame_by_frame(changes: dict[str, Any]) -> None:
    unet = small_unet(**changes)
    network, (x, noise), cond = network_of(unet), inputs(), told(2)
    unet.double()
    expected = by_frame(unet, x, noise, cond.text["prompt"].tokens)
    with torch.no_grad():
        torch.testing.assert_close(network(x, noise, cond), expected, rtol=0, atol=1e-6)
        assert (stirred(network)(x, noise, cond) - expected).abs().max() > 1e-3


def test_temporal_layers_see_other_frames_and_no_other_video() -> None:
    network, (x, noise), cond = stirred(network_of(small_unet())), inputs(), told(2)
    with torch.no_grad():
        before = network(x, noise, cond)
        x[0, 2] += 1
        after = network(x, noise, cond)
    assert not torch.equal(before[0, 0], after[0, 0])
    torch.testing.assert_close(before[1], after[1], rtol=0, atol=1e-12)


def test_pictures_that_join_videos_neither_see_nor_change_them() -> None:
    unet = small_unet()
    network, (x, noise), cond = stirred(network_of(unet)), inputs(5), told(2)
    images = told(4, seed=5)
    unet.double()
    with torch.no_grad():
        found = network(x, noise, cond, num_images=2, image_cond=images)
        alone = network(x[:, :3], noise, cond)
    torch.testing.assert_close(found[:, :3], alone, rtol=0, atol=1e-12)
    tokens = images.text["prompt"].tokens.unflatten(0, (2, 2))
    for number in range(2):
        expected = by_frame(unet, x[:, 3 + number, None], noise, tokens[:, number])
        torch.testing.assert_close(found[:, 3 + number, None], expected, rtol=0, atol=1e-6)


def test_a_dropped_text_is_the_empty_prompt() -> None:
    network, (x, noise), cond = network_of(small_unet()), inputs(), told(2)
    empty = network.empty_text.expand(1, -1, -1)
    tokens = torch.cat([cond.text["prompt"].tokens[:1], empty])
    every = torch.ones(2, 5, dtype=torch.bool)
    half = cond.dropped({"prompt": torch.tensor([False, True])})
    nothing = Conditioning({"prompt": TextEmbedding(torch.zeros(2, 1, 12), every[:, :1] & False)})
    with torch.no_grad():
        expected = network(x, noise, Conditioning({"prompt": TextEmbedding(tokens, every)}))
        assert torch.equal(network(x, noise, half), expected)
        assert torch.equal(network(x, noise, cond.unconditional()), network(x, noise))
        assert torch.equal(network(x, noise, nothing), network(x, noise))


def test_gradient_checkpointing_changes_no_gradient_and_covers_layers_over_time() -> None:
    network, (x, noise), cond = stirred(network_of(small_unet())), inputs(), told(2)
    kept, gradients = [], []
    for network.gradient_checkpointing in (False, True):
        sizes: list[int] = []

        def note(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        network.zero_grad()
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            loss = network(x, noise, cond, num_images=1).square().mean()
        torch.autograd.backward(loss)
        kept.append(sum(sizes))
        gradients.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    assert kept[1] < kept[0] / 3
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_a_model_is_stored_and_read_without_the_pipeline(tmp_path: Path) -> None:
    network = stirred(network_of(small_unet(), prediction="v_prediction")).float()
    info = ModelInfo(network.config, "video", 3, 8.0, (8, 8), sigma_data=1.0)
    save_model(tmp_path, network, info)
    model = load_model(tmp_path)
    assert model.info == info
    assert model.info.digest() == ModelInfo.from_json(info.to_json()).digest()
    x, noise = inputs()
    with torch.no_grad():
        assert torch.equal(
            model.network(x.float(), noise.float()), network(x.float(), noise.float())
        )


def test_weights_are_those_of_the_image_network_and_of_a_motion_adapter() -> None:
    import diffusers

    unet = small_unet()
    state = network_of(unet).state_dict()
    assert spatial_state(state).keys() == unet.state_dict().keys()
    adapter = diffusers.MotionAdapter(
        block_out_channels=(8, 16), motion_layers_per_block=1, motion_num_attention_heads=4,
        motion_norm_num_groups=4, motion_max_seq_length=8,
    )  # fmt: skip
    tables = {name for name, _ in adapter.named_buffers()}
    assert motion_state(state).keys() == adapter.state_dict().keys() - tables


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_embed_type": "timestep"}, "it asks for a class"),
        ({"num_class_embeds": 3}, "it asks for a class"),
        ({"addition_embed_type": "text"}, "as SDXL does"),
        ({"time_cond_proj_dim": 4}, "distilled"),
        ({"in_channels": 9}, "reads 9 channels and makes 4"),
        ({"resnet_time_scale_shift": "scale_shift"}, "resnet_time_scale_shift='scale_shift'"),
        ({"dual_cross_attention": True}, "dual_cross_attention=True"),
        ({"mid_block_type": "UNetMidBlock2D"}, "mid_block_type='UNetMidBlock2D'"),
        (
            {"down_block_types": ("ResnetDownsampleBlock2D", "CrossAttnDownBlock2D")},
            "ResnetDownsampleBlock2D",
        ),
    ],
)
def test_what_would_not_start_as_the_same_network_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    unet = small_unet()
    spatial = spatial_config({**unet.config, **changes})
    with pytest.raises(UsageError, match=message):
        config_of(unet, spatial=spatial)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 3}, "3 do not divide the width 8"),
        ({"max_frames": 1}, "max_frames: 1 is not within 2"),
        ({"text_width": 16}, "read text of width 12, its text encoder writes 16"),
        ({"schedule": {"beta_schedule": "none"}}, "is none: none is not implemented"),
    ],
)
def test_settings_that_cannot_be_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        config_of(small_unet(), **changes)


def test_inputs_it_was_not_built_for_are_named() -> None:
    network, (x, noise), cond = network_of(small_unet()), inputs(), told(2)
    known = KnownFrames(x, torch.ones(2, 3, dtype=torch.bool))
    for frames, conditioning, message in (
        (x[:, :, :3], cond, "takes .B, T, 4, h, w"),
        (x[..., :7], cond, "multiples of 2"),
        (x.repeat(1, 3, 1, 1, 1), cond, "9 frames: the temporal layers tell 1 to 8"),
        (x, told(3), "texts have tokens .3, 5, 12."),
        (x, Conditioning(labels=torch.zeros(2)), "no label or known frame"),
        (x, Conditioning(known=known), "no label or known frame"),
        (x, Conditioning({"t5": cond.text["prompt"]}), "takes prompt"),
    ):
        with pytest.raises(UsageError, match=message):
            network(frames, noise, conditioning)


def test_a_changed_description_is_noticed(tmp_path: Path) -> None:
    network = network_of(small_unet()).float()
    save_model(tmp_path, network, ModelInfo(network.config, "video", 3, 8.0, (8, 8)))
    path = tmp_path / "model.json"
    path.write_text(path.read_text().replace('"beta_end": 0.012', '"beta_end": 0.013'))
    with pytest.raises(PyocoEvalError, match="was changed after it was written"):
        load_model(tmp_path)


def test_stable_diffusion_has_its_published_sizes() -> None:
    """Of 1.5, as published: 859,520,964 parameters, and 453,209,280 of AnimateDiff's layers."""
    settings = spatial_config({"cross_attention_dim": 768})
    config = config_of(
        small_unet(), spatial=settings, heads=8, max_frames=32, text=(TextInput("prompt", 768),),
        text_tokens=77, text_width=768,
    )  # fmt: skip
    assert count_parameters(config) == 859_520_964 + 453_209_280 + 77 * 768
    assert config.sigma_range == pytest.approx((0.0292, 14.61), rel=2e-3)
    assert (config.size_multiple, config.frame_channels) == (8, 4)
