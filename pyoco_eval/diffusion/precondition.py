"""Networks of several parameterisations, all as `D(x, sigma, cond) -> denoised`.

Axes: B batch, T frames, C channels, H, W, N levels of a discrete schedule.

EDM's preconditioning of a raw network F, with sigma* = sqrt(sigma² + sigma_data²):

    D(x; sigma) = (sigma_data / sigma*)² x + sigma sigma_data / sigma* F(x / sigma*; ln(sigma) / 4)

A variance-preserving (VP) network sees y = sqrt(a) x0 + sqrt(1 - a) e instead of x = x0 + sigma e,
where a is `alpha_cumprod` of its timestep. Both are the same where sigma² = (1 - a) / a, with
y = x / sqrt(1 + sigma²), and so

    epsilon         F = e                                   D = x - sigma F
    v-prediction    F = sqrt(a) e - sqrt(1 - a) x0          D = y / sqrt(1 + sigma²) - sqrt(1 - a) F
    sample          F = x0                                  D = F

References:
    Ge et al., Preserve Your Own Correlation (2023), §3.
    Karras et al., Elucidating the Design Space (2022), Eq. 7, Table 1 and Appendix C.
    Ho et al., Denoising Diffusion Probabilistic Models (2020), Eq. 9.
    Salimans and Ho, Progressive Distillation (2022), Appendix D.
"""

from collections.abc import Callable
from typing import Final, Literal, Protocol, get_args

import torch
from torch import nn

from pyoco_eval.diffusion.denoiser import Conditioning
from pyoco_eval.errors import UsageError

Prediction = Literal["epsilon", "v_prediction", "sample"]

OUTPUT_WEIGHTINGS: Final = {"epsilon": "eps", "v_prediction": "v", "sample": "x0"}
"""What a variance-preserving network predicts -> the loss weighting of `weighting` that makes the
loss the plain mean square of the error of that. For networks of EDM it is `edm`."""

_RANGE_SLACK: Final = 1e-4


class EDMDenoiser(nn.Module):
    """EDM's preconditioning around a raw network.

    Args:
        network: `F(x (B, T, C, H, W), c_noise (B,), cond, *, num_images, image_cond)`, to x's
            shape; the last two only where images follow the videos. It is called in its own dtype.
        sigma_data: standard deviation of the data.
    """

    def __init__(self, network: nn.Module, sigma_data: float = 0.5) -> None:
        super().__init__()
        self.network = network
        self.sigma_data = sigma_data

    def forward(
        self,
        x: torch.Tensor,
        sigma: torch.Tensor,
        cond: Conditioning | None = None,
        *,
        num_images: int = 0,
        image_cond: Conditioning | None = None,
    ) -> torch.Tensor:
        """Noisy videos x (B, T, C, H, W) at levels sigma (B,) > 0 to clean ones of x's dtype.

        Levels may also be (B, T), one for each frame, where the network takes them so and no
        images follow.

        Args:
            num_images: the last so many frames are independent images.
            image_cond: what is known of the B * num_images images.
        """
        level = per_sample(sigma, x)
        sigma_star = (level**2 + self.sigma_data**2).sqrt()
        c_skip = (self.sigma_data / sigma_star) ** 2
        c_out = level * self.sigma_data / sigma_star
        c_noise = sigma.log() / 4

        dtype = network_dtype(self.network)
        inputs = (x / sigma_star).to(dtype), c_noise.to(dtype), cond
        if num_images:
            F_x = self.network(*inputs, num_images=num_images, image_cond=image_cond)
        else:
            F_x = self.network(*inputs)
        return with_known(torch.addcmul(c_skip * x, c_out, F_x.to(x.dtype)), cond)


class VPNetwork(Protocol):
    """A variance-preserving network on videos; where images follow them, called as EDM's is."""

    def __call__(
        self, y: torch.Tensor, timestep: torch.Tensor, cond: Conditioning | None
    ) -> torch.Tensor:
        """y (B, T, C, H, W) at timesteps (B,), which may lie between two levels, to y's shape."""
        ...


