"""From what was measured to a diagnosis in one word and a verdict in one sentence.

Each question is a test of its own share of `FALSE_ALARMS`, divided by the number of values it looks
at (Bonferroni), so that noise that is right is called wrong no more often than that in all.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from pyoco_eval.noise_check.measurement import Likeness, Measurement
from pyoco_eval.noise_check.slips import (
    SLIPS,
    Slip,
    alpha_of,
    misread,
    mixed,
    nearest_share,
    progressive,
    share_of,
)

FALSE_ALARMS: Final = 1e-3
"""Probability that noise that is right is called wrong."""
_SHARES: Final = {"frames": 0.5, "space": 0.2, "rest": 0.3}
_FIT: Final = 1e-6
"""A slip explains what was measured unless chance would so rarely do it."""
_FROZEN: Final = 1 - 1e-4
_MOST_DRAWS: Final = 8
_KURTOSIS_VALUES: Final = 5000
"""Below, the fourth moment is not near normal itself."""


@dataclass(frozen=True)
class Expected:
    """What a model was trained with.

    Attributes:
        spec: of the prior.
        covariance: (T, T).
    """

    spec: str
    covariance: np.ndarray

    @property
    def alpha(self) -> float | None:
        """Of `mixed` and `progressive`."""
        text = self.spec.partition("alpha=")[2]
        try:
            return float(text) if text else None
        except ValueError:
            return None

    @property
    def prior(self) -> str:
        return self.spec.partition(":")[0]


@dataclass(frozen=True)
class Diagnosis:
    """One word of the contract, and the sentence."""

    slug: str
    verdict: str


def limit(share: float, count: int) -> float:
    """Largest |z| of `count` values that chance leaves with probability 1 - share."""
    return NormalDist().inv_cdf(1 - share / (2 * max(1, count)))


def nearest(measured: Measurement) -> dict[str, float]:
    """alpha of the mixed and of the progressive prior with the nearest correlation of frames."""
    found, num_frames = measured.correlation, len(measured.covariance)
    if num_frames == 1:
        return {"mixed": 0.0, "progressive": 0.0}
    above = found[np.triu_indices(num_frames, 1)]
    index = np.arange(num_frames)
    lag = np.abs(index[:, None] - index[None])
    rho = nearest_share(lambda r: float(((found - np.power(r, lag)) ** 2).sum()))
    return {"mixed": alpha_of(float(above.mean().clip(0, 1))), "progressive": alpha_of(rho**2)}


def diagnose(measured: Measurement, expected: Expected | None = None) -> Diagnosis:
    """What is right or wrong with noise; `expected` is what its model was trained with."""
    of_frames = FALSE_ALARMS * _SHARES["frames"]
    if (found := _frozen(measured, expected)) is not None:
        return found
    coloured = _not_white(measured)
    z = measured.variance_z(np.ones(len(measured.covariance)))
    if coloured is not None:  # values that are not independent tell as much as fewer ones
        z *= math.sqrt(measured.independent_share) / 1.2
    if np.abs(z).max() > limit(of_frames, _num_tests(measured)):
        return _wrong_variance(measured, expected)
    if coloured is not None:
        return coloured
    if expected is None:
        return Diagnosis("right", f"Right: {_as_it_is(measured)}.")
    if _explains(measured, expected.covariance, of_frames):
        return Diagnosis("right", f"Right: {_as_it_is(measured)}, as {expected.spec} has it.")
    return _other(measured, expected)


def _num_tests(measured: Measurement) -> int:
    num_frames = len(measured.covariance)
    return num_frames * (num_frames + 1) // 2


def _explains(measured: Measurement, covariance: np.ndarray, share: float) -> bool:
    """Whether samples of noise of this covariance often look like this."""
    bound = limit(share, _num_tests(measured))
    std = np.sqrt(covariance.diagonal())
    correlation = covariance / np.outer(std, std)
    return bool(
        np.abs(measured.variance_z(covariance.diagonal())).max() <= bound
        and np.abs(measured.correlation_z(correlation)).max() <= bound
    )


def _frozen(measured: Measurement, expected: Expected | None) -> Diagnosis | None:
    num_frames = len(measured.covariance)
    if num_frames == 1 or measured.correlation.min() < _FROZEN:
        return None
    meant = expected is not None and expected.covariance.min() >= _FROZEN
    share = FALSE_ALARMS * _SHARES["frames"]
    right = np.abs(measured.variance_z(np.ones(num_frames))).max() <= limit(share, 1)
    if meant and right:
        return _not_white(measured) or Diagnosis(
            "right", "Right: all frames share one noise map of unit variance, as "
            f"{expected.spec if expected else ''} has it.",
        )  # fmt: skip
    if meant:
        return None
    trained = f", and the model was trained with {expected.spec}" if expected else ""
    more = "" if right else f"; its variance is {measured.variance.mean():.3g} besides"
    return Diagnosis(
        "frozen", f"Frozen: one frame's noise is repeated over all {num_frames} frames (alpha is "
        f"infinite){trained}{more}.",
    )  # fmt: skip


def _wrong_variance(measured: Measurement, expected: Expected | None) -> Diagnosis:
    how = _by_how_much(measured.variance)
    alpha = None if expected is None else expected.alpha
    for slip, u in _candidates(measured, alpha):
        if _explains(measured, slip.covariance(u, len(measured.covariance)), _FIT):
            return Diagnosis(
                slip.diagnosis,
                f"Wrong variance, {how}: as if {slip.what} ({slip.prior}, alpha "
                f"{alpha_of(u):.3g}).",
            )
    if (reason := _averaged(measured)) is not None:
        return Diagnosis("not-renormalised", f"Wrong variance, {how}: {reason}.")
    return Diagnosis("wrong-variance", f"Wrong variance, {how}: noise has variance 1.")


def _by_how_much(variance: np.ndarray) -> str:
    low, high = float(variance.min()), float(variance.max())
    if high - low <= 0.05 * high:
        return f"{variance.mean():.3g} in every frame"
    ends = f"{variance[0]:.3g} in the first frame and {variance[-1]:.3g} in the last"
    return (
        ends
        if {low, high} <= {float(variance[0]), float(variance[-1])}
        else (f"{low:.3g} to {high:.3g}, depending on the frame")
    )


def _candidates(measured: Measurement, alpha: float | None) -> Iterator[tuple[Slip, float]]:
    """Slips at the model's own alpha, then at the alpha that fits best."""
    num_frames = len(measured.covariance)
    if alpha is not None:
        yield from ((slip, share_of(alpha)) for slip in SLIPS)
    if num_frames == 1 or _independent(measured):  # a variance alone fits many a slip
        return

    def error(slip: Slip, u: float) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            difference = slip.covariance(u, num_frames) - measured.covariance
            return float(np.nan_to_num((difference**2).sum(), nan=math.inf))

    for slip in SLIPS:
        yield slip, nearest_share(lambda u, slip=slip: error(slip, u))  # type: ignore[misc]


