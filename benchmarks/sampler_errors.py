"""How far samplers end from the exact solution, against evaluations of the denoiser.

Two problems: a mixture of Gaussians, whose ideal denoiser is known, and with `--ckpt` a trained
image model. Without added noise the truth is Heun's method in many small steps. With
added noise it is the same path, level by level and with the same noise, each step solved exactly.
The figure is the median over samples of the RMS error. DPM-Solver++ 2M of diffusers, on EDM's
levels, stands in the same table.

    python benchmarks/sampler_errors.py --ckpt runs/shapes-image --plot sampler_errors.png
"""

import argparse
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import torch

from pyoco_eval.diffusion.denoiser import Denoiser
from pyoco_eval.diffusion.samplers import SamplerSpec, heun
from pyoco_eval.diffusion.samplers.state import churn, churned_level
from pyoco_eval.features.loading.torchvision_operators import import_torchvision
from pyoco_eval.models.checkpoint import load_model
from pyoco_eval.priors import parse_prior
from pyoco_eval.seeding import torch_generator

import_torchvision()

from diffusers import EDMDPMSolverMultistepScheduler  # noqa: E402

PRIOR = parse_prior("independent")
EVALUATIONS = (8, 10, 15, 20, 32, 64)
ODE = (
    "ddim", "heun", "dpm++2m",
    *(f"deis:basis={b},order={n}" for b in ("sigma", "rho", "log") for n in (1, 2, 3)),
)  # fmt: skip
SDE = ("stochastic", "deis:order=0", "deis:basis=sigma", "deis:basis=rho", "deis:basis=log")
CHURN = {"S_min": 0.05, "S_max": 50.0, "S_noise": 1.0}

Run = Callable[[Denoiser, torch.Tensor], torch.Tensor]


def mixture(seed: int = 0, components: int = 12, width: float = 0.05) -> Denoiser:
    """The ideal denoiser of a mixture of isotropic Gaussians in 48 dimensions."""
    generator = torch_generator("mixture", seed)
    means = 0.5 * torch.randn(components, 48, generator=generator, dtype=torch.float64)

    def denoise(x: torch.Tensor, sigma: torch.Tensor, cond: object = None) -> torch.Tensor:  # noqa: ARG001
        variance = width**2 + float(sigma[0]) ** 2
        flat = x.flatten(1)
        near = torch.softmax(-(torch.cdist(flat, means) ** 2) / (2 * variance), dim=1) @ means
        return (near + width**2 / variance * (flat - near)).view_as(x)

    return denoise


def dpm_solver(num_steps: int) -> Run:
    """diffusers' DPM-Solver++ 2M; it takes the raw output F of EDM's preconditioning."""

    def run(denoiser: Denoiser, noise: torch.Tensor) -> torch.Tensor:
        scheduler = EDMDPMSolverMultistepScheduler(solver_order=2)
        scheduler.set_timesteps(num_steps)
        x = noise * scheduler.sigmas[0].double()
        for sigma, time in zip(scheduler.sigmas[:-1].double(), scheduler.timesteps, strict=True):
            denoised = denoiser(x, sigma.expand(len(x)), None)
            c_skip = 0.25 / (sigma**2 + 0.25)
            c_out = sigma * 0.5 / (sigma**2 + 0.25).sqrt()
            x = scheduler.step((denoised - c_skip * x) / c_out, time, x).prev_sample.double()
        return x

    return run


def sampler(text: str, evaluations: int, S_churn: float = 0) -> tuple[Run, SamplerSpec]:
    """A run of at most so many evaluations."""
    heuns = text in ("heun", "stochastic")
    num_steps = (evaluations + 1) // 2 if heuns else evaluations
    name, _, settings = text.partition(":")
    words = [settings, f"num_steps={num_steps}"]
    if S_churn:
        words += [f"{key}={value}" for key, value in {"S_churn": S_churn, **CHURN}.items()]
    spec = SamplerSpec.parse(f"{name}:{','.join(filter(None, words))}")

    def run(denoiser: Denoiser, noise: torch.Tensor) -> torch.Tensor:
        return spec.sample(denoiser, noise, prior=PRIOR, generators=added(len(noise)))

    return run, spec


def added(count: int) -> list[torch.Generator]:
    return [torch_generator("added", i) for i in range(count)]


