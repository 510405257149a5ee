"""What samples of video noise show: variance, covariance over frames, whiteness, independence.

Axes: B samples, T frames, C channels, H, W; N = B·C·H·W values of each frame.

If noise is normal, white within a frame and independent between channels and samples, all of these
have known laws, however the frames correlate:

    variance of a frame      S_tt / s²    = chi² with N degrees of freedom, divided by N
    correlation of frames    atanh(r)     = normal about atanh(rho) with variance 1 / (N - 1)
    mean product of values   (1 / T M) Σ x y = normal about 0 with variance |S|² / (T² M),
      of one frame, M pairs                    |S| the Frobenius norm of the T×T covariance

References: Fisher (1921) for the correlation; Wilson and Hilferty (1931): the cube root of chi² / N
is normal with mean 1 - 2 / 9N and variance 2 / 9N.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from pyoco_eval.errors import PyocoEvalError

OFFSETS: Final = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))
"""Neighbours (down, right) whose products are looked at."""
_BINS: Final = 16


@dataclass(frozen=True)
class Likeness:
    """Mean correlation of values that should be independent.

    Attributes:
        correlation: -1 to 1.
        error: its standard deviation if they are independent.
    """

    correlation: float
    error: float

    @property
    def z(self) -> float:
        """In standard deviations from 0."""
        return self.correlation / self.error


@dataclass(frozen=True)
class Measurement:
    """Statistics of B samples of noise.

    Attributes:
        num_samples, num_channels: B, C.
        num_values: N.
        mean: (T,).
        covariance: float64 (T, T), about 0, the mean noise has.
        kurtosis: (T,), fourth moment over squared variance, 3 for normal noise.
        neighbours: pixels of one frame, by their offset (down, right).
        channels: neighbouring channels of one pixel; None with one channel.
        samples: one value in successive samples; None with one sample.
        repeated: successive samples that are the same.
        frequencies: (K,) cycles per pixel, the middle of each bin.
        spectrum: (K,) mean power there; white noise has its variance everywhere.
    """

    num_samples: int
    num_channels: int
    num_values: int
    mean: np.ndarray
    covariance: np.ndarray
    kurtosis: np.ndarray
    neighbours: dict[tuple[int, int], Likeness]
    channels: Likeness | None
    samples: Likeness | None
    repeated: int
    frequencies: np.ndarray
    spectrum: np.ndarray

    @property
    def variance(self) -> np.ndarray:
        """(T,)."""
        return self.covariance.diagonal()

    @property
    def correlation(self) -> np.ndarray:
        """(T, T)."""
        std = np.sqrt(np.maximum(self.variance, 1e-300))
        return np.asarray((self.covariance / np.outer(std, std)).clip(-1, 1))

    @property
    def independent_share(self) -> float:
        """So many of the values tell of the variance as if they were independent, about.

        The variance of a mean square is 2 / N times the sum of squared correlations.
        """
        space = 1 + 2 * sum(near.correlation**2 for near in self.neighbours.values())
        channels = 0.0 if self.channels is None else self.channels.correlation**2
        samples = 0.0 if self.samples is None else self.samples.correlation**2
        apart = (1 + (self.num_channels - 1) * channels) * (1 + (self.num_samples - 1) * samples)
        return 1 / (space * apart)

    def variance_interval(self, level: float = 0.95) -> np.ndarray:
        """(T, 2), of each frame on its own."""
        spread = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(2 / (9 * self.num_values))
        middle = 1 - 2 / (9 * self.num_values)
        bounds = np.array([(middle + spread) ** -3, max(middle - spread, 1e-6) ** -3])
        return np.asarray(self.variance[:, None] * bounds)

    def variance_z(self, expected: np.ndarray) -> np.ndarray:
        """(T,) how far the variances are from `expected` (T,), in standard deviations."""
        small = 2 / (9 * self.num_values)
        ratio = self.variance / np.maximum(expected, 1e-300)
        return np.asarray((np.cbrt(ratio) - (1 - small)) / math.sqrt(small))

    def correlation_z(self, expected: np.ndarray) -> np.ndarray:
        """(T, T) the same of correlations; those expected to be 1 must be so to a millionth."""
        limit = 1 - 1e-6
        found, wanted = self.correlation.clip(-limit, limit), expected.clip(-limit, limit)
        z = (np.arctanh(found) - np.arctanh(wanted)) * math.sqrt(max(1, self.num_values - 1))
        both = (np.abs(found) >= limit) & (np.abs(wanted) >= limit) & (found * wanted > 0)
        z[both] = 0
        np.fill_diagonal(z, 0)
        return np.asarray(z)


def measure(samples: Iterable[np.ndarray]) -> Measurement:
    """The statistics of samples, each of shape (T, C, H, W), one at a time.

    Raises:
        PyocoEvalError: values that are infinite or no numbers, or no samples.
    """
    sums = _Sums()
    for sample in samples:
        sums.add(np.asarray(sample, np.float64))
    return sums.result()


class _Sums:
    def __init__(self) -> None:
        self.count = self.repeated = 0
        self._last: np.ndarray | None = None

    def add(self, x: np.ndarray) -> None:
        bad = x.size - int(np.isfinite(x).sum())
        if bad:
            raise PyocoEvalError(
                f"sample {self.count} of the noise: {bad} of {x.size} values are infinite or no "
                "numbers"
            )
        if not self.count:
            self._start(x.shape)
        flat = x.reshape(len(x), -1)
        self.mean += flat.sum(1)
        self.covariance += flat @ flat.T
        self.fourth += (flat**4).sum(1)
        for offset in self.products:
            first, second = _shifted(x, *offset)
            self.products[offset] += [float((first * second).sum()), first[0].size]
        self.channels += [float((x[:, 1:] * x[:, :-1]).sum()), x[0, 1:].size]
        if self._last is not None:
            self.samples += [float((x * self._last).sum()), x[0].size]
            self.repeated += int(np.array_equal(x, self._last))
        power = np.abs(np.fft.fft2(x)) ** 2 / (x.shape[2] * x.shape[3])
        self.power += np.bincount(self.bins, power.mean((0, 1)).ravel(), minlength=len(self.power))
        self._last = x
        self.count += 1

    def _start(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.mean = np.zeros(shape[0])
        self.covariance = np.zeros((shape[0], shape[0]))
        self.fourth = np.zeros(shape[0])
        fits = [o for o in OFFSETS if o[0] < shape[2] and abs(o[1]) < shape[3]]
        self.products = {offset: np.zeros(2) for offset in fits}
        self.channels, self.samples = np.zeros(2), np.zeros(2)
        down, right = np.fft.fftfreq(shape[2])[:, None], np.fft.fftfreq(shape[3])[None]
        radius = np.hypot(down, right)
        self.bins = np.minimum((radius * 2 * _BINS).astype(int), _BINS - 1).ravel()
        self.power = np.zeros(_BINS)

    def result(self) -> Measurement:
        if not self.count:
            raise PyocoEvalError("the noise has no samples")
        num_frames, values = self.shape[0], self.count * math.prod(self.shape[1:])
        covariance = self.covariance / values
        variance = np.maximum(covariance.diagonal(), 1e-300)

        def likeness(sums: np.ndarray) -> Likeness | None:
            if not sums[1]:
                return None
            error = np.linalg.norm(covariance) / (num_frames * math.sqrt(sums[1]))
            scale = variance.mean()
            return Likeness(
                float(sums[0] / (num_frames * sums[1]) / scale), max(float(error / scale), 1e-300)
            )

        found = {offset: likeness(sums) for offset, sums in self.products.items()}
        inside = np.bincount(self.bins, minlength=_BINS)
        there = inside > 0
        return Measurement(
            num_samples=self.count,
            num_channels=self.shape[1],
            num_values=values,
            mean=self.mean / values,
            covariance=covariance,
            kurtosis=self.fourth / values / variance**2,
            neighbours={offset: near for offset, near in found.items() if near is not None},
            channels=likeness(self.channels),
            samples=likeness(self.samples),
            repeated=self.repeated,
            frequencies=((np.arange(_BINS) + 0.5) / (2 * _BINS))[there],
            spectrum=(self.power[there] / inside[there]) / self.count,
        )


def _shifted(x: np.ndarray, down: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of pixels of a frame so far apart."""
    height, width = x.shape[2:]
    left, over = max(0, -right), max(0, right)
    first = x[:, :, : height - down, left : width - over]
    second = x[:, :, down:, over : width - left]
    return first, second
