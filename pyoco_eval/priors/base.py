"""What every noise prior does: the same noise for a sample from any batch, of a stated covariance.

Axes: B batch, T frames, C channels, H, W.

The values of one channel have a covariance over (T, H, W). Most priors leave pixels independent, so
that it is the T×T one of a pixel; others override `covariance_product`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import torch

from pyoco_eval.errors import UsageError


class NoisePrior(ABC):
    """Noise of mean 0 and variance 1, correlated over frames; channels are independent.

    Pixels are independent unless a prior says otherwise, and the noise is normal.
    """

    @property
    @abstractmethod
    def spec(self) -> str:
        """The string that identifies it, for `parse_prior`, signatures and checkpoints."""

    @property
    def told_by_frames(self) -> bool:
        """Whether the noise is jointly normal with independent pixels: `frame_covariance` is all
        there is to know of it."""
        return True

    @abstractmethod
    def frame_covariance(self, num_frames: int) -> torch.Tensor:
        """Covariance of a pixel's noise over the frames: float64 (T, T) of unit diagonal.

        Where it depends on the size of frames, it is that of large ones.

        Raises:
            UsageError: `num_frames` is not positive, or more than the prior knows.
        """

    def covariance_product(self, x: torch.Tensor) -> torch.Tensor:
        """The covariance of a channel times x, float64 (..., T, H, W), without its matrix."""
        covariance = self.frame_covariance(x.shape[-3])
        return torch.einsum("ij,...jhw->...ihw", covariance, x.double())

    def covariance(self, num_frames: int, size: tuple[int, int]) -> torch.Tensor:
        """The covariance of a channel: float64 (T·H·W, T·H·W). For small frames: it is large.

        Args:
            num_frames: T.
            size: (H, W).
        """
        shape = num_frames, *size
        count = num_frames * size[0] * size[1]
        columns = torch.eye(count, dtype=torch.float64).reshape(count, *shape)
        return self.covariance_product(columns).reshape(count, count)

    @abstractmethod
    def _fill(self, frames: torch.Tensor, generator: torch.Generator) -> None:
        """Write one sample's noise into `frames`, float32 (T, C, H, W) on the CPU."""

    def save(self, folder: Path) -> None:  # noqa: B027
        """Write what a checkpoint must keep beside `spec`: nothing, where `spec` says it all."""

    def sample(
        self,
        frame_shape: tuple[int, int, int],
        num_frames: int,
        generators: Sequence[torch.Generator],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> torch.Tensor:
        """Noise (B, T, C, H, W), row b from `generators[b]` alone.

        It is drawn on the CPU in float32 and then moved, so neither batch, device nor dtype
        changes what is drawn. The first frames do not depend on how many follow, but for `mixed`.

        Args:
            frame_shape: (C, H, W).
            num_frames: T.
            generators: one CPU generator per sample; each is advanced.
            dtype, device: of the result.

        Raises:
            UsageError: no generators, a shape without elements, or a T the prior does not know.
        """
        if not generators:
            raise UsageError("noise needs one generator per sample; none was given")
        if num_frames < 1 or min(frame_shape) < 1:
            raise UsageError(f"noise of {num_frames} frames of shape {frame_shape} has no elements")
        # A page-locked copy runs beside the device's work, and half as long as one of float64.
        pinned = torch.device(device).type == "cuda"
        noise = torch.empty(len(generators), num_frames, *frame_shape, pin_memory=pinned)
        for frames, generator in zip(noise, generators, strict=True):
            self._fill(frames, generator)
        return noise.to(device, non_blocking=pinned).to(dtype)


def frame_lags(num_frames: int) -> torch.Tensor:
    """|i - j| for frames i and j: int64 (T, T).

    Raises:
        UsageError: `num_frames` is not positive.
    """
    if num_frames < 1:
        raise UsageError(f"a covariance over {num_frames} frames: at least one is needed")
    index = torch.arange(num_frames)
    return (index[:, None] - index[None]).abs()