def exact(
    denoiser: Denoiser, noise: torch.Tensor, sigmas: torch.Tensor, S_churn: float, parts: int
) -> torch.Tensor:
    """Every step of `sigmas` in `parts` of Heun's, noise added between them as samplers add it."""
    generators = added(len(noise))
    grid = sigmas.tolist()
    x = noise.double() * grid[0]
    for sigma, following in pairwise(grid):
        hat = churned_level(sigma, len(grid) - 1, S_churn, CHURN["S_min"], CHURN["S_max"])
        x = churn(x, sigma, hat, CHURN["S_noise"], PRIOR, generators)
        ends = torch.tensor([hat, following or hat / 50]).double().log()
        levels = torch.exp(ends[0] + (ends[1] - ends[0]) * torch.linspace(0, 1, parts + 1).double())
        levels[0] = hat
        if not following:
            levels = torch.cat([levels, torch.zeros(1)])
        x = heun(denoiser, x / hat, levels)
    return x


def rms(found: torch.Tensor, truth: torch.Tensor) -> float:
    return float((found - truth).flatten(1).square().mean(1).sqrt().median())


Table = dict[str, list[float]]


def ode_table(denoiser: Denoiser, noise: torch.Tensor, truth_steps: int) -> Table:
    truth = heun(denoiser, noise, SamplerSpec("heun", truth_steps).sigmas())
    table: Table = {}
    for text in ODE:
        for evaluations in EVALUATIONS:
            run = dpm_solver(evaluations) if text == "dpm++2m" else sampler(text, evaluations)[0]
            table.setdefault(text, []).append(rms(run(denoiser, noise), truth))
    return table


def sde_table(denoiser: Denoiser, noise: torch.Tensor, S_churn: float, parts: int) -> Table:
    table: Table = {}
    truths: dict[int, torch.Tensor] = {}
    for text in SDE:
        for evaluations in EVALUATIONS:
            run, spec = sampler(text, evaluations, S_churn)
            if spec.num_steps not in truths:
                truths[spec.num_steps] = exact(denoiser, noise, spec.sigmas(), S_churn, parts)
            truth = truths[spec.num_steps]
            table.setdefault(text, []).append(rms(run(denoiser, noise), truth))
    return table


def show(title: str, table: Table) -> None:
    print(f"\n{title}\n| evaluations | {' | '.join(map(str, EVALUATIONS))} |")
    print("|---" * (len(EVALUATIONS) + 1) + "|")
    for text, errors in table.items():
        print(f"| `{text}` | {' | '.join(f'{error:.2g}' for error in errors)} |", flush=True)


def plot(tables: dict[str, Table], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(tables), figsize=(5 * len(tables), 3.8), squeeze=False)
    shown: Sequence[str] = (
        "ddim", "heun", "dpm++2m", "deis:basis=sigma,order=3", "deis:basis=rho,order=3",
        "deis:basis=log,order=2",
    )  # fmt: skip
    for axis, (title, table) in zip(axes[0], tables.items(), strict=True):
        for text in shown:
            wide = 2.4 if text == "deis:basis=log,order=2" else 1.3
            axis.loglog(EVALUATIONS, table[text], marker="o", ms=3.5, lw=wide, label=text)
        axis.set(title=title, xlabel="evaluations of the denoiser", xticks=EVALUATIONS)
        axis.set_xticklabels(map(str, EVALUATIONS))
        axis.minorticks_off()
        axis.grid(alpha=0.25)
    axes[0][0].set_ylabel("RMS error of the sample")
    axes[0][-1].legend(fontsize=8, frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ckpt", type=Path, help="a trained image model, e.g. runs/shapes-image")
    parser.add_argument("--samples", type=int, default=2, help="of the model")
    parser.add_argument("--churn", type=float, nargs="*", default=[5, 40])
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    draws = [torch_generator("start", i) for i in range(64)]
    start = PRIOR.sample((1, 6, 8), 1, draws, dtype=torch.float64)
    problems = {"mixture of Gaussians": (mixture(), start, 1000, 40)}
    if options.ckpt:
        model = load_model(options.ckpt)
        draws = [torch_generator("start", i) for i in range(options.samples)]
        start = PRIOR.sample((3, *model.info.size), 1, draws, dtype=torch.float64)
        problems["trained image model"] = (model.denoiser, start, 150, 4)
    tables = {}
    for name, (denoiser, noise, truth_steps, parts) in problems.items():
        tables[name] = ode_table(denoiser, noise, truth_steps)
        show(f"{name}, no added noise", tables[name])
        for S_churn in options.churn:
            show(
                f"{name}, S_churn={S_churn:g}",
                sde_table(denoiser, noise, S_churn, parts),
            )
    if options.plot:
        plot(tables, options.plot)


if __name__ == "__main__":
    main()