def _independent(measured: Measurement) -> bool:
    """Whether frames show no correlation."""
    num_frames = len(measured.covariance)
    z = measured.correlation_z(np.eye(num_frames))
    return bool(np.abs(z).max() <= limit(0.01, num_frames * (num_frames - 1) // 2))


def _averaged(measured: Measurement) -> str | None:
    """How a mean that was not renormalised shows, if one does."""
    variance, z_limit = measured.variance, limit(_FIT, len(measured.variance))
    if variance.max() > 1 + 0.5 * z_limit * math.sqrt(2 / measured.num_values):
        return None
    if any(abs(near.z) > 8 for near in measured.neighbours.values()):
        return "neighbouring pixels are mixed, by a resize or a filter, and not renormalised"
    draws = np.rint(1 / variance).clip(1, _MOST_DRAWS)
    if np.abs(measured.variance_z(1 / draws)).max() <= z_limit and draws.max() > 1:
        low, high = int(draws.min()), int(draws.max())
        number = f"{high}" if low == high else f"{low} to {high}"
        return f"that of a mean of {number} draws, not renormalised"
    values = np.linalg.eigvalsh(measured.covariance)
    if len(values) > 2 and values[0] < 1e-6 * values[-1]:
        return "some frames are means of others, not renormalised"
    return None


def _not_white(measured: Measurement) -> Diagnosis | None:
    """Whatever but the covariance of frames is not as independent normal noise."""
    space, rest = FALSE_ALARMS * _SHARES["space"], FALSE_ALARMS * _SHARES["rest"] / 4

    def unlike(near: Likeness | None, share: float, count: int) -> bool:
        return near is not None and abs(near.z) > limit(share, count)

    for offset, near in measured.neighbours.items():
        if unlike(near, space, len(measured.neighbours)):
            return Diagnosis(
                "other-prior", "Not white: pixels {} down and {} right of each other correlate by "
                "{:.3g}.".format(*offset, near.correlation),
            )  # fmt: skip
    if measured.repeated:
        return Diagnosis(
            "other-prior",
            f"Not independent: {measured.repeated} of {measured.num_samples} samples are the one "
            "before again.",
        )
    for pair, what in ((measured.samples, "samples"), (measured.channels, "channels")):
        if pair is not None and unlike(pair, rest, 1):
            return Diagnosis(
                "other-prior",
                f"Not independent: neighbouring {what} correlate by {pair.correlation:.3g}.",
            )
    num_frames = len(measured.mean)
    z = measured.mean / np.sqrt(measured.variance / measured.num_values)
    if np.abs(z).max() > limit(rest, num_frames):
        worst = int(np.abs(z).argmax())
        return Diagnosis(
            "other-prior", f"Not of mean 0: {measured.mean[worst]:.3g} in frame {worst + 1}."
        )
    z = (measured.kurtosis - 3) / math.sqrt(24 / measured.num_values)
    if measured.num_values >= _KURTOSIS_VALUES and np.abs(z).max() > 2 * limit(rest, num_frames):
        worst = int(np.abs(z).argmax())
        return Diagnosis(
            "other-prior", f"Not normal: the fourth moment is {measured.kurtosis[worst]:.3g}, of "
            "normal noise 3.",
        )  # fmt: skip
    return None


def _as_it_is(measured: Measurement) -> str:
    if len(measured.covariance) == 1:
        return "unit variance, white"
    off = measured.correlation[np.triu_indices(len(measured.covariance), 1)]
    bound = limit(0.05, len(off)) / math.sqrt(measured.num_values)
    if np.abs(off).max() <= bound:
        return "unit variance in every frame, white, frames independent"
    alphas = nearest(measured)
    return (
        "unit variance in every frame, white, frames correlated (nearest: mixed alpha "
        f"{alphas['mixed']:.3g}, progressive alpha {alphas['progressive']:.3g})"
    )


def _other(measured: Measurement, expected: Expected) -> Diagnosis:
    num_frames, alpha = len(measured.covariance), expected.alpha
    builds = {"mixed": mixed, "progressive": progressive}
    if alpha is not None:
        build = builds[expected.prior]
        for what, u in misread(expected.prior, alpha).items():
            covariance = build(math.sqrt(u), math.sqrt(1 - u), num_frames)
            if _explains(measured, covariance, FALSE_ALARMS):
                return Diagnosis(
                    "alpha-for-correlation",
                    f"Not what the model was trained with: {expected.prior} noise of alpha "
                    f"{alpha_of(u):.3g} in place of {alpha:g}, as if {what}.",
                )
    alphas = nearest(measured)
    for prior, build in builds.items():
        u = share_of(alphas[prior])
        if _explains(measured, build(math.sqrt(u), math.sqrt(1 - u), num_frames), _FIT):
            name = f"{prior}:alpha={alphas[prior]:.3g}"
            if _independent(measured):
                name = "independent"
            return Diagnosis(
                "other-prior",
                f"Not what the model was trained with: this is {name}, not {expected.spec}.",
            )
    return Diagnosis(
        "other-prior",
        f"Not what the model was trained with: variances are right, but frames do not correlate "
        f"as {expected.spec} has them (nearest: mixed alpha {alphas['mixed']:.3g}, progressive "
        f"alpha {alphas['progressive']:.3g}).",
    )
