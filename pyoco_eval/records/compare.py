"""Comparing scores across records: only what was made alike, and with what chance may have done.

Two scores of one metric compare when their recipes agree on every key but those of `FREE` and
`WARNED`. What their errors share cancels in the difference (`pairing`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pyoco_eval.errors import UsageError
from pyoco_eval.metrics.catalogue import has_interval, is_better_higher, is_unbiased, metric_of
from pyoco_eval.metrics.signature import KEYS
from pyoco_eval.records.pairing import LEVEL, spread_of_difference, why_unpaired
from pyoco_eval.records.record import Record, ScoreRecord

OF_AS_MANY: Final = (
    "There are too few videos to take the bias off, so the interval is for the difference of "
    "scores of as many videos as these: equal numbers on both sides compare, others do not."
)

FREE: Final = ("size", "ci", "left")
WARNED: Final = ("dec", "protocol", "v")


@dataclass(frozen=True)
class RecipeDifference:
    """A recipe key on which records differ: one value per record, `-` where it is absent."""

    key: str
    values: tuple[str, ...]

    @property
    def meaning(self) -> str:
        """What the key says, in words."""
        return KEYS.get(self.key, "a key that this version does not know")


@dataclass(frozen=True)
class ScoreDifference:
    """The score of one record less that of another.

    Attributes:
        of, against: names of the records.
        value: score of `of` less score of `against`.
        interval: where the difference lies that infinitely many samples would give, at `LEVEL`;
            None where one of the scores has no interval.
        verdict: in words.
        basis: what was taken for shared by the errors of both, a key of `pairing.ABOUT`.
        of_limits: the interval is for infinitely many samples; else for as many as there were.
    """

    of: str
    against: str
    value: float
    interval: tuple[float, float] | None
    verdict: str
    basis: str | None = None
    of_limits: bool = True


@dataclass(frozen=True)
class Comparison:
    """One metric under one convention in every record.

    Attributes:
        names: of the records, in the order given.
        scores: one per record.
        refused: keys that must agree and do not; empty if the scores compare.
        differences: of two records, the second less the first; of more, every other record less
            the best. Empty where the scores do not compare and are not forced.
        warnings: sentences a reader must know.
    """

    metric: str
    convention: str
    names: tuple[str, ...]
    scores: tuple[ScoreRecord, ...]
    refused: tuple[RecipeDifference, ...]
    differences: tuple[ScoreDifference, ...]
    warnings: tuple[str, ...]

    def ranked(self) -> list[tuple[str, ScoreRecord]]:
        """Names and scores, the best first."""
        sign = -1 if is_better_higher(self.metric) else 1
        pairs = zip(self.names, self.scores, strict=True)
        return sorted(pairs, key=lambda pair: sign * pair[1].value)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "metric": self.metric,
            "convention": self.convention,
            "comparable": not self.refused,
            "scores": [
                {
                    "record": name,
                    "value": score.value,
                    "interval": score.interval,
                    "std": score.std,
                    "signature": score.signature,
                }
                for name, score in zip(self.names, self.scores, strict=True)
            ],
            "differing_keys": {
                found.key: {
                    "values": dict(zip(self.names, found.values, strict=True)),
                    "meaning": found.meaning,
                }
                for found in self.refused
            },
            "differences": [vars(difference) for difference in self.differences],
            "warnings": list(self.warnings),
        }


def compare_records(
    records: Mapping[str, Record], *, force: bool = False, pair: bool | None = None
) -> tuple[list[Comparison], list[str]]:
    """Compare every metric and convention that all records hold.

    Args:
        records: name -> record, at least two.
        force: give differences also where recipes do not agree.
        pair: True insists on pairing videos by name, False takes all errors for independent; None
            shares what both records say they share.

    Returns:
        The comparisons in the order of the first record, and the scores (`fvd tf-fvd`) that some
        records lack.

    Raises:
        UsageError: fewer than two records, no metric that all of them hold, or videos that cannot
            be paired although that was asked for.
    """
    if len(records) < 2:
        raise UsageError(f"{len(records)} records: a comparison needs at least two")
    held = [_by_metric(record) for record in records.values()]
    shared = [metric for metric in held[0] if all(metric in other for other in held)]
    if not shared:
        lines = [
            f"  {name}: {', '.join(metrics)}" for name, metrics in zip(records, held, strict=True)
        ]
        raise UsageError("the records have no metric in common:\n" + "\n".join(lines))
    comparisons = [
        _compare(metric, records, scores, force=force, pair=pair)
        for metric in shared
        for scores in _aligned([other[metric] for other in held])
    ]
    used = {id(score) for comparison in comparisons for score in comparison.scores}
    unused = [
        f"{name}: {score.metric} {score.recipe.get('conv', '-')}"
        for name, record in records.items()
        for score in record.scores
        if id(score) not in used
    ]
    return comparisons, unused


def _differing_keys(scores: Sequence[ScoreRecord]) -> list[RecipeDifference]:
    """Keys on which recipes differ, except those of `FREE`, in signature order."""
    recipes = [score.recipe for score in scores]
    present = {key for recipe in recipes for key in recipe}
    found = []
    for key in (*KEYS, *sorted(present - set(KEYS))):
        values = tuple(recipe.get(key, "-") for recipe in recipes)
        if key not in FREE and len({_essence(key, value) for value in values}) > 1:
            found.append(RecipeDifference(key, values))
    return found


def _essence(key: str, value: str) -> str:
    """What of a value must agree.

    A reference is its videos, whatever their folder is called. How short videos are treated is
    told apart only by whether any were met.
    """
    if key == "ref":
        return value.rpartition("@")[2]
    if key == "clip":
        return "/".join(re.sub("-(loop|skip)$", "", part) for part in value.split("/"))
    return value


def _by_metric(record: Record) -> dict[str, list[ScoreRecord]]:
    found: dict[str, list[ScoreRecord]] = {}
    for score in record.scores:
        found.setdefault(score.metric, []).append(score)
    return found


def _aligned(held: Sequence[Sequence[ScoreRecord]]) -> list[tuple[ScoreRecord, ...]]:
    """Scores of one metric that belong together: of one convention, else the first of each."""
    groups: list[dict[tuple[str, int], ScoreRecord]] = []
    for scores in held:
        group: dict[tuple[str, int], ScoreRecord] = {}
        for score in scores:
            conv = score.recipe.get("conv", "-")
            group[conv, sum(name == conv for name, _ in group)] = score
        groups.append(group)
    shared = [key for key in groups[0] if all(key in group for group in groups)]
    if not shared:
        return [tuple(scores[0] for scores in held)]
    return [tuple(group[key] for group in groups) for key in shared]


def _compare(
    metric: str,
    records: Mapping[str, Record],
    scores: Sequence[ScoreRecord],
    *,
    force: bool,
    pair: bool | None,
) -> Comparison:
    differing = _differing_keys(scores)
    tolerated = (*WARNED, "n") if is_unbiased(metric) else WARNED
    refused = tuple(found for found in differing if found.key not in tolerated)
    conventions = list(dict.fromkeys(score.recipe.get("conv", "-") for score in scores))
    names = tuple(records)
    warnings = [
        f"{found.key} differs ({' and '.join(dict.fromkeys(found.values))}): {found.meaning}."
        for found in differing
        if found not in refused
    ]
    warnings += _warnings(metric, records, scores)
    plain = Comparison(metric, "/".join(conventions), names, tuple(scores), refused, (), ())
    differences: tuple[ScoreDifference, ...] = ()
    if not refused or force:
        if len(scores) == 2:
            pairs = [((names[1], scores[1]), (names[0], scores[0]))]
        else:
            best, *others = plain.ranked()
            pairs = [(other, best) for other in others]
        if pair:
            _require_pairs(metric, pairs)
        differences = tuple(_difference(metric, of, against, pair) for of, against in pairs)
        if any(difference.interval is None for difference in differences):
            warnings.append(_without_interval(metric))
        if any(not difference.of_limits for difference in differences):
            warnings.append(OF_AS_MANY)
    return Comparison(
        metric, plain.convention, names, plain.scores, refused, differences, tuple(warnings)
    )


def _require_pairs(
    metric: str, pairs: Sequence[tuple[tuple[str, ScoreRecord], tuple[str, ScoreRecord]]]
) -> None:
    """Raises UsageError if videos cannot be paired; metrics without an interval have no pairs."""
    problems = [
        f"  {metric}, {of} and {against}: {reason}"
        for (of, score), (against, base) in pairs
        if has_interval(metric) and (reason := why_unpaired(score, base)) is not None
    ]
    if problems:
        raise UsageError("--paired: the videos cannot be paired:\n" + "\n".join(problems))


def _warnings(
    metric: str, records: Mapping[str, Record], scores: Sequence[ScoreRecord]
) -> list[str]:
    digests: dict[str, list[str]] = {}
    for name, record in records.items():
        digests.setdefault(record.samples.digest, []).append(name)
    found = [
        f"{', '.join(same)}: the same generated videos."
        for same in digests.values()
        if len(same) > 1
    ]
    clips = {score.recipe.get("clip", "-") for score in scores}
    if len(clips) > len({_essence("clip", clip) for clip in clips}):
        found.append(f"Short videos were repeated in some records only ({', '.join(clips)}).")
    if any("floor" in score.recipe for score in scores):
        found.append("Some scores are below the sample floor: they mostly measure their size.")
    known = metric_of(metric)
    if known is not None and known.classifies and any(score.std is not None for score in scores):
        found.append(
            "± is the spread over splits of one set of videos, not a standard error of the score."
        )
    exact = ["refexact" in score.recipe.get("ci", "") for score in scores if score.interval]
    if len(set(exact)) > 1:
        found.append("Some intervals count the reference as exact, others do not.")
    return found


def _difference(
    metric: str, of: tuple[str, ScoreRecord], against: tuple[str, ScoreRecord], pair: bool | None
) -> ScoreDifference:
    (name, score), (other, base) = of, against
    value = score.value - base.value
    spread = spread_of_difference(score, base, pair)
    interval = None if spread is None else (spread.low, spread.high)
    verdict = _verdict(metric, name, other, value, interval)
    if spread is None:
        return ScoreDifference(name, other, value, None, verdict)
    return ScoreDifference(name, other, value, interval, verdict, spread.basis, spread.of_limits)


def _verdict(
    metric: str, name: str, other: str, value: float, interval: tuple[float, float] | None
) -> str:
    if interval is not None and interval[0] <= 0 <= interval[1]:
        return f"no difference shown: chance alone could explain it at {LEVEL:.0%}"
    towards = value if interval is None else interval[0]
    if towards == 0:
        return "the same number"
    is_better = (towards > 0) == is_better_higher(metric)
    better, worse = (name, other) if is_better else (other, name)
    if interval is None:
        return f"{better} scores better than {worse}; whether by more than chance is not known"
    return f"{better} is better than {worse} at {LEVEL:.0%}"


def _without_interval(metric: str) -> str:
    if has_interval(metric):
        return "Without intervals the difference stands alone: score with --interval 100."
    return "Without intervals the difference stands alone: nothing says what chance would do."