class VPDenoiser(nn.Module):
    """A variance-preserving network, such as one of diffusers, as a denoiser.

    Args:
        network: sees y and a timestep.
        alphas_cumprod: (N,), falling, as a diffusers scheduler has it. Levels of pure noise
            (alpha 0) have no finite sigma and are left out.
        prediction: what the network predicts, as `prediction_type` of a diffusers scheduler.
        dtype: of the network's inputs.

    Attributes:
        levels: noise level of each timestep, rising.
        sigma_min, sigma_max: the range of levels; others are refused.

    Raises:
        UsageError: no such prediction, or `alphas_cumprod` does not fall within (0, 1).
    """

    def __init__(
        self,
        network: VPNetwork,
        alphas_cumprod: torch.Tensor,
        prediction: Prediction = "epsilon",
        *,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if prediction not in get_args(Prediction):
            known = ", ".join(get_args(Prediction))
            raise UsageError(f"prediction {prediction!r}: a network predicts one of {known}")
        super().__init__()
        self.network = network
        self.prediction = prediction
        self.dtype = dtype
        self._log_sigmas = _log_levels(alphas_cumprod)
        self.levels: tuple[float, ...] = tuple(self._log_sigmas.exp().tolist())
        self.sigma_min, self.sigma_max = self.levels[0], self.levels[-1]

    def timestep(self, sigma: torch.Tensor) -> torch.Tensor:
        """Float64 position of sigma in the schedule, linear in ln(sigma) between two levels.

        Raises:
            UsageError: sigma lies outside the schedule. On CUDA and in compiled code it is a
                RuntimeError, later: to read sigma here would wait for all that is computed.
        """
        grid = self._log_sigmas = self._log_sigmas.to(sigma.device)
        log_sigma = sigma.double().log()
        outside = (log_sigma < grid[0] - _RANGE_SLACK) | (log_sigma > grid[-1] + _RANGE_SLACK)
        if sigma.device.type == "cuda" or torch.compiler.is_compiling():
            torch._assert_async(~outside.any(), "sigma lies outside the levels of the network")
        elif outside.any():
            raise UsageError(
                f"sigma {float(sigma[outside][0]):.6g}: the network knows {self.sigma_min:.6g} to "
                f"{self.sigma_max:.6g}; set sigma_min and sigma_max of the sampler within it"
            )
        log_sigma = log_sigma.clamp(grid[0], grid[-1])
        low = (torch.searchsorted(grid, log_sigma, right=True) - 1).clamp(0, len(grid) - 2)
        return low + (log_sigma - grid[low]) / (grid[low + 1] - grid[low])

    def forward(
        self,
        x: torch.Tensor,
        sigma: torch.Tensor,
        cond: Conditioning | None = None,
        *,
        num_images: int = 0,
        image_cond: Conditioning | None = None,
    ) -> torch.Tensor:
        """Noisy videos x (B, T, C, H, W) at levels sigma (B,) to clean ones of x's dtype.

        Args:
            num_images, image_cond: as of `EDMDenoiser.forward`.
        """
        level = per_sample(sigma, x)
        norm = (1 + level**2).sqrt()
        timestep = self.timestep(sigma).to(self.dtype)
        inputs = (x / norm).to(self.dtype), timestep, cond
        network: Callable[..., torch.Tensor] = self.network
        if num_images:
            F_x = network(*inputs, num_images=num_images, image_cond=image_cond).to(x.dtype)
        else:
            F_x = network(*inputs).to(x.dtype)
        if self.prediction == "epsilon":
            return x - level * F_x
        if self.prediction == "v_prediction":
            return x / norm**2 - level / norm * F_x
        return F_x


def _log_levels(alphas_cumprod: torch.Tensor) -> torch.Tensor:
    """ln sigma, float64 (N,), rising, of the timesteps that have one."""
    alphas = alphas_cumprod.double()
    alphas = alphas[alphas > 0]
    if len(alphas) < 2 or not (alphas < 1).all() or not (alphas.diff() < 0).all():
        raise UsageError("alphas_cumprod must fall from below 1 to 0 or above, over two levels")
    return ((1 - alphas) / alphas).log() / 2


def with_known(denoised: torch.Tensor, cond: Conditioning | None) -> torch.Tensor:
    """(B, T, C, H, W) with the frames that are given in their places: nothing is estimated there.

    A sampler's state then stays `frame + sigma * noise` in them, with the noise it began with,
    which is what training shows the network (`docs/cascade.md`).
    """
    if cond is None or cond.known is None:
        return denoised
    mask = cond.known.mask[:, :, None, None, None]
    return torch.where(mask, cond.known.frames.to(denoised.dtype), denoised)


def per_sample(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """(B,) as (B, 1, 1, 1, 1), and (B, T) as (B, T, 1, 1, 1), in the dtype of `like`."""
    return values.to(like.dtype).view(*values.shape, *[1] * (like.dim() - values.dim()))


def network_dtype(network: nn.Module) -> torch.dtype:
    """The dtype of the first parameter; float32 without any."""
    return next((parameter.dtype for parameter in network.parameters()), torch.float32)
