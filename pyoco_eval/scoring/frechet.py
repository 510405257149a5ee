"""FVD, FID and CLIP-FID: the Fréchet distance of two sides, its interval and its limit."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from pyoco_eval.extraction.measured_set import MeasuredSet, rows_of
from pyoco_eval.metrics.catalogue import LIMIT
from pyoco_eval.metrics.extrapolation import Extrapolation, extrapolate_frechet
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.frechet_bounds import FEWEST_GROUPS
from pyoco_eval.metrics.frechet_interval import frechet_interval
from pyoco_eval.metrics.interval import Interval
from pyoco_eval.metrics.sample_floor import (
    SmallSampleError,
    check_frechet_floor,
    frechet_floor,
)
from pyoco_eval.scoring.metric import Estimate, Metric
from pyoco_eval.scoring.signing import effective_warnings, frechet_kind, grouping_label
from pyoco_eval.statistics.moments import Moments

_STRAIGHT: Final = 0.9
"""Powers of N from which a curve of scores counts as a line in 1/N."""

_CURVE_SIZES: Final = 3
"""Subsets of so many sizes above the dimension are the least that a curve is drawn through."""


class Frechet(Metric):
    """The distance of the Gaussians with the moments of both sides; then its extrapolation."""

    def floor(self, dim: int, *, halved: bool = False) -> int:
        return frechet_floor(dim) * (2 if halved else 1)

    def check_counts(self, dim: int, generated: int | None, reference: int | None) -> None:
        known = [count for count in (generated, reference) if count is not None]
        if not known:
            return
        options, floor = self.options, self.floor(dim)
        ours, theirs = (floor if count is None else count for count in (generated, reference))
        check_frechet_floor(ours, theirs, dim, allow_small=options.allow_small)
        if options.interval and min(ours, theirs) < FEWEST_GROUPS:
            raise SmallSampleError(
                f"--interval {options.interval}: {ours} generated and {theirs} reference rows "
                f"are too few, {FEWEST_GROUPS} are needed on each side; give more videos, or leave "
                "it out"
            )
        least = floor + _CURVE_SIZES - 1
        if options.extrapolate and min(known) < least:
            raise SmallSampleError(
                f"--extrapolate: {min(known)} feature rows are too few, subsets of three sizes "
                f"above {dim} need {least} of each side; give more videos or leave it out"
            )

    def floor_label(self, generated: MeasuredSet, reference: MeasuredSet | None) -> str | None:
        assert reference is not None
        return check_frechet_floor(
            generated.count,
            reference.count,
            generated.dim(),
            allow_small=self.options.allow_small,
        )

    def stated(self) -> Mapping[str, object]:
        return {"distance": "exact-float64", "covariance": "n-1" if self.rule.ddof else "n"}

    def estimates(self, generated: MeasuredSet, reference: MeasuredSet | None) -> list[Estimate]:
        assert reference is not None
        terms = frechet_distance(
            self._gaussian(generated), self._gaussian(reference), ddof=self.rule.ddof
        )
        interval = self._interval(generated, reference) if self.options.interval else None
        recipe = {"cov": self._covariance()}
        warnings = [text for side in (generated, reference) for text in effective_warnings(side)]
        found = Estimate(
            terms.distance,
            recipe=recipe,
            interval=interval,
            kind="" if interval is None else frechet_kind(interval),
            extras={"mean_term": terms.mean, "covariance_term": terms.covariance},
            warnings=warnings,
        )
        if not self.options.extrapolate:
            return [found]
        limit = self._extrapolation(generated, reference)
        spec = limit.spec() + grouping_label(generated, reference)
        return [
            found,
            Estimate(
                limit.infinity,
                name=self.rule.metric + LIMIT,
                recipe={**recipe, "inf": spec},
                extras=_curve(limit),
                warnings=[*warnings, *_curved(limit)],
            ),
        ]

    def _gaussian(self, side: MeasuredSet) -> Moments | np.ndarray:
        """Rows or moments, with the convention's ridge on the diagonal of the covariance."""
        rule = self.rule
        if not rule.ridge:
            return side.gaussian()
        found = side.to_moments()
        weight = rule.ridge * (found.count - rule.ddof)
        return Moments(found.count, found.mean, found.m2 + weight * np.eye(len(found.mean)))

    def _covariance(self) -> str:
        """Value of the signature's `cov` key: `n-1`, `n`, `n-1+1e-06`."""
        divisor = "n-1" if self.rule.ddof else "n"
        return f"{divisor}+{self.rule.ridge:g}" if self.rule.ridge else divisor

    def _interval(self, generated: MeasuredSet, reference: MeasuredSet) -> Interval:
        """Where the distance lies that infinitely many videos would give."""
        rows, ours = rows_of(generated, "an interval"), generated.row_units()
        theirs = reference.features
        return frechet_interval(
            rows,
            reference.to_moments() if theirs is None else theirs.features,
            groups_generated=ours,
            groups_reference=None if theirs is None else reference.row_units(),
            num_resamples=self.options.interval,
            ddof=self.rule.ddof,
        )

    def _extrapolation(self, generated: MeasuredSet, reference: MeasuredSet) -> Extrapolation:
        """The distance against the number of samples, and its limit."""
        rows, theirs = rows_of(generated, "an extrapolation"), reference.features
        return extrapolate_frechet(
            rows,
            reference.to_moments() if theirs is None else theirs.features,
            groups_generated=generated.row_units(),
            groups_reference=None if theirs is None else reference.row_units(),
            ddof=self.rule.ddof,
        )


def _curve(found: Extrapolation) -> dict[str, float | int | str | list[float]]:
    return {
        "standard_error": found.standard_error,
        "power": found.power,
        "limit_of_power": found.infinity_of_power,
        "slope": found.slope,
        "sizes": [float(size) for size in found.sizes],
        "mean": list(found.mean),
        "std": list(found.std),
    }


def _curved(found: Extrapolation) -> tuple[str, ...]:
    """A warning if the scores are visibly no line in 1/N."""
    apart = found.infinity - found.infinity_of_power
    if found.power > _STRAIGHT or apart < 4 * found.standard_error:
        return ()
    return (
        f"The distance falls as N^-{found.power:.2f}, more slowly than 1/N (heavy tails, or few "
        f"independent groups): the limit lies between {found.infinity_of_power:.4g}, by that "
        f"power, and {found.infinity:.4g}, by 1/N.",
    )
