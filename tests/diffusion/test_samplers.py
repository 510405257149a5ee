"""Samplers against the exact solution of Gaussian data, and against scipy where there is none."""

import inspect
import math
from collections.abc import Callable
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import torch
from gaussian import gaussian_videos
from scipy.integrate import solve_ivp

from pyoco_eval.diffusion.denoiser import Conditioning
from pyoco_eval.diffusion.precondition import EDMDenoiser
from pyoco_eval.diffusion.samplers import ddim, deis, heun, stochastic
from pyoco_eval.diffusion.samplers.extrapolation import BASES, estimate_weights, slope_weights
from pyoco_eval.diffusion.schedules import karras
from pyoco_eval.errors import UsageError
from pyoco_eval.priors import NoisePrior, parse_prior
from pyoco_eval.seeding import torch_generator

PRIOR = parse_prior("progressive:alpha=2")
SHAPE = (1, 6, 6)

Run = Callable[..., torch.Tensor]


def deis_of(order: int, basis: str = "log") -> Run:
    return lambda *args, **options: deis(*args, order=order, basis=basis, **options)


ORDERS: dict[str, tuple[Run, int]] = {
    "ddim": (ddim, 1),
    "heun": (heun, 2),
    "stochastic without churn": (lambda *a, **o: stochastic(*a, S_churn=0, **o), 2),
    **{f"deis {order}": (deis_of(order), order + 1) for order in range(4)},
    **{
        f"deis {order} {basis}": (deis_of(order, basis), order + 1)
        for order in (1, 2, 3)
        for basis in ("rho", "sigma")
    },
}


def draw(name: str = "start", prior: NoisePrior = PRIOR, count: int = 2) -> torch.Tensor:
    generators = [torch_generator(name, i) for i in range(count)]
    return prior.sample(SHAPE, 4, generators, dtype=torch.float64)


def error(run: Run, sigmas: torch.Tensor, prior: str = PRIOR.spec) -> float:
    """Largest departure from the exact end point."""
    videos = gaussian_videos(prior=prior)
    noise = draw(prior=parse_prior(prior))
    exact = videos.flow(noise * sigmas[0], float(sigmas[0]), float(sigmas[-1]))
    return float((run(videos, noise, sigmas) - exact).abs().max())


def cubic_to_zero(num_steps: int) -> torch.Tensor:
    """A grid whose last step, to 0, shrinks with the others."""
    return 80 * torch.linspace(1, 0, num_steps + 1, dtype=torch.float64) ** 3


def karras_above_zero(num_steps: int) -> torch.Tensor:
    return karras(num_steps + 1, 0.01, 80)[:-1]


def rising(num_steps: int) -> torch.Tensor:
    return karras(num_steps + 1, 0.1, 80)[:-1].flip(0)


@pytest.mark.parametrize("grid", [cubic_to_zero, karras_above_zero, rising])
@pytest.mark.parametrize("name", ORDERS)
def test_order_of_convergence(name: str, grid: Callable[[int], torch.Tensor]) -> None:
    """The error falls at least as num_steps^-order; only Heun and Euler are bounded above.

    Over a factor of 16, since errors of multistep methods change sign on the way. DEIS starts with
    a step of order 1. While sigma is far above the data the solution is nearly straight, so that
    on falling grids its error does not show; where the grid rises from the data's level it does,
    and brings the order down towards 2. On the cubic grid, order 1 in ln(sigma) does better than it
    must: its leading error cancels for Gaussian data.
    """
    run, order = ORDERS[name]
    slope = math.log2(error(run, grid(50)) / error(run, grid(800))) / 4
    if grid is rising and order > 2:
        assert slope > 1.7
    else:
        assert slope > order - 0.45
    if order == 1 or not name.startswith("deis"):
        assert slope < order + 0.3


@pytest.mark.parametrize("prior", ["independent", "mixed:alpha=1", "progressive:alpha=2"])
@pytest.mark.parametrize(
    ("name", "num_steps", "bound"),
    [("ddim", 2000, 5e-3), ("heun", 500, 2e-4), ("deis 2", 500, 5e-5), ("deis 3", 500, 5e-5)],
)
def test_end_point_is_exact_for_every_prior(
    name: str, num_steps: int, bound: float, prior: str
) -> None:
    """On the grid of EDM, down to 0. The data's standard deviation is 0.5."""
    assert error(ORDERS[name][0], karras(num_steps), prior) < bound


