"""Which network a request means, and what it refuses before loading or running anything."""

import pytest
import torch

from pyoco_eval.devices import pick_device, refuse_faulty_conv3d
from pyoco_eval.doctor import libraries
from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.extraction import networks
from pyoco_eval.extraction.networks import Network
from pyoco_eval.extraction.options import Options
from pyoco_eval.videos.clip_rule import ClipRule
from pyoco_eval.videos.resize import ResizeRule


@pytest.mark.parametrize(
    ("extractor", "layer", "conv"),
    [
        ("i3d", None, "tf-fvd"),
        ("i3d", "logits", "tf-fvd"),
        ("i3d", "pool", "custom"),
        ("tiny3d", None, "embedded-fvd"),
        ("tiny3d", "logits", "embedded-is"),
        ("c3d", "fc7", "custom"),
    ],
)
def test_a_layer_names_its_convention(extractor: str, layer: str | None, conv: str) -> None:
    assert Network.named(extractor, Options(), layer=layer).conv == conv


@pytest.mark.parametrize("extractor", ["c3d", "tiny3d", "tiny2d", "tinyclip"])
def test_networks_with_a_fixed_input_rule_say_so(extractor: str) -> None:
    with pytest.raises(UsageError, match=f"{extractor} has a fixed input rule"):
        Network.named(extractor, Options(resize=ResizeRule(112, "bilinear", "crop")))


def test_another_extractors_convention_is_refused() -> None:
    with pytest.raises(UsageError, match="is for c3d, not i3d; use one of tf-fvd"):
        Network.named("i3d", Options(), rule="tgan2")


def test_clips_too_short_for_the_network_are_refused_at_loading() -> None:
    with pytest.raises(UsageError, match="--num-frames 3: tiny3d needs at least 4"):
        Network.named("tiny3d", Options()).load(Options(clip=ClipRule(num_frames=3)))


def test_devices() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    with pytest.raises(UsageError, match="--device 'gpu'"):
        pick_device("gpu")
    with pytest.raises(MissingError, match="cuda:99"):
        pick_device("cuda:99")


@pytest.mark.parametrize(
    ("cudnn", "wrong"),
    [(None, False), (90800, False), (91002, True), (91400, True), (91500, False), (92000, False)],
)
def test_bfloat16_is_refused_where_cudnn_convolves_wrongly_over_time(
    monkeypatch: pytest.MonkeyPatch, cudnn: int | None, wrong: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: cudnn)
    found = [finding.text for finding in libraries._cudnn()]
    over_time = torch.nn.Sequential(torch.nn.Conv3d(1, 1, 3))
    refuse_faulty_conv3d([torch.nn.Conv2d(1, 1, 3)], torch.device("cuda"))
    refuse_faulty_conv3d([over_time], torch.device("cpu"))
    if not wrong:
        assert not found
        refuse_faulty_conv3d([over_time], torch.device("cuda"))
        return
    with pytest.raises(UsageError, match=r"cuDNN 9\.1\d computes wrong .* use --precision fp32"):
        refuse_faulty_conv3d([over_time], torch.device("cuda"))
    assert "pytorch#163539" in found[0]


def test_scores_in_bfloat16_ask_about_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.device] = []
    monkeypatch.setattr(
        networks, "refuse_faulty_conv3d", lambda modules, device: asked.append(device)
    )
    Network.named("tiny3d", Options()).load(Options(precision="fp32"))
    assert not asked
    Network.named("tiny3d", Options()).load(Options(precision="bf16"))
    assert asked == [torch.device("cpu")]
