"""Noise whose low frequencies frames share, and whose high ones are each frame's own.

Axes: T frames, H, W; ω frequencies over (T, H, W).

    ε = F⁻¹( a(ω) F m + b(ω) F e ),   m mixed noise of alpha, e independent noise,

a a low-pass filter L. The power at ω is a² S + b², S that of mixed noise: 1 + (T - 1) ρ² where
frames do not differ (ω_t = 0), 1 - ρ² elsewhere. Its mean over ω is the variance v of every value.

    frequency:alpha=3      a = √L, b = √(1 - L), divided by √v: variance 1
    freeinit:alpha=3       a = L, b = 1 - L, as FreeInit mixes: variance v, below 1 for alpha = 0

L is Gaussian, exp(-d² / 2c²), or a Butterworth filter of order 4, 1 / (1 + (d / c)⁸), or ideal,
d ≤ c, of the distance d from frequency 0, where 1 is the highest frequency of each axis.

References:
    Wu et al., FreeInit: Bridging Initialization Gap in Video Diffusion Models (2023), §4.
    Yuan et al., FreqPrior (2025), who name the loss of variance.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.priors.base import NoisePrior
from pyoco_eval.priors.parametric import MixedPrior

FILTERS: Final = ("gaussian", "butterworth", "ideal")
_LARGE: Final = 64
"""Height and width that stand for all where no size is given."""


@dataclass(frozen=True)
class FrequencyPrior(NoisePrior):
    """`frequency:alpha=3,cut=0.25,filter=gaussian`, and the same of `freeinit`.

    Attributes:
        alpha: of the mixed noise that low frequencies are taken from.
        cut: c, in units of the highest frequency.
        filter: `gaussian`, `butterworth` or `ideal`.
        renormalised: `frequency` and not `freeinit`.

    Raises:
        UsageError: an alpha below 0, a cut that is not positive, or no such filter.
    """

    alpha: float
    cut: float = 0.25
    filter: str = "gaussian"
    renormalised: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < math.inf or not 0 < self.cut < math.inf:
            raise UsageError(f"noise prior {self.spec}: alpha is 0 or more and cut is positive")
        if self.filter not in FILTERS:
            raise UsageError(f"noise prior {self.spec}: filter is one of {', '.join(FILTERS)}")

    @property
    def spec(self) -> str:
        name = "frequency" if self.renormalised else "freeinit"
        alpha, cut = (repr(float(x)).removesuffix(".0") for x in (self.alpha, self.cut))
        return f"{name}:alpha={alpha},cut={cut},filter={self.filter}"

    @property
    def told_by_frames(self) -> bool:
        return False

    def frame_covariance(
        self, num_frames: int, size: tuple[int, int] = (_LARGE, _LARGE)
    ) -> torch.Tensor:
        # One value's covariance over time: of the mean power of each temporal frequency.
        power = self.power(num_frames, size).mean((1, 2))
        lagged: torch.Tensor = torch.fft.ifft(power).real
        index = torch.arange(num_frames)
        return lagged[(index[:, None] - index[None]) % num_frames]

    def covariance_product(self, x: torch.Tensor) -> torch.Tensor:
        power = self.power(x.shape[-3], (x.shape[-2], x.shape[-1]))
        product: torch.Tensor = torch.fft.ifftn(
            torch.fft.fftn(x.double(), dim=(-3, -2, -1)) * power, dim=(-3, -2, -1)
        ).real
        return product

    def power(self, num_frames: int, size: tuple[int, int]) -> torch.Tensor:
        """Expected power at every frequency: float64 (T, H, W), whose mean is the variance."""
        power = self._raw_power(num_frames, size)
        return power / power.mean() if self.renormalised else power

    def _raw_power(self, num_frames: int, size: tuple[int, int]) -> torch.Tensor:
        a, b = self._weights(num_frames, size)
        u = float(MixedPrior(self.alpha).frame_covariance(2)[0, 1])
        shared = torch.full((num_frames, 1, 1), 1 - u, dtype=torch.float64)
        shared[0] += num_frames * u
        return a**2 * shared + b**2

    def _weights(self, num_frames: int, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        axes = [torch.fft.fftfreq(n, dtype=torch.float64) * 2 for n in (num_frames, *size)]
        t, y, x = torch.meshgrid(*axes, indexing="ij")
        distance = (t**2 + y**2 + x**2) / self.cut**2
        low = {
            "gaussian": torch.exp(-distance / 2),
            "butterworth": 1 / (1 + distance**4),
            "ideal": (distance <= 1).double(),
        }[self.filter]
        return (low.sqrt(), (1 - low).sqrt()) if self.renormalised else (low, 1 - low)

    def _fill(self, frames: torch.Tensor, generator: torch.Generator) -> None:
        size = (frames.shape[2], frames.shape[3])
        a, b = (w.float()[:, None] for w in self._weights(len(frames), size))
        low = torch.empty_like(frames)
        MixedPrior(self.alpha)._fill(low, generator)
        for frame in frames:
            frame.normal_(generator=generator)
        axes = (0, 2, 3)
        mixed = torch.fft.fftn(low, dim=axes) * a + torch.fft.fftn(frames, dim=axes) * b
        frames.copy_(torch.fft.ifftn(mixed, dim=axes).real)
        if self.renormalised:
            frames /= float(self._raw_power(len(frames), size).mean().sqrt())
