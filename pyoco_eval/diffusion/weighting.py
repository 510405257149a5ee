"""How much a noise level counts in the loss: weights lambda(sigma) of the squared error of D.

With SNR = 1 / sigma², the error of D weighted by SNR is the error of the predicted noise. All but
`edm` and `soft-min-snr` know nothing of sigma_data.

    edm            (sigma² + sigma_data²) / (sigma sigma_data)²: unit weight of the raw output F
    eps            SNR: the noise, as DDPM
    x0             1: the video itself
    v              SNR + 1: the velocity
    min-snr        min(SNR, gamma)
    soft-min-snr   1 / (sigma² + sigma_data²): the same with a smooth corner
    p2             SNR / (k + SNR)^gamma

`output` stands for the one that gives the network's own output unit weight: `edm` here, `eps` or
`v` for networks of diffusers.

References:
    Karras et al., Elucidating the Design Space (2022), Table 1 (edm).
    Ho et al., Denoising Diffusion Probabilistic Models (2020), Eq. 14 (eps).
    Salimans and Ho, Progressive Distillation (2022), §4 (x0, v).
    Hang et al., Efficient Diffusion Training via Min-SNR Weighting (2023), §3.4.
    Crowson et al., Scalable High-Resolution Pixel-Space Image Synthesis (2024), §3.5 (soft).
    Choi et al., Perception Prioritized Training (2022), Eq. 8 (p2).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import torch

from pyoco_eval.errors import UsageError

Formula = Callable[[torch.Tensor, float, Mapping[str, float]], torch.Tensor]


@dataclass(frozen=True)
class _Kind:
    formula: Formula
    defaults: Mapping[str, float]


def _snr(sigma: torch.Tensor) -> torch.Tensor:
    return 1 / sigma**2


_KINDS: Final[dict[str, _Kind]] = {
    "edm": _Kind(lambda s, data, _: (s**2 + data**2) / (s * data) ** 2, {}),
    "eps": _Kind(lambda s, _data, _: _snr(s), {}),
    "x0": _Kind(lambda s, _data, _: torch.ones_like(s), {}),
    "v": _Kind(lambda s, _data, _: _snr(s) + 1, {}),
    "min-snr": _Kind(lambda s, _data, own: _snr(s).clamp(max=own["gamma"]), {"gamma": 5.0}),
    "soft-min-snr": _Kind(lambda s, data, _: 1 / (s**2 + data**2), {}),
    "p2": _Kind(
        lambda s, _data, own: _snr(s) / (own["k"] + _snr(s)) ** own["gamma"],
        {"gamma": 1.0, "k": 1.0},
    ),
}


@dataclass(frozen=True)
class LossWeighting:
    """One of the weightings, called as `weighting(sigma, sigma_data)`.

    Attributes:
        name: edm, eps, x0, v, min-snr, soft-min-snr or p2.
        settings: its numbers, all of them, sorted by name.
    """

    name: str = "edm"
    settings: tuple[tuple[str, float], ...] = ()

    @classmethod
    def parse(cls, text: str, output: str = "edm") -> "LossWeighting":
        """Read `NAME` or `NAME:key=value,key=value`, such as `min-snr:gamma=5`.

        Args:
            output: the weighting that `output` stands for: see `precondition.OUTPUT_WEIGHTINGS`.

        Raises:
            UsageError: an unknown name or key, or a value that is not positive.
        """
        name, _, rest = (output if text == "output" else text).partition(":")
        if name not in _KINDS:
            close = get_close_matches(name, _KINDS, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise UsageError(f"weighting {name!r} is none of {', '.join(_KINDS)}, output{hint}")
        settings = dict(_KINDS[name].defaults)
        for item in rest.split(",") if rest else []:
            key, _, value = item.strip().partition("=")
            if key not in settings:
                known = ", ".join(settings) or "none"
                raise UsageError(f"weighting {text!r}: {key!r} is no setting; it takes {known}")
            try:
                settings[key] = float(value)
            except ValueError:
                raise UsageError(f"weighting {text!r}: {key} should be a number") from None
            if not 0 < settings[key] < float("inf"):
                raise UsageError(f"weighting {text!r}: {key} must be above 0")
        return cls(name, tuple(sorted(settings.items())))

    def __str__(self) -> str:
        settings = ",".join(f"{key}={value:g}" for key, value in self.settings)
        return f"{self.name}:{settings}" if settings else self.name

    def __call__(self, sigma: torch.Tensor, sigma_data: float) -> torch.Tensor:
        """lambda(sigma), of sigma's shape and dtype."""
        return _KINDS[self.name].formula(sigma, sigma_data, dict(self.settings))


EDM_WEIGHTING: Final = LossWeighting()