def test_a_wrong_prior_misses_the_end_point() -> None:
    """The ODE carries noise of one covariance; a denoiser for another goes elsewhere."""
    videos, wrong = gaussian_videos(), gaussian_videos(prior="independent")
    noise = draw()
    exact = videos.flow(noise * 80, 80, 0)
    assert (deis(wrong, noise, karras(500)) - exact).abs().max() > 0.05


def test_samples_have_the_covariance_of_the_data() -> None:
    """Of 40,000 pixels, and 5 standard errors: an entry of the sample covariance has variance
    (C_ij² + C_ii C_jj) / n."""
    videos = gaussian_videos()
    noise = PRIOR.sample((1, 200, 200), 4, [torch_generator("law")], dtype=torch.float64)
    centred = (deis(videos, noise, karras(100)) - videos.mean)[0].flatten(1)
    found = centred @ centred.T / centred.shape[1]
    diagonal = videos.C.diagonal()
    bound = 5 * ((videos.C**2 + diagonal[:, None] * diagonal) / centred.shape[1]).sqrt()
    assert ((found - videos.C).abs() < bound).all()


STOCHASTIC: dict[str, Run] = {
    "stochastic": lambda *a, **o: stochastic(*a, S_churn=60, S_noise=1, **o),
    "deis 0": lambda *a, **o: deis(*a, order=0, S_churn=10, **o),
    "deis 3": lambda *a, **o: deis(*a, order=3, S_churn=10, **o),
    "ddim": lambda *a, **o: ddim(*a, eta=1, **o),
}


@pytest.mark.parametrize("name", STOCHASTIC)
def test_added_noise_of_the_prior_keeps_the_covariance_of_the_data(name: str) -> None:
    """Within 5 standard errors, and 2 % for the steps; independent noise is far outside."""
    share = 0.02
    videos = gaussian_videos()

    def departure(added: NoisePrior) -> float:
        generators = [torch_generator("churned")]
        noise = PRIOR.sample((1, 128, 128), 4, generators, dtype=torch.float64)
        x = STOCHASTIC[name](videos, noise, karras(300), prior=added, generators=generators)
        centred = (x - videos.mean)[0].flatten(1)
        found = centred @ centred.T / centred.shape[1]
        diagonal = videos.C.diagonal()
        bound = 5 * ((videos.C**2 + diagonal[:, None] * diagonal) / centred.shape[1]).sqrt()
        return float(((found - videos.C).abs() / (bound + share * videos.C.abs().max())).max())

    assert departure(PRIOR) < 1
    assert departure(parse_prior("independent")) > 2


def test_stochastic_is_algorithm_2() -> None:
    """Line by line, on noise replayed from the same generators."""
    videos, sigmas, noise = gaussian_videos(), karras(12), draw()
    S_churn, S_min, S_max, S_noise = 4.0, 0.05, 50.0, 1.003
    found = stochastic(
        videos, noise, sigmas, prior=PRIOR, generators=[torch_generator("n", i) for i in range(2)]
    , S_churn=S_churn)  # fmt: skip

    generators = [torch_generator("n", i) for i in range(2)]
    x, N = noise * sigmas[0], 12
    for i in range(N):
        gamma = min(S_churn / N, math.sqrt(2) - 1) if S_min <= sigmas[i] <= S_max else 0.0
        t_hat = sigmas[i] + gamma * sigmas[i]
        if gamma:
            eps = S_noise * PRIOR.sample(SHAPE, 4, generators, dtype=torch.float64)
            x = x + (t_hat**2 - sigmas[i] ** 2).sqrt() * eps
        d = (x - videos(x, t_hat.expand(2))) / t_hat
        x_next = x + (sigmas[i + 1] - t_hat) * d
        if sigmas[i + 1] != 0:
            d_prime = (x_next - videos(x_next, sigmas[i + 1].expand(2))) / sigmas[i + 1]
            x_next = x + (sigmas[i + 1] - t_hat) * (d / 2 + d_prime / 2)
        x = x_next
    assert torch.allclose(found, x, rtol=0, atol=1e-10)


