"""Frames of one video to noise maps, each by itself, and back again.

Axes: T frames, C channels, H, W of pixels; c, h, w of the model's space.

References: Ge et al., Preserve Your Own Correlation (2023), Figure 2: a diffusion ODE run on the
frames with sigma from 0 to sigma_max; Song et al. (2021), DDIM, §4.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pyoco_eval.diffusion.inversion import invert
from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.probe.image_model import ImageModel
from pyoco_eval.products import products

RANGE = 2.0
"""Of pixels in [-1, 1], for the PSNR."""


@dataclass(frozen=True)
class InversionSettings:
    """How noise maps are made: model, ODE solver, and how many frames at once.

    Attributes:
        model: see `ImageModel`.
        solver: `heun`, `ddim` or `deis`.
        num_steps: of its grid.
        batch_size: frames in one call of the network.
    """

    model: ImageModel
    solver: str = "heun"
    num_steps: int = 64
    batch_size: int = 16

    def sampler(self, num_steps: int | None = None) -> SamplerSpec:
        """The sampler between the model's noise levels."""
        return SamplerSpec(
            self.solver,
            num_steps or self.num_steps,
            sigma_min=self.model.sigma_min,
            sigma_max=self.model.sigma_max,
        )

    def spec(self) -> str:
        """For signatures: `heun-64-karras7-0.002..80`, `deis2log-64-…`."""
        low, high = self.model.sigma_min, self.model.sigma_max
        settings = dict(self.sampler().settings)
        solver = f"{self.solver}{settings.get('order', '')}{settings.get('basis', '')}"
        return f"{solver}-{self.num_steps}-karras7-{low:.4g}..{high:.4g}"


@dataclass(frozen=True)
class RoundTrip:
    """Inverting and sampling again, at several numbers of steps: sums over frames, to be added.

    Attributes:
        num_steps: rising; the last is twice the number in use.
        pixel_error: summed squared difference of the frames, per number of steps.
        num_pixels: how many numbers these are.
        error: the same in the model's space.
        power: summed squares of what was inverted.
        map_change: summed squared difference of noise maps from those at the most steps.
        map_power: summed squares of these.
    """

    num_steps: tuple[int, ...]
    pixel_error: tuple[float, ...]
    num_pixels: int
    error: tuple[float, ...]
    power: float
    map_change: tuple[float, ...]
    map_power: float

    @classmethod
    def total(cls, parts: Sequence["RoundTrip"]) -> "RoundTrip":
        """Of several videos together."""

        def columns(name: str) -> tuple[float, ...]:
            return tuple(map(sum, zip(*(getattr(part, name) for part in parts), strict=True)))

        return cls(
            num_steps=parts[0].num_steps,
            pixel_error=columns("pixel_error"),
            num_pixels=sum(part.num_pixels for part in parts),
            error=columns("error"),
            power=sum(part.power for part in parts),
            map_change=columns("map_change"),
            map_power=sum(part.map_power for part in parts),
        )

    def psnr(self) -> list[float]:
        """Of the frames, in dB, per number of steps."""
        mean = np.array(self.pixel_error) / self.num_pixels
        with np.errstate(divide="ignore"):
            return [float(value) for value in 10 * np.log10(RANGE**2 / mean)]

    def relative_error(self) -> list[float]:
        """Relative L2 error in the model's space, per number of steps."""
        return [float(np.sqrt(error / self.power)) for error in self.error]

    def relative_change(self) -> list[float]:
        """Relative L2 distance of noise maps from those at the most steps, the last 0."""
        return [float(np.sqrt(change / self.map_power)) for change in self.map_change]


@products(tf32=False)
@torch.inference_mode()
def invert_frames(
    frames: torch.Tensor,
    walk: InversionSettings,
    *,
    prompt: str | None = None,
    num_steps: int | None = None,
) -> torch.Tensor:
    """The noise maps that the model's ODE leads the frames to.

    Args:
        frames: (T, 3, H, W) in [-1, 1].
        walk: model, solver and steps.
        prompt: what the frames show; None is unconditional.
        num_steps: in place of the walk's own.

    Returns:
        float64 (T, c, h, w) on the CPU, of variance about 1 if the model knows such frames.
    """
    maps = []
    for batch in torch.split(frames, walk.batch_size):
        x = walk.model.encode(batch.to(walk.model.device))
        maps.append(_raise(x, walk, prompt, num_steps))
    return torch.cat(maps).cpu()


@products(tf32=False)
@torch.inference_mode()
def round_trip(
    frames: torch.Tensor, walk: InversionSettings, *, prompt: str | None = None
) -> RoundTrip:
    """Invert and sample with a quarter, half, once and twice the steps in use."""
    steps = tuple(sorted({max(2, walk.num_steps * part // 4) for part in (1, 2, 4, 8)}))
    return RoundTrip.total(
        [_round_trip(batch, walk, prompt, steps) for batch in torch.split(frames, walk.batch_size)]
    )


def _round_trip(
    frames: torch.Tensor, walk: InversionSettings, prompt: str | None, steps: tuple[int, ...]
) -> RoundTrip:
    model = walk.model
    x = model.encode(frames.to(model.device))
    expected = model.decode(x)
    maps = [_raise(x, walk, prompt, num_steps) for num_steps in steps]
    found = [_lower(noise, walk, prompt, count) for noise, count in zip(maps, steps, strict=True)]
    decoded = [model.decode(state.float()) for state in found]
    return RoundTrip(
        num_steps=steps,
        pixel_error=tuple(_squares(image - expected) for image in decoded),
        num_pixels=expected.numel(),
        error=tuple(_squares(state - x) for state in found),
        power=_squares(x),
        map_change=tuple(_squares(noise - maps[-1]) for noise in maps),
        map_power=_squares(maps[-1]),
    )


def _raise(
    x: torch.Tensor, walk: InversionSettings, prompt: str | None, num_steps: int | None
) -> torch.Tensor:
    cond = walk.model.condition(prompt, len(x))
    noise = invert(walk.model.denoiser, x[:, None], walk.sampler(num_steps), cond=cond)
    return noise[:, 0]


def _lower(
    noise: torch.Tensor, walk: InversionSettings, prompt: str | None, num_steps: int
) -> torch.Tensor:
    cond = walk.model.condition(prompt, len(noise))
    sampler = walk.sampler(num_steps)
    return sampler.sample(walk.model.denoiser, noise[:, None], cond=cond)[:, 0]


def _squares(values: torch.Tensor) -> float:
    return float(values.double().square().sum())
