"""Priors beyond the paper's: drawn alphas, frequencies, windows; and noise for other tools."""

import math
import sys
from pathlib import Path

import pytest
import torch

import pyoco_eval
from pyoco_eval.errors import UsageError
from pyoco_eval.noise_check.check import check_prior
from pyoco_eval.priors import FrequencyPrior, WindowsPrior, parse_prior
from pyoco_eval.seeding import torch_generator

SPECS = (
    "mixed:alpha=0.5..4", "progressive:alpha=0.25..8",
    "frequency:alpha=3,cut=0.25,filter=gaussian", "frequency:alpha=1,cut=0.5,filter=ideal",
    "freeinit:alpha=0,cut=0.25,filter=gaussian", "freeinit:alpha=2,cut=0.25,filter=butterworth",
    "windows:length=4,stride=2", "windows:length=6,stride=6",
)  # fmt: skip


def many(spec: str, num_frames: int, size: tuple[int, int], count: int) -> torch.Tensor:
    """(count, T, H, W) float64."""
    generators = [torch_generator("law", number) for number in range(count)]
    return parse_prior(spec).sample((1, *size), num_frames, generators).double()[:, :, 0]


@pytest.mark.parametrize("spec", SPECS)
def test_samples_covary_as_stated_over_time_and_space(spec: str) -> None:
    """Means of products of 12,000 samples; 6 standard errors, over some 1,000 entries each.

    Products have a variance of 3 at most: by Cauchy and Schwarz, of the fourth moment.
    """
    prior, num_frames, size, count = parse_prior(spec), 6, (2, 3), 12_000
    values = many(spec, num_frames, size, count).flatten(1)
    found = values.T @ values / count
    expected = prior.covariance(num_frames, size)
    scale = float(expected.diagonal().max())
    assert (found - expected).abs().max() < 6 * scale * math.sqrt(3 / count)
    assert values.mean(0).abs().max() < 6 * math.sqrt(scale / count)


@pytest.mark.parametrize("spec", SPECS)
def test_the_covariance_is_one(spec: str) -> None:
    prior, size = parse_prior(spec), (3, 4)
    matrix = prior.covariance(5, size)
    assert torch.allclose(matrix, matrix.T, atol=1e-12)
    assert torch.linalg.eigvalsh(matrix).min() > -1e-10
    if not spec.startswith("freeinit"):
        assert torch.allclose(matrix.diagonal(), torch.ones(60).double(), atol=1e-12)
        ones = torch.ones(5).double()
        assert torch.allclose(prior.frame_covariance(5).diagonal(), ones, atol=1e-12)
    x = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    product = prior.covariance_product(x).flatten(1)
    assert torch.allclose(product, x.flatten(1) @ matrix, atol=1e-10)


@pytest.mark.parametrize("spec", SPECS)
def test_specs_round_trip_and_samples_stand_alone(spec: str) -> None:
    prior = parse_prior(spec)
    assert prior.spec == spec
    assert parse_prior(prior.spec) == prior
    generators = [torch_generator("noise", number) for number in range(3)]
    whole = prior.sample((3, 4, 6), 7, generators)
    assert torch.equal(prior.sample((3, 4, 6), 7, [torch_generator("noise", 2)]), whole[2:])


def test_a_drawn_alpha_in_closed_form() -> None:
    low, high = 0.5, 4.0
    mixed = float(parse_prior("mixed:alpha=0.5..4").frame_covariance(3)[0, 2])
    progressive = parse_prior("progressive:alpha=0.5..4").frame_covariance(5)
    logs = torch.linspace(math.log(low), math.log(high), 400_001, dtype=torch.float64)
    u = torch.exp(2 * logs) / (1 + torch.exp(2 * logs))
    span = math.log(high / low)
    assert mixed == pytest.approx(float(torch.trapezoid(u, logs) / span), abs=1e-10)
    for lag in range(1, 5):
        mean = float(torch.trapezoid(u ** (lag / 2), logs) / span)
        assert float(progressive[0, lag]) == pytest.approx(mean, abs=1e-10)


def test_given_its_alpha_it_is_the_paper_s_prior() -> None:
    prior = parse_prior("mixed:alpha=0.5..4")
    noise = prior.sample((4, 64, 64), 4, [torch_generator("one", 3)])[0].double().flatten(1)
    correlation = torch.corrcoef(noise)
    off = correlation[~torch.eye(4, dtype=torch.bool)]
    alpha_squared = float(off.mean() / (1 - off.mean()))
    assert 0.5**2 * 0.9 < alpha_squared < 4**2 * 1.1
    assert off.std() < 0.02


def test_freeinit_loses_the_variance_that_was_measured_elsewhere() -> None:
    """Of independent inputs at 16 x 64 x 64: 0.960, 0.992 and 1.0."""
    for name, variance in (("gaussian", 0.960), ("butterworth", 0.992), ("ideal", 1.0)):
        prior = FrequencyPrior(0, 0.25, name, renormalised=False)
        power = prior.power(16, (64, 64))
        assert float(power.mean()) == pytest.approx(variance, abs=2e-3), name
    assert float(FrequencyPrior(0, 0.25, "gaussian", renormalised=False).power(16, (64, 64)).min()
                 ) == pytest.approx(0.5, abs=2e-3)  # fmt: skip
    found = check_prior("freeinit:alpha=0", against="independent")
    assert found.diagnosis == "not-renormalised", found.verdict