def mixture(x: torch.Tensor, sigma: torch.Tensor, cond: object = None) -> torch.Tensor:
    """Ideal denoiser of pixels that are -0.6 or 0.6, each ± 0.1: not linear in x."""
    variance = 0.01 + sigma.view(-1, 1, 1, 1, 1) ** 2
    mean = 0.6 * torch.tanh(0.6 * x / variance)
    return mean + 0.01 / variance * (x - mean)


@pytest.mark.parametrize("name", ["heun", "deis 1", "deis 2", "deis 3"])
def test_a_nonlinear_problem_against_scipy(name: str) -> None:
    noise = draw(count=1)

    def slope(sigma: float, flat: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(flat).view(noise.shape)
        derivative = (x - mixture(x, torch.tensor([sigma]).double())) / sigma
        return derivative.flatten().numpy()

    start = (noise * 10).flatten().numpy()
    truth = solve_ivp(slope, (10, 0.01), start, method="DOP853", rtol=1e-10, atol=1e-12)
    sigmas = karras(1001, 0.01, 10, rho=3)[:-1]
    found = ORDERS[name][0](mixture, noise, sigmas).flatten().numpy()
    assert np.abs(found - truth.y[:, -1]).max() < 1e-3


def test_deis_of_order_0_is_ddim() -> None:
    videos, noise = gaussian_videos(), draw()
    found = deis(videos, noise, karras(20), order=0)
    assert torch.allclose(found, ddim(videos, noise, karras(20)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize(("start", "end"), [(0.9, 0.2), (0.9, 0.88), (0.9, 1e-4), (0.9, 80)])
def test_weights_integrate_polynomials_of_their_basis(
    start: float, end: float, count: int, basis: str
) -> None:
    """Powers of phi(s) under both kernels, against 50 digits."""
    phi = {
        "log": mpmath.log,
        "rho": lambda s: mpmath.mpf(s) ** (mpmath.mpf(1) / 7),
        "sigma": mpmath.mpf,
    }[basis]
    nodes = [3.1, 2.0, 1.7, 0.9][-count:]
    kernels = {slope_weights: lambda s: 1, estimate_weights: lambda s: -end / s**2}
    with mpmath.workdps(50):
        for weights_of, kernel in kernels.items():
            weights = weights_of(nodes, start, end, basis)  # type: ignore[arg-type]
            assert len(weights) == count
            for degree in range(count):
                exact = mpmath.quad(
                    lambda u, k=kernel, d=degree: (
                        k(mpmath.e**u) * phi(mpmath.e**u) ** d * mpmath.e**u
                    ),
                    mpmath.linspace(mpmath.log(start), mpmath.log(end), 9),
                )
                terms = [
                    w * float(phi(node)) ** degree for w, node in zip(weights, nodes, strict=True)
                ]
                scale = max(map(abs, terms))
                assert sum(terms) == pytest.approx(float(exact), rel=1e-12, abs=1e-12 * scale)


def test_weights_of_even_steps_are_the_classical_ones() -> None:
    """Adams and Bashforth's four steps, in the variable in which the levels are even."""
    assert slope_weights([1.0, 2, 3, 4], 4, 5, "sigma") == pytest.approx(
        [-9 / 24, 37 / 24, -59 / 24, 55 / 24], rel=1e-12
    )


@pytest.mark.parametrize("S_max", [10, 80])
@pytest.mark.parametrize("num_steps", [10, 32, 200])
def test_much_added_noise_blows_nothing_up(num_steps: int, S_max: float) -> None:
    """Levels rise by 1.4 before each step, past older ones where S_max is low."""
    x = deis(
        gaussian_videos(), draw(), karras(num_steps), order=3, S_churn=1e9, S_max=S_max,
        prior=PRIOR, generators=[torch_generator(i) for i in range(2)],
    )  # fmt: skip
    assert x.abs().max() < 3


@pytest.mark.parametrize("run", [ddim, heun, deis, stochastic])
def test_signature_is_shared(run: Run) -> None:
    names = list(inspect.signature(run).parameters)
    assert names[:3] == ["denoiser", "noise", "sigmas"]
    assert names[3:7] == ["cond", "prior", "generators", "on_step"]


@pytest.mark.parametrize("name", ["ddim", "heun", "deis 3"])
def test_steps_are_reported_and_conditioning_is_passed(name: str) -> None:
    videos, sigmas = gaussian_videos(), karras(5)
    cond = Conditioning(labels=torch.tensor([1, 2]))
    seen = []

    def denoiser(x: torch.Tensor, sigma: torch.Tensor, given: object) -> torch.Tensor:
        assert given is cond
        return videos(x, sigma)

    def on_step(step: int, sigma: float, x: torch.Tensor, denoised: torch.Tensor) -> None:
        seen.append((step, sigma))
        states.append((x.clone(), denoised.clone()))

    states: list[tuple[torch.Tensor, torch.Tensor]] = []
    x = ORDERS[name][0](denoiser, draw(), sigmas, cond=cond, on_step=on_step)
    assert seen == list(zip(range(1, 6), sigmas[1:].tolist(), strict=True))
    assert torch.equal(states[-1][0], x)
    first = videos(draw() * 80, torch.tensor([80.0, 80.0]).double())
    assert torch.allclose(states[0][1], first)


class Recorder(torch.nn.Module):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(0.5, dtype=dtype))
        self.seen: set[torch.dtype] = set()

    def forward(self, x: torch.Tensor, c_noise: torch.Tensor, cond: object) -> torch.Tensor:
        self.seen |= {x.dtype, c_noise.dtype}
        return x * self.weight


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("run", [ddim, heun, deis])
def test_state_is_float64_and_the_network_keeps_its_dtype(run: Run, dtype: torch.dtype) -> None:
    network = Recorder(dtype)
    states = []
    x = run(
        EDMDenoiser(network), draw().float(), karras(4),
        on_step=lambda step, sigma, x, denoised: states.extend([x.dtype, denoised.dtype]),
    )  # fmt: skip
    assert network.seen == {dtype}
    assert {x.dtype, *states} == {torch.float64}
    assert not x.requires_grad


def test_samples_do_not_depend_on_the_batch() -> None:
    videos = gaussian_videos()
    whole = draw(count=3)
    options = {"S_churn": 20.0, "S_min": 0.0, "S_max": 80.0, "S_noise": 1.0}
    for run in (stochastic, deis):
        together = run(
            videos, whole, karras(8), prior=PRIOR,
            generators=[torch_generator(i) for i in range(3)], **options,
        )  # fmt: skip
        alone = run(
            videos, whole[1:2], karras(8), prior=PRIOR, generators=[torch_generator(1)], **options
        )
        assert torch.allclose(together[1:2], alone, rtol=0, atol=1e-12)


def test_the_input_is_left_alone() -> None:
    for name, (run, _) in ORDERS.items():
        noise = draw()
        run(gaussian_videos(), noise, karras(4))
        assert torch.equal(noise, draw()), name


@pytest.mark.parametrize(
    "sigmas",
    [[1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0], [3.0, 1.0, 2.0], [2.0, -1.0]],
)
def test_unusable_grids(sigmas: list[float]) -> None:
    for run, _ in ORDERS.values():
        with pytest.raises(UsageError):
            run(gaussian_videos(), draw(), torch.tensor(sigmas))


def test_what_adds_noise_asks_for_prior_and_generators() -> None:
    for run in STOCHASTIC.values():
        for options in ({}, {"prior": PRIOR}, {"prior": PRIOR, "generators": []}):
            with pytest.raises(UsageError, match="prior and one generator per sample"):
                run(gaussian_videos(), draw(), karras(4, 1, 2), **options)
    with pytest.raises(UsageError, match="takes \\(B, T, C, H, W\\)"):
        heun(gaussian_videos(), draw()[0], karras(4))


def test_grids_fall_by_pairs() -> None:
    assert all(low < high for high, low in pairwise(karras(10).tolist()))
