"""The error of a difference of two scores: what they share cancels.

A score records what it is on complementary halves of its videos (`interval_halves`). Which half a
video falls into depends on its name alone (`metrics.division`), so two scores by one draw have the
same halves of one reference, and of generated videos that have the same names: the same prompts, or
seeds. Differences half by half then hold exactly the error that is not shared. Of videos with
other names the halves are independent, as their errors are.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final, Literal

import numpy as np

from pyoco_eval.metrics.interval import (
    deviation_of_difference,
    root_mean_square,
    student_quantile,
)
from pyoco_eval.records.record import ScoreRecord

LEVEL: Final = 0.95
"""Confidence of the interval of a difference."""

Basis = Literal["paired", "reference shared", "independent"]

ABOUT: Final[Mapping[str, str]] = {
    "paired": "paired: both sets have the same names (prompts or seeds), and halves of the videos "
    "and of the reference are compared one by one",
    "reference shared": "the reference's halves are shared, the videos count as independent: their "
    "names differ",
    "independent": "all errors count as independent, also those of a reference in common: the "
    "interval is then too wide",
}
"""What was done, for a reader."""


@dataclass(frozen=True)
class DifferenceInterval:
    """Where the difference of two scores lies.

    Attributes:
        low, high: at `LEVEL`.
        basis: what was taken for shared.
        of_limits: the difference is of what infinitely many videos would give; else of scores of as
            many videos as these.
    """

    low: float
    high: float
    basis: Basis
    of_limits: bool


def spread_of_difference(
    of: ScoreRecord, against: ScoreRecord, pair: bool | None
) -> DifferenceInterval | None:
    """None where one of the scores has no interval, or only one of them a limit.

    Args:
        pair: None shares what can be shared; True is as None (see `why_unpaired`); False takes all
            errors for independent.
    """
    if of.interval is None or against.interval is None:
        return None
    targets = [_target(score) == "bounds" for score in (of, against)]
    if targets[0] != targets[1]:
        return None
    basis = "independent" if pair is False else _basis(of, against)
    if basis == "independent":
        return _independent(of, against)
    return _shared(of, against, basis)


def why_unpaired(of: ScoreRecord, against: ScoreRecord) -> str | None:
    """Why the videos of two scores cannot be paired; None if they can."""
    for score in (of, against):
        if score.interval is None or "interval_names" not in score.extras:
            return "a record has no scores of halves: score with --interval 100 in this version"
    if of.recipe.get("ci") != against.recipe.get("ci"):
        return f"halves were drawn otherwise (ci {of.recipe['ci']} and {against.recipe['ci']})"
    if _names(of)[0] != _names(against)[0]:
        return (
            "the generated videos have other names: name them by prompt or seed, alike for both, "
            "or score both with --group-by prompt"
        )
    return None if _basis(of, against) == "paired" else "the references were divided otherwise"


def _basis(of: ScoreRecord, against: ScoreRecord) -> Basis:
    if "interval_names" not in of.extras or "interval_names" not in against.extras:
        return "independent"
    ours, theirs = _names(of), _names(against)
    same_draws = of.recipe.get("ci") == against.recipe.get("ci")
    if not same_draws or len(_parts(of)) != len(_parts(against)) or ours[1:] != theirs[1:]:
        return "independent"
    if ours[0] == theirs[0]:
        return "paired"
    return "reference shared" if ours[1:] and ours[1] != "exact" else "independent"


def _names(score: ScoreRecord) -> list[str]:
    return str(score.extras["interval_names"]).split("/")


def _parts(score: ScoreRecord) -> list[float]:
    return list(score.extras.get("interval_halves") or score.extras.get("interval_errors") or ())


def _shared(of: ScoreRecord, against: ScoreRecord, basis: Basis) -> DifferenceInterval:
    parts = np.array(_parts(of)) - np.array(_parts(against))
    of_limits = _target(of) != "bounds"
    if of_limits:
        halves = parts.reshape(-1, 2)
        margin = student_quantile(LEVEL, len(halves)) * deviation_of_difference(halves)
        ends = [a - b for a, b in zip(_limits(of), _limits(against), strict=True)]
    else:
        margin = student_quantile(LEVEL, len(parts)) * root_mean_square(parts)
        ends = [of.value - against.value]
    return DifferenceInterval(min(ends) - margin, max(ends) + margin, basis, of_limits)


def _independent(of: ScoreRecord, against: ScoreRecord) -> DifferenceInterval:
    margin = NormalDist().inv_cdf((1 + LEVEL) / 2) * math.hypot(_deviation(of), _deviation(against))
    if _target(of) == "bounds":
        middle = of.value - against.value
        return DifferenceInterval(middle - margin, middle + margin, "independent", False)
    ends = [a - b for a, b in zip(_limits(of), _limits(against), strict=True)]
    return DifferenceInterval(min(ends) - margin, max(ends) + margin, "independent", True)


def _target(score: ScoreRecord) -> str:
    return str(score.extras.get("interval_target", "limit"))


def _limits(score: ScoreRecord) -> tuple[float, float]:
    """The score less its bias, by both laws of it; twice the same where there is one."""
    limits = score.extras.get("interval_limits")
    return (_centre(score), _centre(score)) if limits is None else (limits[0], limits[1])


def _centre(score: ScoreRecord) -> float:
    """The middle of the interval before it was cut off at zero, as far as the record says."""
    assert score.interval is not None
    centre = score.extras.get("interval_centre")
    return sum(score.interval) / 2 if centre is None else float(centre)


def _deviation(score: ScoreRecord) -> float:
    """Standard deviation behind an interval.

    A distance's interval ends at zero, so its length may be cut; the upper half is not, and without
    a centre the whole length stands for a half.
    """
    assert score.interval is not None
    deviation: Any = score.extras.get("interval_deviation")
    if deviation is not None:
        return float(deviation)
    low, high = score.interval
    if "interval_centre" in score.extras:
        half = high - _centre(score)
    else:
        half = high - low if low == 0 else (high - low) / 2
    stated = re.search(r"-([0-9.]+)%", score.recipe.get("ci", ""))
    level = float(stated.group(1)) / 100 if stated else LEVEL
    return half / NormalDist().inv_cdf((1 + level) / 2)