def test_low_frequencies_are_shared_and_high_ones_are_not() -> None:
    spec = "frequency:alpha=3,cut=0.5,filter=ideal"
    spectrum = torch.fft.fft2(many(spec, 8, (32, 32), 20))
    power, turns = parse_prior(spec).power(8, (32, 32)), torch.arange(8) / 8
    likeness = {}
    for name, rows, columns in (
        ("low", slice(0, 4), slice(1, 5)),
        ("high", slice(12, 20), slice(12, 20)),
    ):
        part, stated = spectrum[..., rows, columns], power[:, rows, columns].mean((1, 2))
        cross = (part[:, :-1] * part[:, 1:].conj()).real.mean() / part.abs().square().mean()
        expected = (stated * torch.cos(2 * math.pi * turns)).sum() / stated.sum()
        assert float(cross) == pytest.approx(float(expected), abs=0.08), name
        likeness[name] = float(expected)
    assert likeness["low"] > 0.3
    assert abs(likeness["high"]) < 1e-6


def test_windows_show_the_same_maps_again() -> None:
    prior = WindowsPrior(4, 2)
    noise = prior.sample((1, 2, 2), 11, [torch_generator("w", 0)])[0].flatten(1)
    first = {tuple(row) for row in noise[:4].tolist()}
    assert len(first) == 4
    for start in range(8):
        if start % 2 == 0 and start + 4 <= 11:
            assert {tuple(row) for row in noise[start : start + 4].tolist()} == first
    plain = parse_prior("independent").sample((1, 2, 2), 4, [torch_generator("w", 0)])[0]
    assert torch.equal(prior.sample((1, 2, 2), 4, [torch_generator("w", 0)])[0], plain)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mixed:alpha=4..1", "bounds of a random alpha"),
        ("mixed:alpha=0..1", "bounds of a random alpha"),
        ("mixed:alpha=1..inf", "bounds of a random alpha"),
        ("progressive:alpha=a..b", "two for one that is drawn"),
        ("frequency", "frequency takes alpha, cut, filter"),
        ("frequency:alpha=1,cutt=2", "frequency takes alpha, cut, filter"),
        ("frequency:alpha=1,filter=box", "filter is one of gaussian"),
        ("frequency:alpha=inf", "alpha is 0 or more"),
        ("freeinit:alpha=x", "alpha is a number, not 'x'"),
        ("windows:length=16", "windows takes length, stride"),
        ("windows:length=16,stride=5", "multiple of stride"),
        ("windows:length=4.5,stride=1", "whole numbers"),
    ],
)
def test_unusable_specs(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_prior(spec)


def test_noise_for_other_tools() -> None:
    whole = pyoco_eval.noise("progressive:alpha=2", (2, 5, 3, 8, 8), [4, 9])
    assert whole.shape == (2, 5, 3, 8, 8)
    assert torch.equal(pyoco_eval.noise("progressive:alpha=2", (1, 5, 3, 8, 8), 9), whole[1:])
    swapped = pyoco_eval.noise("progressive:alpha=2", (2, 3, 5, 8, 8), [4, 9], layout="bcthw")
    assert torch.equal(swapped, whole.transpose(1, 2))
    assert swapped.is_contiguous()
    expected = parse_prior("progressive:alpha=2").sample(
        (3, 8, 8), 5, [torch_generator("sample", 4)]
    )
    assert torch.equal(whole[:1], expected)
    assert pyoco_eval.noise("independent", (1, 2, 3, 4, 4), 0, dtype=torch.float16).dtype
    for arguments, message in (
        (("independent", (2, 3, 4, 4), 0), "five axes"),
        (("independent", (2, 1, 3, 4, 4), [1]), "1 for 2 videos"),
        (("nothing", (1, 1, 3, 4, 4), 0), "use independent"),
    ):
        with pytest.raises(UsageError, match=message):
            pyoco_eval.noise(*arguments)


def test_noise_as_latents_of_a_pipeline(tmp_path: Path) -> None:
    diffusers = pytest.importorskip("diffusers")
    sys.path.append(str(Path(__file__).parents[1] / "generation"))
    from small_models import save_video_pipeline

    pipeline = diffusers.DiffusionPipeline.from_pretrained(save_video_pipeline(tmp_path / "p"))
    pipeline.set_progress_bar_config(disable=True)

    def frames(spec: str) -> torch.Tensor:
        latents = pyoco_eval.noise(spec, (1, 4, 4, 16, 16), [7], layout="bcthw")
        made = pipeline(
            "a red dog", num_frames=4, height=16, width=16, num_inference_steps=1,
            latents=latents, output_type="pt",
        )  # fmt: skip
        return made.frames[0]

    moving, frozen = frames("independent"), frames("mixed:alpha=inf")
    assert len(moving) == 4
    assert not torch.equal(moving, frozen)


def test_what_a_check_cannot_be_held_against() -> None:
    with pytest.raises(UsageError, match="differs from video to video"):
        check_prior("mixed:alpha=1", against="mixed:alpha=0.5..4")
    assert check_prior("progressive:alpha=0.5..4").right
