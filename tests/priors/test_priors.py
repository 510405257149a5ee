"""Noise priors: their law, their limits, and noise that depends on its own sample alone."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.priors import EmpiricalPrior, NoisePrior, parse_prior
from pyoco_eval.seeding import torch_generator

SHAPE = (3, 5, 7)
SPECS = (
    "independent", "mixed:alpha=0", "mixed:alpha=1", "mixed:alpha=inf", "progressive:alpha=0",
    "progressive:alpha=2", "progressive:alpha=0.3", "progressive:alpha=inf",
)  # fmt: skip


def measured(num_frames: int = 6) -> EmpiricalPrior:
    """A prior from a sample correlation, as a probe would measure it."""
    rows = np.random.default_rng(1).normal(size=(40, num_frames)).cumsum(axis=1)
    return EmpiricalPrior("measured", torch.from_numpy(np.corrcoef(rows.T)))


PRIORS = [*(parse_prior(spec) for spec in SPECS), measured()]


def generators(*names: int | str) -> list[torch.Generator]:
    return [torch_generator("noise", name) for name in names]


@pytest.fixture(params=PRIORS, ids=lambda prior: prior.spec)
def prior(request: pytest.FixtureRequest) -> NoisePrior:
    found: NoisePrior = request.param
    return found


def test_sample_covariance_is_frame_covariance(prior: NoisePrior) -> None:
    """The mean of n products of standard normals of correlation r has variance (1 + r²) / n.

    5 standard errors, over 15 distinct entries and 9 priors, are passed by chance once in 10,000.
    """
    num_frames, shape = 5, (3, 200, 200)
    noise = prior.sample(shape, num_frames, generators("law")).double()[0].flatten(1)
    expected = prior.frame_covariance(num_frames)
    found = noise @ noise.T / noise.shape[1]
    bound = 5 * ((1 + expected**2) / noise.shape[1]).sqrt()
    assert ((found - expected).abs() <= bound).all()
    assert (noise.mean(dim=1).abs() <= 5 / math.sqrt(noise.shape[1])).all()


def test_pixels_and_samples_are_independent_and_normal(prior: NoisePrior) -> None:
    noise = prior.sample((1, 64, 64), 3, generators(0, 1)).double()
    n = 64 * 63
    for product in (
        (noise[:, :, :, 1:] * noise[:, :, :, :-1]).mean(dim=(2, 3, 4)) * math.sqrt(n),
        (noise[..., 1:] * noise[..., :-1]).mean(dim=(2, 3, 4)) * math.sqrt(n),
        (noise[0] * noise[1]).mean(dim=(1, 2, 3)) * 64,
        ((noise**4).mean(dim=(2, 3, 4)) - 3) / math.sqrt(96) * 64,
    ):
        assert (product.abs() < 5).all()


def test_the_paper_s_formulas() -> None:
    """Eq. 3: alpha² / (1 + alpha²) off the diagonal. Eq. 4: powers of alpha / sqrt(1 + alpha²)."""
    mixed = parse_prior("mixed:alpha=1").frame_covariance(4)
    expected = torch.full((4, 4), 0.5, dtype=torch.float64).fill_diagonal_(1)
    assert torch.allclose(mixed, expected, rtol=0, atol=1e-15)
    progressive = parse_prior("progressive:alpha=2").frame_covariance(4)
    for i in range(4):
        for j in range(4):
            rho = 2 / math.sqrt(5)
            assert float(progressive[i, j]) == pytest.approx(rho ** abs(i - j), rel=1e-14)


def test_frame_covariance_is_a_correlation(prior: NoisePrior) -> None:
    covariance = prior.frame_covariance(6)
    assert covariance.dtype == torch.float64
    assert torch.equal(covariance, covariance.T)
    assert torch.allclose(covariance.diagonal(), torch.ones(6).double(), rtol=0, atol=1e-14)
    assert torch.linalg.eigvalsh(covariance).min() > -1e-14
    assert torch.allclose(prior.frame_covariance(3), covariance[:3, :3], rtol=0, atol=1e-15)


def test_noise_depends_on_its_sample_alone(prior: NoisePrior) -> None:
    whole = prior.sample(SHAPE, 4, generators(0, 1, 2, 3, 4))
    assert torch.equal(whole[3:4], prior.sample(SHAPE, 4, generators(3)))
    assert torch.equal(whole[1:3], prior.sample(SHAPE, 4, generators(1, 2)))
    assert torch.equal(whole[[4, 0]], prior.sample(SHAPE, 4, generators(4, 0)))


def test_dtype_changes_the_rounding_alone(prior: NoisePrior) -> None:
    single = prior.sample(SHAPE, 3, generators(0))
    double = prior.sample(SHAPE, 3, generators(0), dtype=torch.float64)
    half = prior.sample(SHAPE, 3, generators(0), dtype=torch.bfloat16)
    assert double.dtype == torch.float64
    assert torch.equal(double.float(), single)
    assert torch.equal(half, single.bfloat16())


def test_the_generator_advances(prior: NoisePrior) -> None:
    [generator] = generators(0)
    first, second = (prior.sample(SHAPE, 2, [generator]) for _ in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("spec", ["independent", "progressive:alpha=2", "empirical"])
def test_early_frames_do_not_depend_on_later_ones(spec: str) -> None:
    prior = measured() if spec == "empirical" else parse_prior(spec)
    short, long = (prior.sample(SHAPE, n, generators(0)) for n in (3, 6))
    assert torch.allclose(short, long[:, :3], rtol=0, atol=1e-6)


def test_limits() -> None:
    independent = parse_prior("independent").sample(SHAPE, 4, generators(0))
    frozen = independent[:, :1].expand(-1, 4, -1, -1, -1)
    for kind in ("mixed", "progressive"):
        without = parse_prior(f"{kind}:alpha=0").sample(SHAPE, 4, generators(0))
        assert torch.equal(without, independent)
        infinite = parse_prior(f"{kind}:alpha=inf").sample(SHAPE, 4, generators(0))
        assert torch.equal(infinite, frozen)


def test_specs_round_trip() -> None:
    for spec in SPECS:
        assert parse_prior(spec).spec == spec
        assert parse_prior(spec) == parse_prior(parse_prior(spec).spec)
    assert parse_prior("mixed:alpha=1.0").spec == "mixed:alpha=1"
    assert parse_prior(f"mixed:alpha={1 / 3}") == parse_prior(f"mixed:alpha={2 / 6}")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("progresive:alpha=2", "use independent, mixed"),
        ("independent:alpha=2", "use independent"),
        ("progressive", "takes alpha, a number or inf, like progressive:alpha=1"),
        ("mixed:beta=2", "takes alpha"),
        ("mixed:alpha=two", "takes alpha"),
        ("mixed:alpha=-1", "alpha -1.0"),
        ("mixed:alpha=nan", "alpha nan"),
        ("empirical:", "use independent"),
    ],
)
def test_unusable_specs(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_prior(spec)


def test_unusable_shapes(prior: NoisePrior) -> None:
    for shape, num_frames, count in (((3, 0, 4), 2, 1), (SHAPE, 0, 1), (SHAPE, 2, 0)):
        with pytest.raises(UsageError):
            prior.sample(shape, num_frames, generators(*range(count)))
    with pytest.raises(UsageError):
        prior.frame_covariance(0)


def test_only_priors_draw_normal_noise() -> None:
    """Noise enters networks, losses and samplers through a prior."""
    package = Path(__file__).resolve().parents[2] / "pyoco_eval"
    for folder in ("diffusion", "generation"):
        for path in (package / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert "randn" not in text, path
            assert ".normal_(" not in text, path
