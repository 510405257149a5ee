"""Preconditioning: EDM's coefficients, and ideal networks of every parameterisation."""

import math

import pytest
import torch

from pyoco_eval.diffusion.denoiser import Conditioning
from pyoco_eval.diffusion.precondition import EDMDenoiser, VPDenoiser
from pyoco_eval.errors import UsageError
from pyoco_eval.priors import parse_prior
from pyoco_eval.seeding import torch_generator

SIGMAS = torch.tensor([0.05, 0.5, 3.0], dtype=torch.float64)


def draw(count: int = 3) -> torch.Tensor:
    generators = [torch_generator("x", i) for i in range(count)]
    return parse_prior("independent").sample((2, 3, 3), 4, generators, dtype=torch.float64)


def wide(values: torch.Tensor) -> torch.Tensor:
    return values.view(-1, 1, 1, 1, 1)


class Constant(torch.nn.Module):
    """Returns what it is given beforehand, and keeps what it sees."""

    def __init__(self, output: torch.Tensor) -> None:
        super().__init__()
        self.output = output
        self.seen: tuple[torch.Tensor, ...] = ()
        self.options: dict[str, object] = {}

    def forward(
        self, x: torch.Tensor, c_noise: torch.Tensor, cond: object = None, **options: object
    ) -> torch.Tensor:
        self.seen, self.options = (x, c_noise), options
        return self.output


def test_coefficients_of_the_paper() -> None:
    """§3, written out with numbers: sigma = 1.2, sigma_data = 0.5, sigma* = 1.3."""
    x, F_x = draw(1).float(), draw(2)[1:].float()
    network = Constant(F_x)
    found = EDMDenoiser(network)(x, torch.tensor([1.2]))
    expected = (0.5 / 1.3) ** 2 * x + 1.2 * 0.5 / 1.3 * F_x
    assert torch.allclose(found, expected, rtol=0, atol=1e-6)
    assert torch.allclose(network.seen[0], x / 1.3, rtol=0, atol=1e-6)
    assert float(network.seen[1]) == pytest.approx(math.log(1.2) / 4, rel=1e-6)


def test_inputs_and_targets_have_unit_variance() -> None:
    """What the coefficients are for (EDM, Appendix B.6): c_in x has variance 1, and so has the
    target (clean - c_skip x) / c_out, exactly, for data of standard deviation sigma_data."""
    for sigma_data in (0.5, 1.0):
        for sigma in SIGMAS.tolist():
            star = math.hypot(sigma, sigma_data)
            network = Constant(torch.zeros(1, 1, 1, 1, 1, dtype=torch.float64))
            one = torch.ones(1, 1, 1, 1, 1, dtype=torch.float64)
            level = torch.tensor([sigma], dtype=torch.float64)
            c_skip = float(EDMDenoiser(network, sigma_data)(one, level))
            network.output = one
            c_out = float(EDMDenoiser(network, sigma_data)(0 * one, level))
            c_in = 1 / star
            assert c_in**2 * (sigma**2 + sigma_data**2) == pytest.approx(1)
            target = ((1 - c_skip) ** 2 * sigma_data**2 + c_skip**2 * sigma**2) / c_out**2
            assert target == pytest.approx(1, rel=1e-6)


def test_images_are_named_to_the_network_only_where_there_are_some() -> None:
    network = Constant(draw(1))
    denoiser, image_cond = EDMDenoiser(network), Conditioning()
    denoiser(draw(1), SIGMAS[:1])
    assert network.options == {}
    denoiser(draw(1), SIGMAS[:1], num_images=2, image_cond=image_cond)
    assert network.options == {"num_images": 2, "image_cond": image_cond}


def alphas_cumprod(num_levels: int = 1000) -> torch.Tensor:
    betas = torch.linspace(0.01, 0.11, num_levels, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_an_ideal_vp_network_gives_the_clean_video_back(prediction: str) -> None:
    """The network is told y and the timestep alone, and answers from the truth at that level."""
    clean, noise, alphas = draw(), draw().flip(0), alphas_cumprod()
    denoiser: VPDenoiser
    seen: dict[str, torch.Tensor] = {}

    def network(y: torch.Tensor, timestep: torch.Tensor, cond: object) -> torch.Tensor:
        low = timestep.floor().long()
        ends = ((1 - alphas) / alphas).log() / 2
        sigma = wide((ends[low] + (timestep - low) * (ends[low + 1] - ends[low])).exp())
        alpha = 1 / (1 + sigma**2)
        assert torch.allclose(y, alpha.sqrt() * clean + (1 - alpha).sqrt() * noise, atol=1e-6)
        seen["timestep"] = timestep
        return {
            "epsilon": noise,
            "sample": clean,
            "v_prediction": alpha.sqrt() * noise - (1 - alpha).sqrt() * clean,
        }[prediction]

    denoiser = VPDenoiser(network, alphas, prediction, dtype=torch.float64)  # type: ignore[arg-type]
    found = denoiser(clean + wide(SIGMAS) * noise, SIGMAS)
    assert torch.allclose(found, clean, rtol=0, atol=1e-9)
    assert (seen["timestep"].diff() > 0).all()
    assert (seen["timestep"] % 1 > 0).all()


def test_levels_are_those_of_the_schedule_and_others_are_refused() -> None:
    alphas = alphas_cumprod()
    sigmas = ((1 - alphas) / alphas).sqrt()
    denoiser = VPDenoiser(lambda y, t, c: y, alphas)
    assert denoiser.sigma_min == pytest.approx(float(sigmas[0]))
    assert denoiser.sigma_max == pytest.approx(float(sigmas[-1]))
    levels = denoiser.timestep(sigmas)
    assert torch.allclose(levels, torch.arange(1000).double(), rtol=0, atol=1e-6)
    for sigma in (denoiser.sigma_min * 0.99, denoiser.sigma_max * 1.01):
        with pytest.raises(UsageError, match=r"the network knows 0\.0100005 to"):
            denoiser.timestep(torch.tensor([sigma]))


def test_levels_of_pure_noise_are_left_out() -> None:
    alphas = torch.cat([alphas_cumprod(), torch.zeros(1)])
    whole = VPDenoiser(lambda y, t, c: y, alphas)
    assert whole.sigma_max == VPDenoiser(lambda y, t, c: y, alphas_cumprod()).sigma_max


def test_unusable_schedules_and_predictions() -> None:
    with pytest.raises(UsageError, match="predicts one of epsilon, v_prediction, sample"):
        VPDenoiser(lambda y, t, c: y, alphas_cumprod(), "flow")  # type: ignore[arg-type]
    for alphas in (torch.tensor([0.5]), torch.tensor([0.5, 0.6]), torch.tensor([1.0, 0.5])):
        with pytest.raises(UsageError, match="alphas_cumprod"):
            VPDenoiser(lambda y, t, c: y, alphas)


def test_other_parameterisations_are_named_in_one_place_only() -> None:
    from pathlib import Path

    folder = Path(__file__).resolve().parents[2] / "pyoco_eval" / "diffusion"
    for path in folder.rglob("*.py"):
        if path.name != "precondition.py":
            text = path.read_text(encoding="utf-8").lower()
            assert "epsilon" not in text, path
            assert "v-prediction" not in text, path
            assert "v_prediction" not in text, path
