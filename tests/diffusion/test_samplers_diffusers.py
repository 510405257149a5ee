"""Samplers and parameterisations against the schedulers of diffusers, where both mean the same."""

import pytest
import torch

from pyoco_eval.diffusion.precondition import EDMDenoiser, VPDenoiser
from pyoco_eval.diffusion.samplers import ddim, deis, heun
from pyoco_eval.diffusion.schedules import exponential, karras
from pyoco_eval.priors import NoisePrior, parse_prior
from pyoco_eval.seeding import torch_generator

diffusers = pytest.importorskip("diffusers")

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must:DeprecationWarning"),
]

SHAPE = (3, 4, 4)
PRIOR = parse_prior("independent")


class Toy(torch.nn.Module):
    """A network that depends on everything it sees, smoothly."""

    def forward(self, y: torch.Tensor, time: torch.Tensor, cond: object = None) -> torch.Tensor:
        return torch.sin(1.3 * y + 0.01 * time.view(-1, 1, 1, 1, 1)) + 0.3 * y.roll(1, dims=1)


def draw(prior: NoisePrior = PRIOR) -> torch.Tensor:
    return prior.sample(SHAPE, 2, [torch_generator("start")])


@pytest.mark.parametrize(("name", "grid"), [("karras", karras), ("exponential", exponential)])
def test_grids_and_edm_euler(name: str, grid: object) -> None:
    scheduler = diffusers.EDMEulerScheduler(sigma_schedule=name)
    scheduler.set_timesteps(18)
    sigmas = grid(18)  # type: ignore[operator]
    assert torch.allclose(scheduler.sigmas.double(), sigmas, rtol=1e-5, atol=0)

    network = Toy()
    x = draw() * scheduler.sigmas[0]
    for time in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, time)
        x = scheduler.step(network(scaled, time[None]), time, x).prev_sample
    found = ddim(EDMDenoiser(network), draw(), scheduler.sigmas)
    assert torch.allclose(found.float(), x, rtol=0, atol=2e-4)


def vp_scheduler(kind: str, **options: object) -> object:
    return getattr(diffusers, kind)(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", **options
    )


def vp_denoiser(scheduler: object, prediction: str) -> VPDenoiser:
    alphas = scheduler.alphas_cumprod  # type: ignore[attr-defined]
    return VPDenoiser(Toy(), alphas, prediction)  # type: ignore[arg-type]


PREDICTIONS = ("epsilon", "v_prediction", "sample")


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("eta", [0, 0.7, 1])
def test_ddim(prediction: str, eta: float) -> None:
    scheduler = vp_scheduler(
        "DDIMScheduler", prediction_type=prediction, clip_sample=False, set_alpha_to_one=True
    )
    scheduler.set_timesteps(20)
    alphas = scheduler.alphas_cumprod[scheduler.timesteps].double()
    sigmas = torch.cat([((1 - alphas) / alphas).sqrt(), torch.zeros(1)])

    generators = [torch_generator("added")]
    y = draw() * (1 - alphas[0]).float().sqrt()
    for time in scheduler.timesteps:
        output = Toy()(y, time[None].float())
        added = PRIOR.sample(SHAPE, 2, generators) if eta and time > 0 else None
        if time == scheduler.timesteps[-1] and eta:
            added = torch.zeros_like(y)
        y = scheduler.step(output, time, y, eta=eta, variance_noise=added).prev_sample
    found = ddim(
        vp_denoiser(scheduler, prediction), draw(), sigmas, eta=eta, prior=PRIOR,
        generators=[torch_generator("added")],
    )  # fmt: skip
    assert torch.allclose(found.float(), y, rtol=0, atol=1e-3 * float(y.abs().max()))


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_heun(prediction: str) -> None:
    scheduler = vp_scheduler("HeunDiscreteScheduler", prediction_type=prediction)
    scheduler.set_timesteps(15)
    sigmas = torch.cat([scheduler.sigmas[:1], scheduler.sigmas[1:-1:2], scheduler.sigmas[-1:]])
    x = draw() * sigmas[0]
    for time in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, time)
        x = scheduler.step(Toy()(scaled, time[None]), time, x).prev_sample
    found = heun(vp_denoiser(scheduler, prediction), draw(), sigmas)
    assert torch.allclose(found.float(), x, rtol=0, atol=1e-3 * float(x.abs().max()))


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_deis(order: int, prediction: str) -> None:
    """diffusers counts orders from 1, and extrapolates in ln(sigma)."""
    scheduler = vp_scheduler(
        "DEISMultistepScheduler", solver_order=order + 1, prediction_type=prediction
    )
    scheduler.set_timesteps(15)
    sigmas = scheduler.sigmas.double()
    y = draw() * sigmas[0].float() / (1 + sigmas[0].float() ** 2).sqrt()
    for time in scheduler.timesteps:
        output = Toy()(y, time[None].float())
        y = scheduler.step(output, time, y).prev_sample
    found = deis(vp_denoiser(scheduler, prediction), draw(), sigmas, order=order, basis="log")
    expected = y.double() * (1 + sigmas[-1] ** 2).sqrt()
    assert torch.allclose(found, expected, rtol=0, atol=1e-3 * float(y.abs().max()))


@pytest.mark.parametrize("kind", ["HeunDiscreteScheduler", "DDIMScheduler"])
def test_timesteps_between_levels(kind: str) -> None:
    """`_sigma_to_t` interpolates in ln(sigma), as `timestep` does."""
    scheduler = vp_scheduler(kind)
    denoiser = vp_denoiser(scheduler, "epsilon")
    sigmas = torch.linspace(denoiser.sigma_min, denoiser.sigma_max, 50).double()
    reference = vp_scheduler("HeunDiscreteScheduler")
    alphas = scheduler.alphas_cumprod.double()
    log_sigmas = (((1 - alphas) / alphas).log() / 2).numpy()
    expected = reference._sigma_to_t(sigmas.numpy(), log_sigmas)
    found = denoiser.timestep(sigmas)
    assert torch.allclose(found, torch.from_numpy(expected), rtol=0, atol=1e-6)
    levels = torch.tensor([0, 1, 500, 998, 999])
    at = ((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod).double().sqrt()[levels]
    assert torch.allclose(denoiser.timestep(at), levels.double(), rtol=0, atol=1e-3)
