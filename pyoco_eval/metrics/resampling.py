"""Intervals of scores without covariances: Inception Score, kernel distances, means over videos.

Complementary halves. An Inception Score of a sample is biased, by about 1/N, and a plain bootstrap
only adds the same again: its percentiles can lie wholly beside the value sought. Here the samples
are divided at random into complementary halves, many times over. Half a sample doubles the 1/N, so
what the mean of two complementary halves exceeds the whole by is the bias of the whole; and half
the difference of the two varies as the whole does from sample to sample. Unbiased kernel distances
keep their value. Fréchet distances need more: `frechet_interval`.

Means over videos, such as CLIPSIM, are not biased: a bootstrap over videos serves. Precision,
recall, density and coverage depend on N in a way that neither removes: they have no interval.

References: Shao and Wu (1989), delete-d jackknife; McCarthy (1969), balanced half-samples; Efron
(1979), bootstrap.
"""

import numpy as np

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.metrics.division import Division, half_members
from pyoco_eval.metrics.inception_score import score_of_sets
from pyoco_eval.metrics.interval import Interval, check_resampling, interval_of_halves
from pyoco_eval.metrics.kernel import KernelRule, kernel_distances
from pyoco_eval.metrics.parts import check_rows
from pyoco_eval.metrics.sample_floor import SmallSampleError


def inception_interval(
    logits: np.ndarray,
    *,
    eps: float = 0.0,
    groups: np.ndarray | None = None,
    level: float = 0.95,
    num_resamples: int = 100,
    seed: int = 0,
) -> Interval:
    """Interval for the Inception Score of the population, which no split enters.

    A score over splits is lower than that of all samples at once, by their smaller number; the
    interval is for the score that infinitely many videos would give, and may lie above it.

    Args:
        logits: (N, K) before the softmax.
        eps: added to every probability, as in `inception_score`.
        groups: (N,) labels of rows that belong together.
        level, num_resamples, seed: as in `frechet_interval`.

    Raises:
        SmallSampleError: fewer than four rows or groups.
        UsageError: arguments out of range.
        PyocoEvalError: logits that are not (N, K) or not finite.
    """
    check_resampling(level, num_resamples)
    check_rows(logits)
    division = _divided(logits, groups)
    members = half_members(division, num_resamples, seed)
    found = score_of_sets(logits, np.column_stack([np.ones(len(logits)), members]), eps)
    return interval_of_halves(
        float(found[0]),
        found[1:].reshape(-1, 2),
        lowest=1.0,
        level=level,
        seed=seed,
        names=(division.names_hash(),),
    )


def kernel_interval(
    generated: np.ndarray,
    reference: np.ndarray,
    rule: KernelRule,
    *,
    groups_generated: np.ndarray | None = None,
    groups_reference: np.ndarray | None = None,
    level: float = 0.95,
    num_resamples: int = 100,
    seed: int = 0,
) -> Interval:
    """Interval for the kernel distance of the populations (KID, KVD, CMMD).

    Its centre is the value over all rows, also where the rule takes subsets: their mean estimates
    the same number, and the deviation between subsets says nothing of the error of the mean.

    Args:
        generated, reference: (N, D), (M, D) features, four rows or more.
        rule: kernel and bias.
        groups_generated, groups_reference, level, num_resamples, seed: as in `frechet_interval`.

    Returns:
        Its low end may be negative, except for the biased `rbf10`.

    Raises:
        SmallSampleError: fewer than four rows or groups on a side.
        UsageError: arguments out of range.
        PyocoEvalError: features of different D, or not finite.
    """
    check_resampling(level, num_resamples)
    members, names = [], []
    for rows, groups in ((generated, groups_generated), (reference, groups_reference)):
        check_rows(rows)
        division = _divided(rows, groups)
        halves = half_members(division, num_resamples, seed)
        members.append(np.column_stack([np.ones(len(rows)), halves]))
        names.append(division.names_hash())
    found = kernel_distances(generated, reference, members[0], members[1], rule)
    return interval_of_halves(
        float(found[0]),
        found[1:].reshape(-1, 2),
        lowest=-np.inf if rule.unbiased else 0.0,
        level=level,
        seed=seed,
        names=tuple(names),
        unbiased=rule.unbiased,
    )


def mean_interval(
    per_video: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    level: float = 0.95,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval for a mean over videos, such as CLIPSIM.

    Args:
        per_video: (V,) values of videos, V >= 2.
        groups: (V,) names of what belongs together, such as seeds of one prompt; whole groups are
            drawn. None for independent videos.
        level: nominal confidence, in (0, 1).
        num_resamples: bootstrap samples, an even number of at least 20; 1000 settle the bounds.
        seed: of the draws.

    Raises:
        SmallSampleError: fewer than two videos or groups.
        UsageError: arguments out of range.
        PyocoEvalError: values not finite.
    """
    check_resampling(level, num_resamples)
    values = np.asarray(per_video, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise PyocoEvalError(f"values {values.shape} must be (V,) without NaN or infinity")
    division = Division(len(values), groups)
    count = division.num_groups
    if count < 2:
        raise SmallSampleError(f"{count} video or group is too few for an interval over videos")
    sums = np.bincount(division.group, weights=values, minlength=count)
    sizes = np.bincount(division.group, minlength=count)
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(count, size=count) for _ in range(num_resamples))
    means = np.array([sums[chosen].sum() / sizes[chosen].sum() for chosen in drawn])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    halves = half_members(division, num_resamples, seed)
    of_halves = values @ halves / halves.sum(axis=0)
    return Interval(
        low=float(low),
        high=float(high),
        centre=float(values.mean()),
        deviation=float(means.std(ddof=1)),
        level=level,
        num_resamples=num_resamples,
        seed=seed,
        target="rows",
        halves=tuple(of_halves.tolist()),
        names=(division.names_hash(),),
    )


def _divided(rows: np.ndarray, groups: np.ndarray | None) -> Division:
    """Raises SmallSampleError if a half would have fewer than two rows or groups."""
    division = Division(len(rows), groups)
    if division.num_groups < 4:
        raise SmallSampleError(
            f"{len(rows)} rows in {division.num_groups} groups are too few for an interval: half "
            "of them must still be 2 or more"
        )
    return division
