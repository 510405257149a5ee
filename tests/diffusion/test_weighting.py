"""Weights of noise levels, against what each of them says of another parameterisation."""

import pytest
import torch

from pyoco_eval.diffusion.loss import EDMLoss
from pyoco_eval.diffusion.weighting import LossWeighting
from pyoco_eval.errors import UsageError
from pyoco_eval.priors import parse_prior
from pyoco_eval.seeding import torch_generator

SIGMA = torch.tensor([0.01, 0.1, 0.5, 1.0, 2.0, 30.0]).double()
x0, noise, guess = torch.randn(3, 6, 50, generator=torch_generator("weighting")).double()


def weighted(name: str, sigma_data: float = 0.5) -> torch.Tensor:
    """The weighted error of the guess D of x0, at each level."""
    return LossWeighting.parse(name)(SIGMA, sigma_data) * (guess - x0).square().mean(1)


def test_eps_and_v_are_errors_of_what_the_network_predicts() -> None:
    """With x = x0 + sigma e: e = (x - D) / sigma. In variance-preserving terms y = a x0 + b e with
    a = 1 / sqrt(1 + sigma²), b = sigma a, and v = a e - b x0."""
    level = SIGMA[:, None]
    x = x0 + level * noise
    eps = (x - guess) / level
    assert torch.allclose(weighted("eps"), (eps - noise).square().mean(1))
    a = 1 / (1 + level**2).sqrt()
    b = level * a
    v, v_guess = a * noise - b * x0, a * eps - b * guess
    assert torch.allclose(weighted("v"), (v_guess - v).square().mean(1))
    assert torch.allclose(weighted("x0"), (guess - x0).square().mean(1))


def test_edm_is_the_error_of_the_raw_output() -> None:
    """D = c_skip x + c_out F, so that the error of D is c_out² that of F."""
    c_out = SIGMA * 0.5 / (SIGMA**2 + 0.25).sqrt()
    assert torch.allclose(LossWeighting()(SIGMA, 0.5) * c_out**2, torch.ones(6).double())


def test_min_snr_and_its_kin() -> None:
    snr = 1 / SIGMA**2
    found = LossWeighting.parse("min-snr:gamma=2")(SIGMA, 0.5)
    assert torch.equal(found, torch.minimum(snr, torch.tensor(2.0).double()))
    soft = LossWeighting.parse("soft-min-snr")(SIGMA, 0.5)
    assert torch.allclose(soft, snr * 4 / (snr + 4)), "half the harmonic mean of SNR and 1 / 0.25"
    p2 = LossWeighting.parse("p2:gamma=1,k=1")(SIGMA, 0.5)
    assert torch.allclose(p2, 1 / (1 + SIGMA**2))


def test_the_loss_uses_it() -> None:
    prior = parse_prior("independent")
    clean = torch.zeros(2, 1, 1, 3, 3)

    def losses(name: str) -> torch.Tensor:
        given = [torch_generator("loss", i) for i in range(2)]
        loss = EDMLoss(prior, weighting=LossWeighting.parse(name))
        return loss(lambda x, sigma, cond: x, clean, None, given)

    sigma = EDMLoss(prior).draw_sigmas([torch_generator("loss", i) for i in range(2)])
    assert torch.allclose(losses("eps"), losses("x0") / sigma**2)
    assert torch.equal(losses("edm"), EDMLoss(prior)(
        lambda x, sigma, cond: x, clean, None, [torch_generator("loss", i) for i in range(2)]
    ))  # fmt: skip


@pytest.mark.parametrize("text", ["edm", "eps", "min-snr:gamma=5", "p2:gamma=0.5,k=1"])
def test_texts_round_trip(text: str) -> None:
    assert str(LossWeighting.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("minsnr", "did you mean min-snr"),
        ("edm:gamma=1", "it takes none"),
        ("min-snr:gama=1", "it takes gamma"),
        ("min-snr:gamma=x", "should be a number"),
        ("min-snr:gamma=nan", "must be above 0"),
        ("p2:k=0", "must be above 0"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        LossWeighting.parse(text)
