"""A sampler with its grid and settings as one string, for configurations and checkpoints.

    deis:basis=log,order=2,num_steps=32,grid=karras,sigma_min=0.002,sigma_max=80,rho=7

`str` writes every setting that has a bearing on the result, so that a stored string means the same
whatever the defaults become; `parse` takes any part of them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Final

import torch

from pyoco_eval.diffusion.denoiser import Conditioning, Denoiser
from pyoco_eval.diffusion.guidance import GuidedDenoiser
from pyoco_eval.diffusion.samplers.ddim import ddim
from pyoco_eval.diffusion.samplers.deis import deis
from pyoco_eval.diffusion.samplers.extrapolation import BASES
from pyoco_eval.diffusion.samplers.heun import heun
from pyoco_eval.diffusion.samplers.state import OnStep
from pyoco_eval.diffusion.samplers.stochastic import stochastic
from pyoco_eval.diffusion.schedules import GRIDS
from pyoco_eval.errors import UsageError
from pyoco_eval.priors import NoisePrior

_CHURN: Final = ("S_churn", "S_min", "S_max", "S_noise")


@dataclass(frozen=True)
class Sampler:
    """One of the sampler functions, and what it declares.

    Attributes:
        function: of `pyoco_eval.diffusion.samplers`.
        evaluations: of the denoiser in a step; the step to 0 takes one.
        defaults: its own settings.
    """

    function: Callable[..., torch.Tensor]
    evaluations: int
    defaults: Mapping[str, float | str]


SAMPLERS: Final = {
    "ddim": Sampler(ddim, 1, {"eta": 0}),
    "heun": Sampler(heun, 2, {}),
    "stochastic": Sampler(
        stochastic, 2, {"S_churn": 40, "S_min": 0.05, "S_max": 50, "S_noise": 1.003}
    ),
    "deis": Sampler(
        deis,
        1,
        {"order": 2, "basis": "log", "S_churn": 0, "S_min": 0, "S_max": math.inf, "S_noise": 1},
    ),
}


@dataclass(frozen=True)
class SamplerSpec:
    """A sampler ready to run.

    Attributes:
        name: ddim, heun, stochastic or deis.
        num_steps: of the grid, whose last level is 0; at least 2.
        grid: karras, exponential, linear or cosine.
        sigma_min, sigma_max: its positive ends.
        rho: of the karras grid.
        settings: the sampler's own, all of them, sorted by name.
    """

    name: str = "deis"
    num_steps: int = 32
    grid: str = "karras"
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0
    settings: tuple[tuple[str, float | str], ...] = ()

    def __post_init__(self) -> None:
        """Complete the settings and check everything; raises UsageError."""
        _known(self.name, SAMPLERS, "sampler")
        _known(self.grid, GRIDS, f"{self.name}: grid")
        defaults = SAMPLERS[self.name].defaults
        for key, value in self.settings:
            _known(key, defaults, f"{self.name}: setting")
            _check_setting(f"sampler {self.name}: {key}", key, value)
        settings = {**defaults, **dict(self.settings)}
        object.__setattr__(self, "settings", tuple(sorted(settings.items())))
        self.sigmas()

    @classmethod
    def parse(cls, text: str) -> "SamplerSpec":
        """Read `NAME` or `NAME:key=value,key=value`.

        Raises:
            UsageError: an unknown sampler, grid or key, or a value that cannot be meant.
        """
        name, _, rest = text.partition(":")
        _known(name, SAMPLERS, "sampler")
        common: dict[str, Any] = {}
        settings: dict[str, float | str] = {}
        known = [*_COMMON, *SAMPLERS[name].defaults]
        for item in rest.split(",") if rest else []:
            key, equals, value = item.strip().partition("=")
            _known(key, known, f"{name}: setting")
            if not equals or key in common or key in settings:
                raise UsageError(f"sampler {text!r}: write {key}=VALUE, once")
            kind = str if key in _WORDS else _COMMON.get(key, float)
            try:
                (common if key in _COMMON else settings)[key] = kind(value)
            except ValueError:
                raise UsageError(
                    f"sampler {text!r}: {key}={value} should be {_KINDS[kind]}"
                ) from None
        return cls(name, **common, settings=tuple(settings.items()))

    def __str__(self) -> str:
        settings = dict(self.settings)
        if not settings.get("S_churn"):
            settings = {k: v for k, v in settings.items() if k not in _CHURN or k == "S_churn"}
        values: dict[str, str | float] = {
            **settings,
            "num_steps": self.num_steps,
            "grid": self.grid,
            "sigma_min": self.sigma_min,
            "sigma_max": self.sigma_max,
        }
        if self.grid == "karras":
            values["rho"] = self.rho
        return f"{self.name}:" + ",".join(f"{key}={_text(v)}" for key, v in values.items())

    @property
    def nfe(self) -> int:
        """Evaluations of the denoiser in one run, each on the whole batch."""
        evaluations = SAMPLERS[self.name].evaluations
        return evaluations * (self.num_steps - 1) + 1

    @property
    def adds_noise(self) -> bool:
        """Whether `sample` needs a prior and generators."""
        settings = dict(self.settings)
        return bool(settings.get("S_churn", 0) or settings.get("eta", 0))

    def within(self, known: tuple[float, float] | None) -> "SamplerSpec":
        """The same for a network that knows noise of some sigmas alone; None changes nothing.

        Ends of the grid that are the default ones become those of the network. Noise is added where
        the sum stays within: up to sigma_max / sqrt(2), since one step adds that factor at most.

        Raises:
            UsageError: an end of one's own that lies outside.
        """
        if known is None:
            return self
        default, slack = SamplerSpec(), 1 + 1e-4
        low = known[0] if self.sigma_min == default.sigma_min else self.sigma_min
        high = known[1] if self.sigma_max == default.sigma_max else self.sigma_max
        if low * slack < known[0] or high > known[1] * slack:
            raise UsageError(
                f"sampler {self}: the network knows noise of sigma {known[0]:.6g} to "
                f"{known[1]:.6g}; leave sigma_min and sigma_max out, or set them within"
            )
        settings = dict(self.settings)
        if "S_max" in settings:
            settings["S_max"] = min(float(settings["S_max"]), known[1] / math.sqrt(2))
        return replace(self, sigma_min=low, sigma_max=high, settings=tuple(settings.items()))

    def sigmas(self) -> torch.Tensor:
        """The grid, float64 (num_steps + 1,), falling from sigma_max to sigma_min, then 0."""
        rho = {"rho": self.rho} if self.grid == "karras" else {}
        return GRIDS[self.grid](self.num_steps, self.sigma_min, self.sigma_max, **rho)

    def sample(
        self,
        denoiser: Denoiser,
        noise: torch.Tensor,
        *,
        cond: Conditioning | None = None,
        prior: NoisePrior | None = None,
        generators: Sequence[torch.Generator] | None = None,
        guidance_scale: float = 1,
        on_step: OnStep | None = None,
    ) -> torch.Tensor:
        """Videos float64 (B, T, C, H, W) from unit-variance noise of the same shape.

        Args:
            denoiser: see `pyoco_eval.diffusion.denoiser`.
            noise: drawn from `prior`, on the denoiser's device.
            prior, generators: of noise added on the way, needed where `adds_noise`.
            guidance_scale: of classifier-free guidance; 1 for none.
            on_step: called after every one of `num_steps` steps.

        Raises:
            UsageError: something needed is missing.
        """
        return self.walk(
            denoiser, noise, self.sigmas(), cond=cond, prior=prior, generators=generators,
            guidance_scale=guidance_scale, on_step=on_step,
        )  # fmt: skip

    def walk(
        self,
        denoiser: Denoiser,
        noise: torch.Tensor,
        sigmas: torch.Tensor,
        *,
        cond: Conditioning | None,
        guidance_scale: float,
        on_step: OnStep | None,
        prior: NoisePrior | None = None,
        generators: Sequence[torch.Generator] | None = None,
    ) -> torch.Tensor:
        """As `sample`, along a grid of one's own."""
        settings = dict(self.settings)
        if "order" in settings:
            settings["order"] = int(settings["order"])
        return SAMPLERS[self.name].function(
            GuidedDenoiser(denoiser, guidance_scale), noise, sigmas, cond=cond, prior=prior,
            generators=generators, on_step=on_step, **settings,
        )  # fmt: skip


_COMMON: Final[dict[str, Callable[[str], Any]]] = {
    "num_steps": int,
    "grid": str,
    "sigma_min": float,
    "sigma_max": float,
    "rho": float,
}
_WORDS: Final[dict[str, Sequence[str]]] = {"basis": tuple(BASES)}
_KINDS: Final[dict[Callable[[str], Any], str]] = {int: "a whole number", float: "a number"}


def _known(word: str, known: Mapping[str, Any] | Sequence[str], what: str) -> None:
    if word not in known:
        close = get_close_matches(word, known, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UsageError(f"{what} {word!r} is none of {', '.join(known)}{hint}")


def _check_setting(what: str, key: str, value: float | str) -> None:
    if key in _WORDS:
        _known(str(value), _WORDS[key], what)
    elif isinstance(value, str) or not value >= 0:
        raise UsageError(f"{what}={value} must not be negative")
    elif key == "order" and value not in range(4):
        raise UsageError(f"{what}={value:g} is none of 0 to 3")
    elif key == "eta" and value > 1:
        raise UsageError(f"{what}={value} is not within 0 to 1")


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else repr(float(value)).removesuffix(".0")
