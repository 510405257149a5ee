"""Inversion against closed forms, and there and back."""

import math
from itertools import chain, pairwise

import pytest
import torch
from gaussian import gaussian_videos

from pyoco_eval.diffusion.inversion import invert
from pyoco_eval.diffusion.samplers import SamplerSpec
from pyoco_eval.errors import UsageError
from pyoco_eval.priors import parse_prior
from pyoco_eval.seeding import torch_generator


def draw(size: int = 6, seed: int = 0) -> torch.Tensor:
    prior = parse_prior("progressive:alpha=2")
    return prior.sample((1, size, size), 4, [torch_generator(seed)], dtype=torch.float64)


def clean_videos(size: int = 6) -> torch.Tensor:
    """Of the law of `gaussian_videos`."""
    videos = gaussian_videos()
    root = torch.linalg.cholesky(videos.C)
    white = parse_prior("independent").sample(
        (1, size, size), 4, [torch_generator("clean")], dtype=torch.float64
    )
    return videos.mean + torch.einsum("ts,bschw->btchw", root, white)


@pytest.mark.parametrize(
    ("sampler", "bound"),
    [("ddim:num_steps=4000", 5e-3), ("heun:num_steps=500", 5e-4), ("deis:num_steps=1000", 5e-3)],
)
@pytest.mark.parametrize("prior", ["independent", "progressive:alpha=2"])
def test_the_noise_is_the_closed_form(sampler: str, bound: float, prior: str) -> None:
    """From sigma_min, where the clean video is taken to be, to sigma_max."""
    videos, x = gaussian_videos(prior=prior), clean_videos()
    found = invert(videos, x, SamplerSpec.parse(sampler))
    exact = videos.flow(x, 0.002, 80) / 80
    assert found.dtype == torch.float64
    assert float((found - exact).abs().max()) < bound


def test_start_and_scale_are_as_documented() -> None:
    """The exact flow from 0 differs by sqrt(1 + sigma_min² / v), and the noise has variance
    1 + v / sigma_max²: with large ends, both show, and neither more than that."""
    videos, x = gaussian_videos(num_frames=1, prior="independent"), clean_videos()[:, :1]
    sampler = SamplerSpec.parse("heun:num_steps=2000,sigma_min=0.05,sigma_max=2")
    v = float(videos.C[0, 0])
    found = invert(videos, x, sampler)
    from_zero = videos.flow(x, 0, 2) / 2 - videos.mean / 2
    ratio = (from_zero / (found - videos.mean / 2)).flatten()
    expected = math.sqrt(1 + 0.05**2 / v)
    assert ratio.numpy() == pytest.approx(expected, rel=1e-4)
    growth = (from_zero / (x - videos.mean)).flatten() ** 2 * v
    assert growth.numpy() == pytest.approx(1 + v / 2**2, rel=1e-9)


@pytest.mark.parametrize("sampler", ["ddim:", "heun:", "deis:order=1,"])
def test_there_and_back(sampler: str) -> None:
    """The error of a round trip falls with the step, by the order of the method.

    It has a floor, of the start at sigma_min, which is put low here.
    """
    videos, x = gaussian_videos(), clean_videos()

    def trip(num_steps: int) -> float:
        spec = SamplerSpec.parse(f"{sampler}num_steps={num_steps},sigma_min=0.0002")
        return float((spec.sample(videos, invert(videos, x, spec)) - x).abs().max())

    coarse, fine = trip(100), trip(400)
    assert fine < 0.05
    assert coarse / fine > (3 if sampler == "ddim:" else 10)


def test_levels_are_walked_upwards_without_an_off_by_one() -> None:
    spec = SamplerSpec.parse("ddim:num_steps=6")
    rising = spec.sigmas()[:-1].flip(0).tolist()
    videos, seen = gaussian_videos(), []
    invert(videos, clean_videos(), spec, on_step=lambda step, sigma, x, d: seen.append(sigma))
    assert videos.levels == rising[:-1]
    assert seen == rising[1:]

    asked = gaussian_videos()
    invert(asked, clean_videos(), SamplerSpec.parse("heun:num_steps=6"))
    assert asked.levels == list(chain.from_iterable(pairwise(rising)))


def test_one_step_by_hand() -> None:
    """From s to S: x + (S - s) (x - D(x; s)) / s, over S."""
    videos, x = gaussian_videos(), clean_videos()
    spec = SamplerSpec.parse("ddim:num_steps=2,sigma_min=0.5,sigma_max=2")
    slope = (x - videos(x, torch.tensor([0.5]).double())) / 0.5
    expected = (x + 1.5 * slope) / 2
    assert torch.allclose(invert(videos, x, spec), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("sampler", ["stochastic", "deis:S_churn=5", "ddim:eta=1"])
def test_what_adds_noise_has_no_inverse(sampler: str) -> None:
    with pytest.raises(UsageError, match="cannot be inverted"):
        invert(gaussian_videos(), clean_videos(), SamplerSpec.parse(sampler))
