"""Confidence intervals of scores, from stored features.

Complementary halves. A Fréchet distance of two samples overestimates that of their populations, by
about 1/N; an Inception Score is likewise biased; and a plain bootstrap only adds the same again:
its percentiles can lie wholly beside the value sought. Here the samples are divided at random into
complementary halves, many times over. Half a sample doubles the 1/N, so what the mean of two
complementary halves exceeds the whole by is the bias of the whole; and half the difference of the
two varies as the whole does from sample to sample. Unbiased kernel distances keep their value.

Half-samples repeat no row, so covariances stay regular where a bootstrap's would not.

Means over videos, such as CLIPSIM, are not biased: a bootstrap over videos serves. Precision,
recall, density and coverage depend on N in a way that neither removes: they have no interval.

References: Shao and Wu (1989), delete-d jackknife; McCarthy (1969), balanced half-samples; Chong
and Forsyth (2020), the 1/N bias of FID; Efron (1979), bootstrap.
"""

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.halves import Exact, Halver, Sample, check_rows, complementary_members
from pyoco_eval.metrics.inception_score import score_of_sets
from pyoco_eval.metrics.kernel import KernelRule, kernel_distances
from pyoco_eval.metrics.sample_floor import SmallSampleError
from pyoco_eval.statistics.moments import Moments

_HEAVY_TAILS = 0.1
"""Tail weight (see `Sample.tail_weight`) from which the bias falls visibly slower than 1/N: a
multivariate t of 30 degrees of freedom has 0.08, of 14 has 0.2."""

_HEAVY_TAILS_WARNING = (
    "The features have heavier tails than a Gaussian: the bias then falls more slowly than 1/N, "
    "and the interval tends to lie above the true distance, the more so the more features there "
    "are (of 400 heavy-tailed features, it held the true distance in 8 to 83 % of trials instead "
    "of 95 %). Compare with it only scores of the same number of samples."
)


@dataclass(frozen=True)
class Interval:
    """Where the score of the populations lies.

    Attributes:
        low, high: bounds, within the score's range.
        centre: the score less its estimated bias; may lie outside its range, such as a Fréchet
            distance below 0 when the populations agree.
        deviation: standard error of the centre.
        level: nominal confidence.
        num_resamples: half-samples or bootstrap samples drawn.
        seed: of the draws.
        warnings: sentences a reader of this interval must know.
    """

    low: float
    high: float
    centre: float
    deviation: float
    level: float
    num_resamples: int
    seed: int
    warnings: tuple[str, ...] = ()


