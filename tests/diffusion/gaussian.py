"""Gaussian videos, whose ideal denoiser and whose ODE have closed forms.

Axes: B batch, T frames, C channels, H, W.

Every pixel is a vector over frames, x0 ~ N(mean, C), and its noise e ~ N(0, K). With x = x0 + s e,

    D(x; s) = mean + C (C + s² K)^-1 (x - mean).

Let K = L Lᵀ and L^-1 C L^-T = U diag(v) Uᵀ. In y = Uᵀ L^-1 (x - mean) the data has variances v and
the noise is white, so that dy/ds = (y - v / (v + s²) y) / s = s / (v + s²) y, which is solved by

    y(s) = sqrt((v + s²) / (v + s0²)) y(s0).
"""

from dataclasses import dataclass, field

import torch

from pyoco_eval.diffusion.denoiser import Conditioning
from pyoco_eval.priors import parse_prior


@dataclass
class GaussianVideos:
    """mean (T, 1, 1, 1) or wider, covariance C (T, T) and noise covariance K (T, T), float64."""

    mean: torch.Tensor
    C: torch.Tensor
    K: torch.Tensor
    levels: list[float] = field(default_factory=list)
    """Where the denoiser was asked."""

    def __call__(
        self, x: torch.Tensor, sigma: torch.Tensor, cond: Conditioning | None = None
    ) -> torch.Tensor:
        assert x.dtype == torch.float64
        assert sigma.shape == (len(x),)
        self.levels.append(float(sigma[0]))
        gain = self.C @ torch.linalg.inv(self.C + sigma[0] ** 2 * self.K)
        return self.mean + torch.einsum("ts,bschw->btchw", gain, x - self.mean)

    def flow(self, x: torch.Tensor, start: float, end: float) -> torch.Tensor:
        """The exact state at level `end` of the ODE's solution through x at level `start`."""
        root = torch.linalg.cholesky(self.K)
        inverse = torch.linalg.inv(root)
        v, U = torch.linalg.eigh(inverse @ self.C @ inverse.T)
        growth = ((v + end**2) / (v + start**2)).sqrt()
        map_ = root @ U @ torch.diag(growth) @ U.T @ inverse
        return self.mean + torch.einsum("ts,bschw->btchw", map_, x - self.mean)


def gaussian_videos(num_frames: int = 4, prior: str = "progressive:alpha=2") -> GaussianVideos:
    """Data of standard deviation 0.5 whose frames are more alike than their noise."""
    i = torch.arange(num_frames, dtype=torch.float64)
    distance = (i[:, None] - i[None]).abs()
    C = 0.25 * torch.exp(-((distance / 3) ** 2)) + 0.01 * torch.eye(num_frames).double()
    mean = (i / num_frames - 0.3).view(-1, 1, 1, 1)
    return GaussianVideos(mean, C, parse_prior(prior).frame_covariance(num_frames))
