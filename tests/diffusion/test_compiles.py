"""Denoisers are traced whole, without a break of the graph, and compute the same when they are."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from pyoco_eval.diffusion.denoiser import Conditioning, Denoiser
from pyoco_eval.diffusion.guidance import GuidedDenoiser
from pyoco_eval.diffusion.precondition import EDMDenoiser, VPDenoiser
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import VideoUNet


def network() -> VideoUNet:
    torch.manual_seed(0)
    made = VideoUNet(replace(PRESETS["test"], num_classes=3)).eval().requires_grad_(False)
    nn.init.normal_(made.output.weight, std=0.1)
    return made


def vp() -> VPDenoiser:
    return VPDenoiser(network(), torch.linspace(0.999, 0.01, 50), "v_prediction")


MADE: dict[str, Callable[[], Denoiser]] = {
    "EDM": lambda: EDMDenoiser(network()),
    "VP": vp,
    "guided": lambda: GuidedDenoiser(EDMDenoiser(network()), 4.0),
}


@pytest.mark.parametrize("name", MADE)
def test_one_graph(name: str) -> None:
    denoiser = MADE[name]()
    torch._dynamo.reset()
    compiled = torch.compile(denoiser, backend="eager", fullgraph=True)
    x = torch.randn(2, 4, 3, 16, 16, generator=torch.Generator().manual_seed(1)).double()
    sigma, cond = torch.tensor([0.5, 3.0]), Conditioning(labels=torch.tensor([0, 2]))
    with torch.inference_mode():
        found, expected = compiled(x, sigma, cond), denoiser(x, sigma, cond)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert float(found.std()) > 0