def frechet_interval(
    generated: np.ndarray,
    reference: np.ndarray | Moments,
    *,
    groups_generated: np.ndarray | None = None,
    groups_reference: np.ndarray | None = None,
    level: float = 0.95,
    num_resamples: int = 100,
    seed: int = 0,
    ddof: int = 1,
) -> Interval:
    """Interval for the distance of the populations that the features were drawn from.

    It does not surround the reported distance, which is biased upwards, but the distance that
    infinitely many videos would give.

    Coverage measured at a nominal 95 % (`benchmarks/frechet_interval_coverage.py`), with flat and
    1/i spectra, equal and different populations, 3 to 10 D rows or 4 D videos of four frames:

    - Gaussians of 16 and 40 dimensions, 400 trials: 93 to 98 % where the populations differ, 98 to
      100 % where they agree (the interval then ends at 0). The centre was within 0.13 of the true
      distance on average where the reported one was up to 9.9 too large.
    - Gaussians of 128 dimensions, 40 trials: 88 to 100 %, but 73 % for equal flat populations of
      four frames a video, where the centre keeps 4 % of the bias. Of 400 dimensions and 2048 rows,
      12 trials: the centre within 0.15 where the bias is tens.
    - Ten classes that carry half of the variance, of 16 and 40 dimensions, 150 trials: 90 to 100 %;
      of 400 and 2048 rows like Gaussians.
    - Heavy tails (multivariate t of 5 degrees of freedom): the bias falls more slowly than 1/N, the
      centre keeps a fifth to a third of it. Of 16 and 40 dimensions 94 to 100 %, since the interval
      is wide; of 128, 45 to 100 %; of 400 and 2048 rows, 8 to 83 %. It fails: such features are
      told in `warnings`.

    Args:
        generated: (N, D) features, N >= 2 (D + 1).
        reference: (M, D) features, M >= 2 (D + 1); or moments, which count as exact: the interval
            then covers the choice of generated videos alone.
        groups_generated, groups_reference: (N,), (M,) labels of rows that belong together, such as
            the video of every frame; without them rows count as independent.
        level: nominal confidence, in (0, 1).
        num_resamples: half-samples, an even number of at least 20.
        seed: of the draws; the same seed gives the same interval.
        ddof: of the covariances, as in `frechet_distance`.

    Raises:
        SmallSampleError: fewer than 2 (D + 1) rows.
        UsageError: arguments out of range.
        PyocoEvalError: features of different D, or not finite.
    """
    rng = _generator(level, num_resamples, seed)
    ours = Sample(generated, groups_generated)
    theirs: Sample | Exact
    if isinstance(reference, Moments):
        if groups_reference is not None:
            raise UsageError("groups of a reference given as moments have no rows to belong to")
        theirs = Exact(reference)
    else:
        theirs = Sample(reference, groups_reference)
    whole = frechet_distance(ours.whole, theirs.whole, ddof=ddof).distance
    pairs = np.empty((num_resamples // 2, 2))
    for pair in pairs:
        halves = zip(ours.halves(rng), theirs.halves(rng), strict=True)
        pair[:] = [frechet_distance(a, b, ddof=ddof).distance for a, b in halves]
    centre = whole - float(pairs.mean() - whole)
    tails = max(side.tail_weight() for side in (ours, theirs))
    warnings = (_HEAVY_TAILS_WARNING,) if tails > _HEAVY_TAILS else ()
    return replace(_of_halves(centre, pairs, 0.0, level, seed), warnings=warnings)


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
    rng = _generator(level, num_resamples, seed)
    check_rows(logits)
    members = complementary_members(Halver(len(logits), groups), rng, num_resamples)
    found = score_of_sets(logits, np.column_stack([np.ones(len(logits)), members]), eps)
    whole, pairs = float(found[0]), found[1:].reshape(-1, 2)
    centre = whole - float(pairs.mean() - whole)
    return _of_halves(centre, pairs, 1.0, level, seed)


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
    the same number, and the deviation between subsets says nothing of the error of the mean. Where
    the populations agree the interval is wider than need be.

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
    rng = _generator(level, num_resamples, seed)
    members = []
    for rows, groups in ((generated, groups_generated), (reference, groups_reference)):
        check_rows(rows)
        halves = complementary_members(Halver(len(rows), groups), rng, num_resamples)
        members.append(np.column_stack([np.ones(len(rows)), halves]))
    found = kernel_distances(generated, reference, members[0], members[1], rule)
    whole, pairs = float(found[0]), found[1:].reshape(-1, 2)
    if rule.unbiased:
        return _of_halves(whole, pairs, -np.inf, level, seed)
    return _of_halves(whole - float(pairs.mean() - whole), pairs, 0.0, level, seed)


def mean_interval(
    per_video: np.ndarray, *, level: float = 0.95, num_resamples: int = 1000, seed: int = 0
) -> Interval:
    """Percentile bootstrap interval for a mean over videos, such as CLIPSIM.

    Args:
        per_video: (V,) values of independent videos, V >= 2.
        level: nominal confidence, in (0, 1).
        num_resamples: bootstrap samples, an even number of at least 20; 1000 settle the bounds.
        seed: of the draws.

    Raises:
        SmallSampleError: fewer than two videos.
        UsageError: arguments out of range.
        PyocoEvalError: values not finite.
    """
    rng = _generator(level, num_resamples, seed)
    values = np.asarray(per_video, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise PyocoEvalError(f"values {values.shape} must be (V,) without NaN or infinity")
    count = len(values)
    if count < 2:
        raise SmallSampleError(f"{count} video is too few for an interval over videos")
    means = np.array([values[rng.integers(count, size=count)].mean() for _ in range(num_resamples)])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(
        low=float(low),
        high=float(high),
        centre=float(values.mean()),
        deviation=float(means.std(ddof=1)),
        level=level,
        num_resamples=num_resamples,
        seed=seed,
    )


def _generator(level: float, num_resamples: int, seed: int) -> np.random.Generator:
    """The generator of the draws; raises UsageError if an argument is out of range."""
    if not 0 < level < 1:
        raise UsageError(f"level {level} must lie between 0 and 1")
    if num_resamples < 20 or num_resamples % 2:
        raise UsageError(f"num_resamples {num_resamples} must be an even number of at least 20")
    return np.random.default_rng(seed)


def _of_halves(
    centre: float, pairs: np.ndarray, lowest: float, level: float, seed: int
) -> Interval:
    """The interval around `centre`, not below `lowest`, from (R, 2) scores of halves."""
    deviation = float(np.sqrt(np.mean(((pairs[:, 0] - pairs[:, 1]) / 2) ** 2)))
    margin = NormalDist().inv_cdf((1 + level) / 2) * deviation
    return Interval(
        low=max(centre - margin, lowest),
        high=max(centre + margin, lowest),
        centre=centre,
        deviation=deviation,
        level=level,
        num_resamples=pairs.size,
        seed=seed,
    )
