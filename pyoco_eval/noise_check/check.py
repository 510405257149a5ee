"""Noise of a target, measured and judged.

Axes: T frames.
"""

import math
from dataclasses import dataclass
from typing import Any

from pyoco_eval.errors import UsageError
from pyoco_eval.noise_check.measurement import Measurement, measure
from pyoco_eval.noise_check.sources import Shape, open_source
from pyoco_eval.noise_check.verdict import Expected, diagnose, nearest
from pyoco_eval.priors import NoisePrior, parse_prior

MIN_VALUES = 32
"""Values of a frame below which nothing can be told."""


@dataclass(frozen=True)
class PriorCheck:
    """What a check found.

    Attributes:
        target: what was checked.
        against: spec of the prior that it was held against, or None.
        right: whether it is what it should be.
        diagnosis: `right`, `std-for-variance`, `alpha-for-correlation`, `frozen`,
            `not-renormalised`, `wrong-variance` or `other-prior`.
        verdict: the same in a sentence.
        nearest: alpha of the nearest `mixed` and `progressive` prior.
        measurement: all that was measured.
        notes: what else is worth knowing.
    """

    target: str
    against: str | None
    right: bool
    diagnosis: str
    verdict: str
    nearest: dict[str, float]
    measurement: Measurement
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; an infinite alpha is the string `inf`."""
        found = self.measurement
        return {
            "right": self.right,
            "diagnosis": self.diagnosis,
            "verdict": self.verdict,
            "variance": found.variance.tolist(),
            "nearest": {k: v if math.isfinite(v) else "inf" for k, v in self.nearest.items()},
            "target": self.target,
            "against": self.against,
            "variance_interval": found.variance_interval().tolist(),
            "frame_correlation": found.correlation.tolist(),
            "space_correlation": [
                {"down": down, "right": right, "correlation": near.correlation, "z": near.z}
                for (down, right), near in found.neighbours.items()
            ],
            "spectrum": {
                "frequency": found.frequencies.tolist(),
                "power": found.spectrum.tolist(),
            },
            "samples": found.num_samples,
            "values_per_frame": found.num_values,
            "notes": list(self.notes),
        }


def check_prior(
    target: Any,
    *,
    against: str | NoisePrior | None = None,
    shape: Shape | None = None,
    layout: str = "btchw",
    key: str | None = None,
    seed: int = 0,
) -> PriorCheck:
    """Whether noise is right for a video model, and what is wrong with it if not.

    Without `against`, noise is right that is normal, of unit variance, white within a frame and
    independent between channels and samples, whatever its correlation over frames, unless one
    frame's noise is repeated. With it, frames must correlate as that prior has them.

    Args:
        target: a callable (shape, generator) that returns noise (B, T, C, H, W), a tensor or array
            of it, a pipeline of diffusers, a prior; or a string that names one of them.
        against: the prior that a model was trained with, or its spec.
        shape: of what is drawn.
        layout: of a tensor: `btchw` or `bcthw`.
        key: of the tensor in a file that has several.
        seed: of the draws.

    Raises:
        UsageError, MissingError, PyocoEvalError: see `open_source`; or too few values.
    """
    source = open_source(target, shape or Shape(), layout=layout, key=key, seed=seed)
    measured = measure(source.samples())
    if measured.num_values < MIN_VALUES:
        raise UsageError(
            f"{source.name}: {measured.num_values} values of a frame tell nothing of its variance; "
            f"give {MIN_VALUES} or more"
        )
    prior = parse_prior(against) if isinstance(against, str) else against
    expected = None
    if prior is not None and not prior.told_by_frames:
        raise UsageError(
            f"--against {prior.spec}: its noise differs from video to video, or from pixel to "
            "pixel; hold noise against a prior of one T×T covariance, such as mixed:alpha=1"
        )
    if prior is not None:
        num_frames = len(measured.covariance)
        expected = Expected(prior.spec, prior.frame_covariance(num_frames).numpy())
    found = diagnose(measured, expected)
    return PriorCheck(
        target=source.name,
        against=None if prior is None else prior.spec,
        right=found.slug == "right",
        diagnosis=found.slug,
        verdict=found.verdict,
        nearest=nearest(measured),
        measurement=measured,
        notes=source.notes,
    )
