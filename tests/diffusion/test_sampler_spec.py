"""Samplers as strings: round trips, counts of evaluations, and messages."""

import pytest
import torch
from gaussian import gaussian_videos

from pyoco_eval.diffusion.denoiser import Conditioning
from pyoco_eval.diffusion.guidance import GuidedDenoiser
from pyoco_eval.diffusion.samplers import SamplerSpec, ddim, deis
from pyoco_eval.diffusion.samplers.spec import SAMPLERS
from pyoco_eval.diffusion.schedules import cosine, karras
from pyoco_eval.errors import UsageError
from pyoco_eval.priors import parse_prior
from pyoco_eval.seeding import torch_generator

PRIOR = parse_prior("progressive:alpha=2")
SPECS = (
    "ddim", "ddim:eta=0.5", "heun", "stochastic", "stochastic:S_churn=0", "deis",
    "deis:order=1,num_steps=16", "deis:order=3,basis=sigma", "deis:basis=rho,S_churn=2",
    "deis:order=2,S_churn=4,S_noise=1.003", "heun:grid=cosine",
    "deis:sigma_min=0.0294,sigma_max=14.6146,rho=3.5", "heun:grid=exponential,num_steps=9",
)  # fmt: skip


def draw() -> torch.Tensor:
    generators = [torch_generator("spec", i) for i in range(2)]
    return PRIOR.sample((1, 3, 3), 4, generators, dtype=torch.float64)


@pytest.mark.parametrize("text", SPECS)
def test_specs_round_trip(text: str) -> None:
    spec = SamplerSpec.parse(text)
    again = SamplerSpec.parse(str(spec))
    assert str(again) == str(spec)
    assert again.sample(gaussian_videos(), draw(), prior=PRIOR, generators=fresh()).equal(
        spec.sample(gaussian_videos(), draw(), prior=PRIOR, generators=fresh())
    )
    assert hash(again) is not None


def fresh() -> list[torch.Generator]:
    return [torch_generator("added", i) for i in range(2)]


def test_a_spec_says_everything_that_matters() -> None:
    assert str(SamplerSpec.parse("deis")) == (
        "deis:S_churn=0,basis=log,order=2,num_steps=32,grid=karras,"
        "sigma_min=0.002,sigma_max=80,rho=7"
    )
    assert str(SamplerSpec.parse("ddim:grid=cosine")) == (
        "ddim:eta=0,num_steps=32,grid=cosine,sigma_min=0.002,sigma_max=80"
    )
    assert "S_max=inf,S_min=0,S_noise=1" in str(SamplerSpec.parse("deis:S_churn=1"))


@pytest.mark.parametrize("text", SPECS)
def test_evaluations_are_as_declared(text: str) -> None:
    spec, videos, steps = SamplerSpec.parse(text), gaussian_videos(), []
    spec.sample(
        videos, draw(), prior=PRIOR, generators=fresh(),
        on_step=lambda step, sigma, x, denoised: steps.append(step),
    )  # fmt: skip
    assert len(videos.levels) == spec.nfe
    assert steps == list(range(1, spec.num_steps + 1))
    assert {"ddim": 1, "deis": 1, "heun": 2, "stochastic": 2}[spec.name] == round(
        spec.nfe / spec.num_steps
    )


def test_settings_reach_the_sampler() -> None:
    found = SamplerSpec.parse("deis:order=1,num_steps=7").sample(gaussian_videos(), draw())
    assert torch.equal(found, deis(gaussian_videos(), draw(), karras(7), order=1))
    found = SamplerSpec.parse("ddim:grid=cosine,sigma_max=9").sample(gaussian_videos(), draw())
    assert torch.equal(found, ddim(gaussian_videos(), draw(), cosine(32, sigma_max=9)))


def test_guidance_reaches_the_denoiser() -> None:
    cond = Conditioning(labels=torch.tensor([1, 2]))

    def denoiser(x: torch.Tensor, sigma: torch.Tensor, given: Conditioning) -> torch.Tensor:
        assert given.labels is not None
        return 0.1 * given.labels.view(-1, 1, 1, 1, 1).expand_as(x).double()

    found = SamplerSpec.parse("heun").sample(denoiser, draw(), cond=cond, guidance_scale=3)  # type: ignore[arg-type]
    assert torch.allclose(found[0], torch.full_like(found[0], -0.1 + 3 * 0.2))
    direct = GuidedDenoiser(denoiser, 3)  # type: ignore[arg-type]
    assert torch.equal(found, SamplerSpec.parse("heun").sample(direct, draw(), cond=cond))


def test_which_samplers_need_a_prior() -> None:
    needy = [text for text in SPECS if SamplerSpec.parse(text).adds_noise]
    assert needy == [
        "ddim:eta=0.5", "stochastic", "deis:basis=rho,S_churn=2",
        "deis:order=2,S_churn=4,S_noise=1.003",
    ]  # fmt: skip
    for text in needy:
        with pytest.raises(UsageError, match="noise prior"):
            SamplerSpec.parse(text).sample(gaussian_videos(), draw())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dies", "did you mean deis"),
        ("deis:oder=2", "did you mean order"),
        ("heun:order=2", "none of num_steps"),
        ("deis:order=4", "order=4 is none of 0 to 3"),
        ("deis:basis=lgo", "did you mean log"),
        ("deis:basis=2", "basis '2' is none of log, rho, sigma"),
        ("ddim:basis=log", "none of num_steps"),
        ("deis:order=1.5", "order=1.5 is none of 0 to 3"),
        ("ddim:eta=2", "eta=2.0 is not within"),
        ("deis:S_churn=-1", "must not be negative"),
        ("deis:S_noise=nan", "must not be negative"),
        ("deis:num_steps=1.5", "should be a whole number"),
        ("deis:sigma_max=big", "should be a number"),
        ("deis:num_steps", "write num_steps=VALUE"),
        ("deis:num_steps=3,num_steps=4", "once"),
        ("deis:num_steps=1", "two steps or more"),
        ("heun:grid=carras", "did you mean karras"),
        ("heun:sigma_min=90", "0 < sigma_min < sigma_max"),
        ("heun:rho=0", "rho 0.0"),
    ],
)
def test_unusable_specs(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SamplerSpec.parse(text)


def test_every_sampler_is_declared_with_the_defaults_of_its_function() -> None:
    import inspect

    for sampler in SAMPLERS.values():
        parameters = inspect.signature(sampler.function).parameters
        own = {name: p.default for name, p in list(parameters.items())[7:]}
        assert own == dict(sampler.defaults)
